// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"math"
	"math/rand/v2"
	"testing"

	"golang.org/x/image/tiff"

	"thumbd/internal/test/likeness"
	"thumbd/internal/thumb"
)

// discs is a drawing of 16 colors, perhaps on nothing.
func discs(ground color.Color) *image.Paletted {
	r := rand.New(rand.NewPCG(1, 2))
	palette := color.Palette{ground}
	for range 15 {
		palette = append(palette, color.NRGBA{uint8(r.IntN(256)), uint8(r.IntN(256)), uint8(r.IntN(256)), 255})
	}
	m := image.NewPaletted(image.Rect(0, 0, 300, 260), palette)
	for range 30 {
		x, y, radius, c := r.IntN(300), r.IntN(260), 6+r.IntN(34), uint8(1+r.IntN(15))
		for at := range 300 * 260 {
			if math.Hypot(float64(at%300-x), float64(at/300-y)) < float64(radius) {
				m.Pix[at] = c
			}
		}
	}
	return m
}

// on returns m on a ground.
func on(m image.Image, ground color.Color) image.Image {
	out := image.NewRGBA(m.Bounds())
	draw.Draw(out, out.Bounds(), image.NewUniform(ground), image.Point{}, draw.Src)
	draw.Draw(out, out.Bounds(), m, m.Bounds().Min, draw.Over)
	return out
}

// TestPalettesStayPalettes has drawings with a palette: the thumbnail has one, too,
// looks like that of the same drawing without a palette, and takes half of its
// bytes at most.
func TestPalettesStayPalettes(t *testing.T) {
	opaque, clear := discs(color.NRGBA{240, 240, 230, 255}), discs(color.NRGBA{})
	gray := image.NewPaletted(clear.Rect, nil)
	gray.Pix = clear.Pix
	for _, c := range clear.Palette {
		r, _, _, a := c.RGBA()
		gray.Palette = append(gray.Palette, color.NRGBA{uint8(r >> 8), uint8(r >> 8), uint8(r >> 8), uint8(a >> 8)})
	}
	asGIF := func(m *image.Paletted) []byte {
		var b bytes.Buffer
		if err := gif.Encode(&b, m, nil); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for _, c := range []struct {
		name  string
		file  []byte
		plain image.Image
	}{
		{"PNG", encodePNG(t, opaque), opaque},
		{"PNG on nothing", encodePNG(t, clear), clear},
		{"GIF on nothing", asGIF(clear), clear},
		{"gray GIF on nothing", asGIF(gray), gray},
		{"TIFF", asTIFF(t, opaque, tiff.Deflate), opaque},
	} {
		t.Run(c.name, func(t *testing.T) {
			colors := image.NewNRGBA(c.plain.Bounds())
			draw.Draw(colors, colors.Rect, c.plain, image.Point{}, draw.Src)
			for _, tr := range []thumb.Transform{
				{Width: 160, Method: thumb.Fit, Format: thumb.PNG},
				{Width: 91, Height: 91, Method: thumb.Crop, Format: thumb.PNG},
			} {
				got, plain := thumbnailFile(t, c.file, tr), thumbnailFile(t, encodePNG(t, colors), tr)
				m := decode(t, got, thumb.PNG)
				if _, ok := m.(*image.Paletted); !ok || len(got) > len(plain)/2 {
					t.Errorf("%d pixels: a %T of %d bytes, without a palette %d", tr.Width, m, len(got), len(plain))
				}
				for _, ground := range []color.Color{color.Black, color.White} {
					want := likeness.Luma(on(decode(t, plain, thumb.PNG), ground))
					if s := likeness.SSIM(likeness.Luma(on(m, ground)), want); s < 0.99 {
						t.Errorf("%d pixels on %v: SSIM %.4f", tr.Width, ground, s)
					}
				}
				if !bytes.Equal(got, thumbnailFile(t, c.file, tr)) {
					t.Error("it differs from one time to the next")
				}
			}
		})
	}
}

// TestPalettesKeepSmallParts has drawings with small parts of colors that no other
// part has, of 5x5 and 3x3 pixels in the thumbnail: they keep these colors.
func TestPalettesKeepSmallParts(t *testing.T) {
	for _, side := range []int{10, 6} {
		m := image.NewPaletted(image.Rect(0, 0, 900, 700), nil)
		for i := range 250 {
			m.Palette = append(m.Palette, color.NRGBA{uint8(i), uint8(255 - i/2), uint8(100 + i/3), 255})
		}
		m.Palette = append(m.Palette, color.NRGBA{255, 0, 0, 255}, color.NRGBA{255, 0, 255, 255}, color.NRGBA{255, 255, 0, 255})
		for at := range m.Pix {
			m.Pix[at] = uint8(int(math.Hypot(float64(at%900%90-45), float64(at/900%70-35))) * 4 % 250)
		}
		for i := range 3 {
			for at := range side * side {
				m.SetColorIndex(300+at%side, 100+200*i+at/side, uint8(250+i))
			}
		}
		got := thumbnail(t, encodePNG(t, m), thumb.Transform{Width: 450, Method: thumb.Fit, Format: thumb.PNG})
		for i, want := range m.Palette[250:] {
			is := got.At(150+side/4, 50+side/4+100*i)
			r, g, b, _ := is.RGBA()
			wr, wg, wb, _ := want.RGBA()
			for _, d := range []int{int(r>>8) - int(wr>>8), int(g>>8) - int(wg>>8), int(b>>8) - int(wb>>8)} {
				if d < -48 || d > 48 {
					t.Errorf("of side %d: %v is %v", side, want, is)
					break
				}
			}
		}
	}
}

// TestPalettesOfPhotographs has a photograph with a palette, whose thumbnail would
// not look the same with a palette.
func TestPalettesOfPhotographs(t *testing.T) {
	m := image.NewPaletted(image.Rect(0, 0, 400, 300), nil)
	for i := range 256 {
		m.Palette = append(m.Palette, color.NRGBA{uint8(i & 0xe0), uint8(i << 3 & 0xe0), uint8(i << 6), 255})
	}
	draw.FloydSteinberg.Draw(m, m.Rect, photograph(400, 300), image.Point{})
	got := thumbnail(t, encodePNG(t, m), thumb.Transform{Width: 160, Method: thumb.Fit, Format: thumb.PNG})
	if _, palette := got.(*image.Paletted); palette {
		t.Error("it has a palette")
	}
}
