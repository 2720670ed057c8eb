// SPDX-License-Identifier: MIT

// Package pictures makes photographs and drawings, for tests and benchmarks that
// compare encoders: always the same 60.
package pictures

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

// Size is that of a picture. What is drawn has no soft edges before it is reduced to
// half of that or less.
var Size = image.Pt(640, 480)

// Picture is one of the pictures.
type Picture struct {
	Name  string
	Image *image.NRGBA
}

// photographs are those of the test data.
var photographs = []string{"brook", "brushes", "dandelion", "dogs", "drum", "fig", "mountains", "sunset"}

// parts are the parts of a photograph that are pictures, in eighths of its width and
// height.
var parts = []image.Rectangle{image.Rect(0, 0, 8, 8), image.Rect(2, 2, 6, 6), image.Rect(0, 0, 4, 4), image.Rect(4, 3, 7, 6)}

// drawings draw a picture by chance, on white.
var drawings = []struct {
	name string
	draw func(m *image.NRGBA, r *rand.Rand)
}{
	{"chart", chart}, {"page", page}, {"cartoon", cartoon}, {"map", areas}, {"gradient", gradient}, {"hatching", hatching},
}

// All returns 30 photographs, which are parts of those in a folder, and 30 drawings.
func All(folder string) ([]Picture, error) {
	const each = 30
	var all []Picture
	for i := range each {
		name := photographs[i%len(photographs)]
		data, err := os.ReadFile(filepath.Join(folder, name+".jpg"))
		if err != nil {
			return nil, err
		}
		whole, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		part := parts[i/len(photographs)]
		size := whole.Bounds().Size()
		from := image.Rect(part.Min.X*size.X/8, part.Min.Y*size.Y/8, part.Max.X*size.X/8, part.Max.Y*size.Y/8)
		m := image.NewNRGBA(image.Rectangle{Max: Size})
		draw.CatmullRom.Scale(m, m.Bounds(), whole, from.Add(whole.Bounds().Min), draw.Src, nil)
		all = append(all, Picture{fmt.Sprintf("%s-%d", name, i/len(photographs)), m})
	}
	for i := range each {
		kind := drawings[i%len(drawings)]
		m := image.NewNRGBA(image.Rectangle{Max: Size})
		draw.Draw(m, m.Bounds(), image.White, image.Point{}, draw.Src)
		kind.draw(m, rand.New(rand.NewPCG(uint64(i), 20)))
		all = append(all, Picture{fmt.Sprintf("%s-%d", kind.name, i/len(drawings)), m})
	}
	return all, nil
}

func chance(r *rand.Rand) color.NRGBA {
	return color.NRGBA{uint8(r.IntN(256)), uint8(r.IntN(256)), uint8(r.IntN(256)), 255}
}

func fill(m *image.NRGBA, area image.Rectangle, c color.Color) {
	draw.Draw(m, area, image.NewUniform(c), image.Point{}, draw.Src)
}

func write(m *image.NRGBA, x, y int, text string, c color.Color) {
	d := font.Drawer{Dst: m, Src: image.NewUniform(c), Face: basicfont.Face7x13, Dot: fixed.P(x, y)}
	d.DrawString(text)
}

// line draws a line of a width in pixels.
func line(m *image.NRGBA, from, to image.Point, width int, c color.NRGBA) {
	d := to.Sub(from)
	n := max(max(d.X, -d.X), max(d.Y, -d.Y), 1)
	for i := range n + 1 {
		at := from.Add(d.Mul(i).Div(n))
		fill(m, image.Rect(at.X, at.Y, at.X+width, at.Y+width), c)
	}
}

// disc draws an ellipse with an outline.
func disc(m *image.NRGBA, center, radius image.Point, c color.NRGBA, outline float64) {
	for y := -radius.Y; y <= radius.Y; y++ {
		for x := -radius.X; x <= radius.X; x++ {
			d := math.Hypot(float64(x)/float64(radius.X), float64(y)/float64(radius.Y))
			switch {
			case d > 1:
			case d > 1-outline/float64(min(radius.X, radius.Y)):
				m.SetNRGBA(center.X+x, center.Y+y, color.NRGBA{20, 20, 30, 255})
			default:
				m.SetNRGBA(center.X+x, center.Y+y, c)
			}
		}
	}
}

func chart(m *image.NRGBA, r *rand.Rand) {
	black := color.NRGBA{30, 30, 30, 255}
	for y := 60; y < 440; y += 40 {
		fill(m, image.Rect(50, y, 620, y+1), color.NRGBA{210, 210, 210, 255})
		write(m, 10, y+5, fmt.Sprint(1000-2*y), black)
	}
	c := chance(r)
	last := image.Pt(60, 300)
	for x := 60; x < 600; x += 36 {
		h := 40 + r.IntN(330)
		fill(m, image.Rect(x, 440-h, x+24, 440), c)
		write(m, x, 460, fmt.Sprint(x), black)
		next := image.Pt(x+12, 80+r.IntN(300))
		line(m, last, next, 3, color.NRGBA{200, 40, 40, 255})
		last = next
	}
	write(m, 240, 30, fmt.Sprintf("Thumbnails in %d", r.IntN(3000)), black)
}

func page(m *image.NRGBA, r *rand.Rand) {
	words := []string{"the", "file", "appears", "whole", "or", "not", "at", "all", "nginx", "serves", "it", "plainly"}
	fill(m, image.Rect(0, 0, 640, 50), chance(r))
	fill(m, image.Rect(400, 80, 620, 260), chance(r))
	write(m, 20, 30, "A page of a document", color.White)
	for y := 80; y < 470; y += 17 {
		width := 360
		if y > 280 {
			width = 600
		}
		text := ""
		for len(text)*7 < width-70 {
			text += words[r.IntN(len(words))] + " "
		}
		write(m, 20, y, text, color.NRGBA{25, 25, 25, 255})
	}
}

func cartoon(m *image.NRGBA, r *rand.Rand) {
	fill(m, m.Bounds(), chance(r))
	for range 25 {
		disc(m, image.Pt(r.IntN(640), r.IntN(480)), image.Pt(15+r.IntN(110), 15+r.IntN(110)), chance(r), 5)
	}
}

// areas are the regions that are nearest to points, with roads between these.
func areas(m *image.NRGBA, r *rand.Rand) {
	type area struct {
		at image.Point
		c  color.NRGBA
	}
	var all []area
	for range 40 {
		c := uint8(170 + r.IntN(70))
		all = append(all, area{image.Pt(r.IntN(640), r.IntN(480)), color.NRGBA{c, 225, 255 - c/2, 255}})
	}
	for y := range 480 {
		for x := range 640 {
			nearest, second := math.MaxInt, math.MaxInt
			for _, a := range all {
				d := image.Pt(x, y).Sub(a.at)
				switch n := d.X*d.X + d.Y*d.Y; {
				case n < nearest:
					nearest, second = n, nearest
					m.SetNRGBA(x, y, a.c)
				case n < second:
					second = n
				}
			}
			if math.Sqrt(float64(second))-math.Sqrt(float64(nearest)) < 3 {
				m.SetNRGBA(x, y, color.NRGBA{120, 110, 100, 255})
			}
		}
	}
	for i, a := range all[1:] {
		if i%2 == 0 {
			line(m, a.at, all[i].at, 5, color.NRGBA{250, 200, 60, 255})
		}
		write(m, a.at.X, a.at.Y, fmt.Sprintf("Place %d", i), color.NRGBA{40, 40, 60, 255})
	}
}

func gradient(m *image.NRGBA, r *rand.Rand) {
	a, b := chance(r), chance(r)
	mix := func(from, to uint8, x, y int) uint8 {
		return uint8((int(from)*(640+480-x-y) + int(to)*(x+y)) / (640 + 480))
	}
	for y := range 480 {
		for x := range 640 {
			m.SetNRGBA(x, y, color.NRGBA{mix(a.R, b.R, x, y), mix(a.G, b.G, x, y), mix(a.B, b.B, x, y), 255})
		}
	}
	for range 4 {
		disc(m, image.Pt(r.IntN(640), r.IntN(480)), image.Pt(60, 60), chance(r), 0)
	}
	write(m, 260, 240, "Sale: half of all prices", color.White)
}

func hatching(m *image.NRGBA, r *rand.Rand) {
	for i := range m.Pix {
		if i%4 != 3 {
			m.Pix[i] = uint8(240 - r.IntN(8))
		}
	}
	for range 220 {
		from := image.Pt(r.IntN(640), r.IntN(480))
		step := image.Pt(r.IntN(80)-40, r.IntN(80)-40)
		for range 1 + r.IntN(4) {
			line(m, from, from.Add(step), 1+r.IntN(2), color.NRGBA{50, 45, 60, 255})
			from = from.Add(image.Pt(5, 4))
		}
	}
}
