// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"math/rand/v2"
	"testing"
	"unsafe"

	"thumbd/internal/test/peer/libpng"
	"thumbd/internal/thumb"
)

// TestTransparentColorsStayHidden makes few pixels of many: the left of the
// original is red, the rest is green and not seen.
func TestTransparentColorsStayHidden(t *testing.T) {
	for _, c := range []struct{ size, to image.Point }{
		{image.Pt(600, 600), image.Pt(3, 3)},
		{image.Pt(2080, 1040), image.Pt(4, 2)}, // the mean of 260 x 260
		{image.Pt(4, 140_000), image.Pt(4, 1)}, // and of 70,000 lines
		{image.Pt(140_000, 4), image.Pt(2, 1)}, // and of 35,000 columns
	} {
		m := image.NewNRGBA(image.Rectangle{Max: c.size})
		for i := 1; i < len(m.Pix); i += 4 {
			m.Pix[i] = 255
		}
		seen := image.Rect(0, 0, c.size.X*17/32, c.size.Y)
		draw.Draw(m, seen, image.NewUniform(red), image.Point{}, draw.Src)
		got := thumbnail(t, originalFile(t, m, thumb.PNG), thumb.Transform{
			Width: c.to.X, Height: c.to.Y, Method: thumb.Stretch, Format: thumb.PNG,
		})
		if a := color.NRGBAModel.Convert(got.At(0, 0)).(color.NRGBA).A; a < 200 {
			t.Errorf("%v: the red part has alpha %d", c.size, a)
		}
		for x := range c.to.X {
			if c := color.NRGBAModel.Convert(got.At(x, 0)).(color.NRGBA); c.A > 0 && (c.G > red.G+8 || c.R+8 < red.R) {
				t.Errorf("%v: %v at %d", m.Bounds().Size(), c, x)
			}
		}
	}
}

// TestMeanOfManyPixels makes one pixel of noise and of white.
func TestMeanOfManyPixels(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	noise := image.NewGray(image.Rect(0, 0, 1300, 1100))
	sum := 0
	for i := range noise.Pix {
		noise.Pix[i] = uint8(r.UintN(256))
		sum += int(noise.Pix[i])
	}
	mean := uint8(sum / len(noise.Pix))
	one := thumb.Transform{Width: 1, Height: 1, Method: thumb.Stretch, Format: thumb.PNG}
	expectColor(t, thumbnail(t, originalFile(t, noise, thumb.PNG), one), 0, 0, color.NRGBA{mean, mean, mean, 255}, 1)
	expectColor(t, thumbnail(t, originalFile(t, uniform(1300, 1100, white), thumb.PNG), one), 0, 0, white, 0)
}

// TestShrinkIsExact compares the loops of shrink.c, which this processor's instructions
// run, with plain arithmetic, also where a line or the picture ends inside of a group of
// pixels. TestOldProcessorsMakeTheSameThumbnails runs the test on another processor, too.
func TestShrinkIsExact(t *testing.T) {
	for _, bands := range []int{1, 2, 3, 4} {
		r := rand.New(rand.NewPCG(uint64(bands), 41))
		file := libpng.Make(r, libpng.Making{
			Size: image.Pt(9, 9), Type: []int{0, 4, 2, 6}[bands-1], Depth: 8, Filters: []int{0}, Level: 6, ChunkLen: 1000,
		})
		like := opened(t, file).header
		for _, size := range []image.Point{{1, 1}, {3, 2}, {7, 9}, {16, 16}, {33, 5}, {63, 31}, {97, 70}, {5, 800}, {130, 3}} {
			for _, n := range []int{2, 3, 4, 7, 16, 61, 300} {
				for _, opaque := range []bool{false, true} {
					pixels := make([]byte, size.X*size.Y*bands)
					for i := range pixels {
						pixels[i] = byte(max(0, min(255, 384*r.Float64()-64)))
						if opaque && bands%2 == 0 && i%bands == bands-1 {
							pixels[i] = 255
						}
					}
					want := libpng.Decoded{Size: size, Bands: bands, Pixels: pixels}.Shrunk(image.Pt(n, n))
					if got := shrunk(t, like, pixels, size, bands, n); !bytes.Equal(got, want) {
						t.Errorf("%v of %d bands, opaque %v, by %d: other pixels", size, bands, opaque, n)
					}
				}
			}
		}
	}
}

func shrunk(t *testing.T, like picture, pixels []byte, size image.Point, bands, n int) (out []byte) {
	t.Helper()
	in, memory, stride, err := like.blank(size, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer in.close()
	for y := range size.Y {
		copy(unsafe.Slice((*byte)(unsafe.Add(memory, y*stride)), stride), pixels[y*size.X*bands:][:size.X*bands])
	}
	l, err := loaded{picture: in, across: float64(size.X), down: float64(size.Y)}.shrink(n)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	to := l.size()
	return append(out, unsafe.Slice((*byte)(l.memory()), to.X*to.Y*bands)...)
}
