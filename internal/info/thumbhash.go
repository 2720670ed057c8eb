// SPDX-License-Identifier: MIT

package info

import (
	"image"
	"math"
)

// channel is one component of a picture: a value for each pixel, line by line.
type channel struct {
	width, height int
	values        []float64
}

func newChannel(size image.Point) channel {
	return channel{size.X, size.Y, make([]float64, size.X*size.Y)}
}

// thumbHash returns the ThumbHash of p: https://evanw.github.io/thumbhash/. The hash
// has luminance, two differences of colors, and alpha, each as the first terms of its
// cosine transform.
func thumbHash(p *image.NRGBA) []byte {
	l, yellow, red, a := lpqa(p)
	w, h := float64(l.width), float64(l.height)
	hasAlpha := !p.Opaque()
	most := 7.0
	if hasAlpha {
		most = 5
	}
	lx := max(1, round(most*w/max(w, h)))
	ly := max(1, round(most*h/max(w, h)))
	lt := l.transform(max(3, lx), max(3, ly))
	pt, qt := yellow.transform(3, 3), red.transform(3, 3)

	head := round(63*lt.mean) | round(31.5+31.5*pt.mean)<<6 | round(31.5+31.5*qt.mean)<<12 | round(31*lt.scale)<<18
	more := round(63*pt.scale)<<3 | round(63*qt.scale)<<9
	if w > h {
		more |= ly | 1<<15
	} else {
		more |= lx
	}
	all := []terms{lt, pt, qt}
	var at terms
	if hasAlpha {
		head |= 1 << 23
		at = a.transform(5, 5)
		all = append(all, at)
	}
	hash := []byte{byte(head), byte(head >> 8), byte(head >> 16), byte(more), byte(more >> 8)}
	if hasAlpha {
		hash = append(hash, byte(round(15*at.mean)|round(15*at.scale)<<4))
	}
	odd := false
	for _, t := range all {
		for _, v := range t.rest {
			n := byte(round(15 * v))
			if odd {
				hash[len(hash)-1] |= n << 4
			} else {
				hash = append(hash, n)
			}
			odd = !odd
		}
	}
	return hash
}

// lpqa returns p as luminance, yellow less blue, red less green, and alpha, laid over
// its mean color.
func lpqa(p *image.NRGBA) (l, yellow, red, a channel) {
	size := p.Rect.Size()
	var mean [3]float64
	total := 0.0
	each(p, func(_ int, px []uint8) {
		alpha := float64(px[3]) / 255
		for c := range mean {
			mean[c] += float64(alpha / 255 * float64(px[c]))
		}
		total += alpha
	})
	if total > 0 {
		for c := range mean {
			mean[c] /= total
		}
	}
	l, yellow, red, a = newChannel(size), newChannel(size), newChannel(size), newChannel(size)
	each(p, func(i int, px []uint8) {
		alpha := float64(px[3]) / 255
		over := func(c int) float64 {
			return float64(mean[c]*(1-alpha)) + float64(alpha/255*float64(px[c]))
		}
		r, g, b := over(0), over(1), over(2)
		l.values[i] = (r + g + b) / 3
		yellow.values[i] = (r+g)/2 - b
		red.values[i] = r - g
		a.values[i] = alpha
	})
	return l, yellow, red, a
}

// each calls f with the four samples of each pixel of p, and the pixel's number.
func each(p *image.NRGBA, f func(i int, px []uint8)) {
	size := p.Rect.Size()
	for y := range size.Y {
		line := p.Pix[y*p.Stride:]
		for x := range size.X {
			f(y*size.X+x, line[4*x:4*x+4])
		}
	}
}

// terms are the first terms of a cosine transform: the mean, and the others, each
// divided by scale and moved from -1 … 1 to 0 … 1.
type terms struct {
	mean  float64
	rest  []float64
	scale float64
}

// transform returns the terms of at most nx waves across and ny down, a triangle of
// them.
func (c channel) transform(nx, ny int) terms {
	var t terms
	lines := c.across(waves(c.width, nx, 0.5))
	down := waves(c.height, ny, 0.5)
	for y := range ny {
		for x := 0; x*ny < nx*(ny-y); x++ {
			f := dot(lines[x], down[y]) / float64(c.width*c.height)
			if x == 0 && y == 0 {
				t.mean = f
				continue
			}
			t.rest = append(t.rest, f)
			t.scale = max(t.scale, math.Abs(f))
		}
	}
	if t.scale > 0 {
		for i, f := range t.rest {
			t.rest[i] = 0.5 + float64(0.5/t.scale*f)
		}
	}
	return t
}

// across returns the sum of each line of c under each of some waves.
func (c channel) across(waves [][]float64) [][]float64 {
	sums := make([][]float64, len(waves))
	for k, wave := range waves {
		for y := range c.height {
			sums[k] = append(sums[k], dot(c.values[y*c.width:(y+1)*c.width], wave))
		}
	}
	return sums
}

// dot returns the sum of the products of a and b.
func dot(a, b []float64) (sum float64) {
	for i, v := range a {
		sum += float64(v * b[i])
	}
	return sum
}

// waves returns the cosines of 0 to n-1 half waves at each of length pixels: at = 0 is the
// beginning of a pixel, 0.5 its middle.
func waves(length, n int, at float64) [][]float64 {
	all := make([][]float64, n)
	for k := range all {
		all[k] = make([]float64, length)
		for i := range all[k] {
			all[k][i] = math.Cos(math.Pi / float64(length) * float64(k) * (float64(i) + at))
		}
	}
	return all
}

// round rounds half up, as the reference implementation does.
func round(v float64) int { return int(math.Floor(v + 0.5)) }
