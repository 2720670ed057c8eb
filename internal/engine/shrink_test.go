// SPDX-License-Identifier: MIT

package engine

import (
	"image"
	"image/color"
	"image/draw"
	"math/rand/v2"
	"testing"

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
