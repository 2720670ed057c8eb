// SPDX-License-Identifier: MIT

package engine

import (
	"fmt"
	"image"
	"image/color"
	"testing"

	"thumbd/internal/thumb"
)

// drawn returns a picture of 400x100 in which there is a drawing of 48x48 at the
// right of a ground, and nothing else.
func drawn(drawing, ground color.NRGBA) (m *image.NRGBA, pixels int) {
	m = uniform(400, 100, ground)
	for y := 26; y < 74; y++ {
		for x := 326; x < 374; x++ {
			if (x/6+y/6)%2 == 0 {
				m.Set(x, y, drawing)
				pixels++
			}
		}
	}
	return m, pixels
}

// TestDrawingsAreFound has drawings of any color on any ground, and on nothing.
func TestDrawingsAreFound(t *testing.T) {
	colors := map[string]color.NRGBA{
		"black": black, "white": white, "gray": gray(128), "light gray": gray(200), "dark gray": gray(60),
		"red": red, "green": green, "blue": blue, "yellow": yellow, "skin": {220, 170, 140, 255},
	}
	grounds := map[string]color.NRGBA{"nothing": {}, "white nothing": {255, 255, 255, 0}}
	for name, c := range colors {
		grounds[name] = c
	}
	for on, ground := range grounds {
		for name, c := range colors {
			if name == on {
				continue
			}
			m, pixels := drawn(c, ground)
			file := encodePNG(t, m)
			for _, method := range []thumb.Method{thumb.Smart, thumb.Attention} {
				t.Run(fmt.Sprintf("%s on %s %v", name, on, method), func(t *testing.T) {
					expectDrawing(t, file, method, c, pixels, 8)
				})
			}
		}
	}
}

// TestDrawingsInNoiseAreFound has a ground that is not quite of one color.
func TestDrawingsInNoiseAreFound(t *testing.T) {
	for name, c := range map[string][2]color.NRGBA{
		"black on blue": {black, blue}, "green on blue": {green, blue}, "green on gray": {green, gray(128)},
	} {
		m, pixels := drawn(c[0], c[1])
		for i := range m.Pix {
			if i%4 < 3 {
				m.Pix[i] = uint8(max(0, min(255, int(m.Pix[i])+i*7%9-4)))
			}
		}
		file := encodePNG(t, m)
		for _, method := range []thumb.Method{thumb.Smart, thumb.Attention} {
			t.Run(fmt.Sprintf("%s %v", name, method), func(t *testing.T) { expectDrawing(t, file, method, c[0], pixels, 12) })
		}
	}
}

// expectDrawing expects most pixels of a drawing in a square thumbnail.
func expectDrawing(t *testing.T, file []byte, method thumb.Method, c color.NRGBA, pixels, tolerance int) {
	t.Helper()
	got := thumbnail(t, file, thumb.Transform{Width: 100, Height: 100, Method: method, Format: thumb.PNG})
	found := 0
	for i := range 100 * 100 {
		if near(color.NRGBAModel.Convert(got.At(i%100, i/100)).(color.NRGBA), c, tolerance) {
			found++
		}
	}
	if found < pixels*9/10 {
		t.Errorf("%d of %d pixels", found, pixels)
	}
}
