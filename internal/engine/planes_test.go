// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"testing"

	"thumbd/internal/geometry"
	"thumbd/internal/test/likeness"
	"thumbd/internal/test/peer/libjpeg"
	"thumbd/internal/thumb"
)

// recoded returns m as a JPEG that libjpeg has made.
func recoded(t testing.TB, m image.Image, how libjpeg.Making) []byte {
	t.Helper()
	b := m.Bounds()
	how.Width, how.Height, how.Bands = b.Dx(), b.Dy(), 3
	if how.Chroma == [2]int{} {
		how.Chroma = [2]int{1, 1}
	}
	file, err := libjpeg.Encode(how, colors(m))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// opened returns a file as an original. The test closes it.
func opened(t testing.TB, data []byte) *original {
	t.Helper()
	file := fileOf(t, data)
	o, err := started(t).open(file, limits())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.close(); file.Close() })
	return o
}

// lumaAt returns luma as the engine reduces it in planes to a width, and from how
// many eighths of the original.
func lumaAt(t testing.TB, data []byte, width int) (likeness.Plane, int) {
	t.Helper()
	o := opened(t, data)
	plan, err := geometry.New(o.stored, thumb.Transform{Width: width, Method: thumb.Fit}, image.Pt(4096, 4096))
	if err != nil {
		t.Fatal(err)
	}
	l := o.loadPlanes(plan.Size, true)
	if l.none() {
		t.Fatalf("%v to %v is left to libvips", o.stored, plan.Size)
	}
	defer l.close()
	p, err := o.resizedPlanes(l, plan, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	band := p.Band(0)
	m := &image.Gray{Pix: band.Samples, Stride: band.Stride, Rect: image.Rect(0, 0, band.Width, band.Height)}
	return likeness.Luma(m), geometry.Eighths(o.stored, plan.Size)
}

// TestPlanesLookAsTheyShould compares luma with a reduction of all of the
// original's pixels, at the widths that leave least to Lanczos3 for each scale
// and at others, for files in which chroma has half as many samples or as many,
// and for fine and coarse progressive ones, of which some scans are passed over.
func TestPlanesLookAsTheyShould(t *testing.T) {
	for name, data := range photographs(t) {
		m, err := jpeg.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		for kind, how := range map[string]libjpeg.Making{
			"baseline":               {Quality: 92, Luma: [2]int{2, 2}},
			"whole chroma":           {Quality: 92, Luma: [2]int{1, 1}},
			"progressive":            {Quality: 92, Luma: [2]int{2, 2}, Scans: libjpeg.Usual()},
			"progressive, usual":     {Quality: 88, Luma: [2]int{2, 2}, Scans: libjpeg.Usual()},
			"progressive, coarse":    {Quality: 75, Luma: [2]int{2, 2}, Scans: libjpeg.Usual()},
			"progressive, very much": {Quality: 40, Luma: [2]int{2, 1}, Scans: libjpeg.Usual()},
		} {
			file := recoded(t, m, how)
			whole, err := jpeg.Decode(bytes.NewReader(file))
			if err != nil {
				t.Fatal(err)
			}
			full := likeness.Luma(whole)
			for _, left := range []float64{1, 1.7, 2.68, 3.3, 3.74, 4.5, 5.6, 7, 11.3, 15} {
				width := int(float64(full.W) / left)
				t.Run(fmt.Sprintf("%s %s %d", name, kind, width), func(t *testing.T) {
					got, eighths := lumaAt(t, file, width)
					s := likeness.SSIM(got, full.Reduced(got.W, got.H))
					if s < 0.99 {
						t.Errorf("at %d/8: SSIM %.4f", eighths, s)
					}
					t.Logf("at %d/8: SSIM %.4f", eighths, s)
				})
			}
		}
	}
}

// colors returns red, green and blue of every pixel.
func colors(m image.Image) []byte {
	var out []byte
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			r, g, b, _ := m.At(x, y).RGBA()
			out = append(out, byte(r>>8), byte(g>>8), byte(b>>8))
		}
	}
	return out
}
