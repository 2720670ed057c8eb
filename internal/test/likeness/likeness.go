// SPDX-License-Identifier: MIT

// Package likeness tells how alike two pictures are, for tests and benchmarks.
package likeness

import (
	"image"
	"math"
)

// Plane is one band of a picture.
type Plane struct {
	W, H int
	v    []float64 // line by line
}

func newPlane(w, h int) Plane { return Plane{w, h, make([]float64, w*h)} }

// Luma returns the luma of m on black, 0 to 255, as BT.601 has it.
func Luma(m image.Image) Plane { return weighted(m, 0, 0.299, 0.587, 0.114) }

// Chroma returns Cb and Cr of m on black, 0 to 255 with 128 for gray, as BT.601 has them.
func Chroma(m image.Image) [2]Plane {
	return [2]Plane{
		weighted(m, 128, -0.168736, -0.331264, 0.5),
		weighted(m, 128, 0.5, -0.418688, -0.081312),
	}
}

func weighted(m image.Image, zero, red, green, blue float64) Plane {
	b := m.Bounds()
	p := newPlane(b.Dx(), b.Dy())
	for y := range p.H {
		for x := range p.W {
			r, g, b, _ := m.At(b.Min.X+x, b.Min.Y+y).RGBA()
			p.v[y*p.W+x] = zero + (red*float64(r)+green*float64(g)+blue*float64(b))/257
		}
	}
	return p
}

// Error returns the root of the mean square of the difference of two planes.
func Error(a, b Plane) float64 {
	sum := 0.0
	for i, v := range a.v {
		sum += (v - b.v[i]) * (v - b.v[i])
	}
	return math.Sqrt(sum / float64(len(a.v)))
}

func (p Plane) turned() Plane {
	t := newPlane(p.H, p.W)
	for y := range p.H {
		for x := range p.W {
			t.v[x*t.W+y] = p.v[y*p.W+x]
		}
	}
	return t
}

// narrowed returns p with w columns, by a Lanczos filter of three lobes over
// all the pixels that a new one covers.
func (p Plane) narrowed(w int) Plane {
	out := newPlane(w, p.H)
	factor := float64(p.W) / float64(w)
	for x := range w {
		center := (float64(x)+0.5)*factor - 0.5
		from, to := int(math.Ceil(center-3*factor)), int(math.Floor(center+3*factor))
		weights, sum := make([]float64, to-from+1), 0.0
		for i := range weights {
			weights[i] = lanczos(float64(from+i)-center, factor)
			sum += weights[i]
		}
		for y := range p.H {
			v := 0.0
			for i, weight := range weights {
				v += weight * p.v[y*p.W+min(max(from+i, 0), p.W-1)]
			}
			out.v[y*w+x] = v / sum
		}
	}
	return out
}

func lanczos(distance, factor float64) float64 {
	x := math.Pi * distance / factor
	if x == 0 {
		return 1
	}
	return math.Sin(x) * math.Sin(x/3) / (x * x / 3)
}

// Reduced returns p in another size, by a Lanczos filter over all pixels, each
// value rounded to a byte.
func (p Plane) Reduced(w, h int) Plane {
	out := p.narrowed(w).turned().narrowed(h).turned()
	for i, v := range out.v {
		out.v[i] = math.Round(min(max(v, 0), 255))
	}
	return out
}

// SSIM returns the mean structural similarity of two planes, with a Gaussian
// window of 11x11, sigma 1.5, as Wang et al. define it (2004).
func SSIM(a, b Plane) float64 {
	const side = 11
	const c1, c2 = 0.01 * 255 * 0.01 * 255, 0.03 * 255 * 0.03 * 255
	window := make([]float64, side)
	sum := 0.0
	for i := range window {
		d := float64(i - side/2)
		window[i] = math.Exp(-d * d / (2 * 1.5 * 1.5))
		sum += window[i]
	}
	for i := range window {
		window[i] /= sum
	}
	mean := func(value func(i int) float64) Plane {
		p := newPlane(a.W, a.H)
		for i := range p.v {
			p.v[i] = value(i)
		}
		return p.windowed(window).turned().windowed(window).turned()
	}
	ma, mb := mean(func(i int) float64 { return a.v[i] }), mean(func(i int) float64 { return b.v[i] })
	aa, bb := mean(func(i int) float64 { return a.v[i] * a.v[i] }), mean(func(i int) float64 { return b.v[i] * b.v[i] })
	ab := mean(func(i int) float64 { return a.v[i] * b.v[i] })
	total := 0.0
	for i := range ma.v {
		x, y := ma.v[i], mb.v[i]
		total += (2*x*y + c1) * (2*(ab.v[i]-x*y) + c2) / ((x*x + y*y + c1) * (aa.v[i] - x*x + bb.v[i] - y*y + c2))
	}
	return total / float64(len(ma.v))
}

// windowed returns the weighted means along the rows, where the window fits.
func (p Plane) windowed(window []float64) Plane {
	out := newPlane(p.W-len(window)+1, p.H)
	for y := range out.H {
		for x := range out.W {
			v := 0.0
			for i, weight := range window {
				v += weight * p.v[y*p.W+x+i]
			}
			out.v[y*out.W+x] = v
		}
	}
	return out
}
