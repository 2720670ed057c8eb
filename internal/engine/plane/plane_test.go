// SPDX-License-Identifier: MIT

package plane

import (
	"bytes"
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"testing"
)

// sampled returns a picture of luma of size, and of colors with halved chroma or
// with whole, whose samples are f(plane, x, y) at the middle of each, in pixels.
func sampled(t *testing.T, size image.Point, colors, halved bool, f func(plane int, x, y float64) float64) Picture {
	t.Helper()
	bands := 1
	if colors {
		bands = 3
	}
	p, err := New(size, bands, halved)
	if err != nil {
		t.Fatal(err)
	}
	for i := range bands {
		b := p.Band(i)
		across, down := float64(size.X)/b.Across, float64(size.Y)/b.Down
		for y := range b.Height {
			for x := range b.Width {
				v := f(i, (float64(x)+0.5)*across, (float64(y)+0.5)*down)
				b.Samples[y*b.Stride+x] = uint8(math.Round(min(max(v, 0), 255)))
			}
		}
	}
	return p
}

func expectSamples(t *testing.T, p Picture, size image.Point, tolerance float64, f func(plane int, x, y float64) float64) {
	t.Helper()
	for i := range p.Bands() {
		b := p.Band(i)
		step := 1.0
		if i > 0 && b.Width < p.Size().X {
			step = 2
		}
		for y := range b.Height {
			for x := range b.Width {
				want := f(i, (float64(x)+0.5)*step, (float64(y)+0.5)*step)
				if got := float64(b.Samples[y*b.Stride+x]); math.Abs(got-want) > tolerance {
					t.Fatalf("plane %d of %v at %d,%d: got %v, want %.1f", i, size, x, y, got, want)
				}
			}
		}
	}
}

// TestSamplesLieWhereTheyShould resizes slopes, which stay slopes wherever a
// sample is taken, in parts and turned.
func TestSamplesLieWhereTheyShould(t *testing.T) {
	const w, h = 230.0, 170.0
	slope := func(plane int, x, y float64) float64 {
		if plane == 2 {
			x, y = y, x
		}
		return 30 + 0.5*x + 0.4*y
	}
	for _, halvedIn := range []bool{false, true} {
		p := sampled(t, image.Pt(w, h), true, halvedIn, slope)
		defer p.Close()
		for o := 1; o <= 8; o++ {
			size := image.Pt(81, 59) // as it is stored
			cut := image.Rect(13, 12, 62, 43)
			q, err := p.Resize(Resizing{
				Size: size, Cut: cut, Halved: true,
				FromRight: o == 2 || o == 3 || o == 7 || o == 8, FromBottom: o == 3 || o == 4 || o == 6 || o == 7,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer q.Close()
			turned, err := q.Turn(o)
			if err != nil {
				t.Fatal(err)
			}
			defer turned.Close()
			if got := turned.Size(); got != upright(cut.Size(), o) {
				t.Fatalf("orientation %d: %v", o, got)
			}
			expectSamples(t, turned, size, 1.5, func(plane int, x, y float64) float64 {
				x, y = stored(x, y, float64(cut.Dx()), float64(cut.Dy()), o)
				return slope(plane, (x+13)*w/81, (y+12)*h/59)
			})
		}
	}
}

// Halved chroma of an odd number of pixels ends in the middle of a sample. It stays
// in place if the picture is resized again.
func TestHalvedChromaIsResizedTwice(t *testing.T) {
	p := sampled(t, image.Pt(3010, 210), true, false, func(_ int, x, y float64) float64 {
		return 128 + 60*math.Sin(x/25) + 40*math.Sin(y/40)
	})
	defer p.Close()
	size := image.Pt(301, 21)
	r := Resizing{Size: size, Cut: image.Rectangle{Max: size}, Halved: true}
	once, err := p.Resize(r)
	if err != nil {
		t.Fatal(err)
	}
	defer once.Close()
	twice, err := once.Resize(r)
	if err != nil {
		t.Fatal(err)
	}
	defer twice.Close()
	a, b := once.Band(1), twice.Band(1)
	if a.Across != 150.5 || a.Down != 10.5 {
		t.Errorf("halved chroma is of %v x %v samples, want 150.5 x 10.5", a.Across, a.Down)
	}
	// The last sample of a line has half of its share.
	for y := range a.Height - 1 {
		for x := range a.Width - 1 {
			if d := math.Abs(float64(a.Samples[y*a.Stride+x]) - float64(b.Samples[y*b.Stride+x])); d > 6 {
				t.Fatalf("at %d,%d: %v apart", x, y, d)
			}
		}
	}
}

func upright(size image.Point, o int) image.Point {
	if o >= 5 {
		return image.Pt(size.Y, size.X)
	}
	return size
}

// stored returns where a point of what is seen lies in a stored part of w x h.
func stored(x, y, w, h float64, o int) (float64, float64) {
	switch o {
	case 2:
		return w - x, y
	case 3:
		return w - x, h - y
	case 4:
		return x, h - y
	case 5:
		return y, x
	case 6:
		return y, h - x
	case 7:
		return w - y, h - x
	case 8:
		return w - y, x
	}
	return x, y
}

// TestEveryProcessorMakesTheSame compares this one's instructions with plain C,
// on noise, for all numbers of taps.
func TestEveryProcessorMakesTheSame(t *testing.T) {
	best := passes
	if best == plainPasses() {
		t.Skip("this processor has no other instructions")
	}
	defer func() { passes = best }()
	r := rand.New(rand.NewPCG(3, 4))
	for _, from := range []image.Point{{1, 1}, {97, 31}, {400, 300}, {641, 48}, {33, 999}, {64, 64}} {
		p := sampled(t, from, true, true, func(int, float64, float64) float64 { return float64(r.IntN(256)) })
		defer p.Close()
		for _, percent := range []int{2, 9, 19, 26, 31, 40, 49, 51, 63, 77, 90, 100, 140} {
			t.Run(fmt.Sprintf("%v %d%%", from, percent), func(t *testing.T) {
				size := image.Pt(from.X*percent/100+1, from.Y*percent/100+1)
				made := make([]Picture, 2)
				for i := range made {
					passes = best
					if i == 1 {
						passes = plainPasses()
					}
					var err error
					made[i], err = p.Resize(Resizing{Size: size, Cut: image.Rectangle{Max: size}, Halved: percent%2 == 0})
					if err != nil {
						t.Fatal(err)
					}
					defer made[i].Close()
				}
				for i := range 3 {
					a, b := made[0].Band(i), made[1].Band(i)
					for y := range a.Height {
						if !bytes.Equal(a.Samples[y*a.Stride:][:a.Width], b.Samples[y*b.Stride:][:b.Width]) {
							t.Fatalf("line %d of plane %d differs", y, i)
						}
					}
				}
			})
		}
	}
}

// TestFarAway reduces by more than one filter can.
func TestFarAway(t *testing.T) {
	p := sampled(t, image.Pt(9000, 300), false, false, func(_ int, x, _ float64) float64 { return 20 + x/50 })
	defer p.Close()
	q, err := p.Resize(Resizing{Size: image.Pt(3, 2), Cut: image.Rect(0, 0, 3, 2)})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	for x, want := range []float64{50, 110, 170} {
		if got := float64(q.Band(0).Samples[x]); math.Abs(got-want) > 6 {
			t.Errorf("sample %d: got %v, want about %v", x, got, want)
		}
	}
}

// TestPixels has the primary colors.
func TestPixels(t *testing.T) {
	for _, c := range []struct{ y, cb, cr, r, g, b uint8 }{
		{76, 85, 255, 254, 0, 0}, {150, 44, 21, 0, 255, 1}, {29, 255, 107, 0, 0, 254},
		{255, 128, 128, 255, 255, 255}, {0, 128, 128, 0, 0, 0}, {128, 128, 128, 128, 128, 128},
	} {
		p := sampled(t, image.Pt(5, 3), true, true, func(plane int, _, _ float64) float64 {
			return float64([]uint8{c.y, c.cb, c.cr}[plane])
		})
		got := p.pixels()
		p.Close()
		for i := 0; i < len(got); i += 3 {
			if got := [3]uint8(got[i:]); got != [3]uint8{c.r, c.g, c.b} {
				t.Errorf("%+v: got %v", c, got)
				break
			}
		}
	}
}
