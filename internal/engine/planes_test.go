// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"testing"

	"thumbd/internal/geometry"
	"thumbd/internal/test/likeness"
	"thumbd/internal/test/peer/libjpeg"
	"thumbd/internal/test/peer/vips"
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

// TestJPEGsLeftToLibvips has a JPEG of each kind that package jpeg leaves to libvips: its
// thumbnail is that of vips_thumbnail. Kinds that libvips refuses are in
// TestUnsupportedJPEGs, and arithmetic coding is in TestArithmeticJPEGs.
func TestJPEGsLeftToLibvips(t *testing.T) {
	m := photograph(420, 310)
	size := m.Bounds().Size()
	apart := []libjpeg.Scan{{Components: []int{0}, End: 63}, {Components: []int{1}, End: 63}, {Components: []int{2}, End: 63}}
	for name, how := range map[string]libjpeg.Making{
		"RGB":                      {Bands: 3, Luma: [2]int{1, 1}, Chroma: [2]int{1, 1}, RGB: true},
		"RGB, progressive":         {Bands: 3, Luma: [2]int{1, 1}, Chroma: [2]int{1, 1}, RGB: true, Scans: libjpeg.Usual()},
		"CMYK":                     {Bands: 4, Luma: [2]int{1, 1}, Chroma: [2]int{1, 1}},
		"4:1:1":                    {Bands: 3, Luma: [2]int{4, 1}, Chroma: [2]int{1, 1}},
		"4:1:0":                    {Bands: 3, Luma: [2]int{4, 2}, Chroma: [2]int{1, 1}},
		"a third of chroma":        {Bands: 3, Luma: [2]int{3, 1}, Chroma: [2]int{1, 1}},
		"more chroma than luma":    {Bands: 3, Luma: [2]int{1, 1}, Chroma: [2]int{2, 1}},
		"a scan of each component": {Bands: 3, Luma: [2]int{2, 2}, Chroma: [2]int{1, 1}, Scans: apart},
	} {
		t.Run(name, func(t *testing.T) {
			how.Width, how.Height, how.Quality = size.X, size.Y, 95
			pixels := colors(m)
			if how.Bands == 4 {
				pixels = inks(pixels)
			}
			file, err := libjpeg.Encode(how, pixels)
			if err != nil {
				t.Fatal(err)
			}
			for _, width := range []int{30, 60, 100, 140, 200, 400} {
				to := image.Pt(width, (width*size.Y+size.X/2)/size.X)
				l := opened(t, file).loadPlanes(to, true)
				// At 8/8 libjpeg decodes for package jpeg.
				if apart := how.Scans != nil && !how.RGB; !l.none() && !(apart && geometry.Eighths(size, to) == 8) {
					t.Errorf("to %d: package jpeg decodes it", width)
				}
				if !l.none() {
					l.close()
				}
				tolerance := 4.0
				if how.Bands == 4 {
					tolerance = 6 // vips_thumbnail does not compensate for the black of inks.
				}
				expectAsVipsThumbnail(t, file, width, tolerance)
			}
		})
	}
}

// TestLargeJPEGsLeftToLibvips has a JPEG of more pixels than package jpeg decodes
// at 8/8, as it would have to.
func TestLargeJPEGsLeftToLibvips(t *testing.T) {
	how := libjpeg.Making{Width: 4200, Height: 4000, Bands: 1, Quality: 80, Luma: [2]int{1, 1}, Chroma: [2]int{1, 1}}
	pixels := make([]byte, how.Width*how.Height)
	for i := range pixels {
		pixels[i] = byte(i % how.Width * 255 / how.Width)
	}
	file, err := libjpeg.Encode(how, pixels)
	if err != nil {
		t.Fatal(err)
	}
	if l := opened(t, file).loadPlanes(image.Pt(4000, 3810), true); !l.none() {
		l.close()
		t.Error("package jpeg decodes it")
	}
	expectAsVipsThumbnail(t, file, 4000, 1)
}

// inks returns the pixels of RGB as those of CMYK without black, with inverted values
// as Adobe has them.
func inks(rgb []byte) (cmyk []byte) {
	for i := 0; i < len(rgb); i += 3 {
		cmyk = append(cmyk, rgb[i], rgb[i+1], rgb[i+2], 255)
	}
	return cmyk
}

// expectAsVipsThumbnail compares a thumbnail with vips_thumbnail's, whose places of
// pixels are less exact. The mean difference of a sample is at most tolerance.
func expectAsVipsThumbnail(t *testing.T, file []byte, width int, tolerance float64) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "original.jpg")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	theirs, err := vips.Make(path, vips.Thumbnail{Width: width, Height: 4096})
	if err != nil {
		t.Fatal(err)
	}
	got := thumbnail(t, file, thumb.Transform{Width: width, Method: thumb.Fit, Format: thumb.PNG})
	want := decode(t, theirs, thumb.PNG)
	if got.Bounds() != want.Bounds() {
		t.Fatalf("%v, vips_thumbnail's is %v", got.Bounds(), want.Bounds())
	}
	sum := 0
	a, b := colors(got), colors(want)
	for i := range a {
		sum += max(int(a[i])-int(b[i]), int(b[i])-int(a[i]))
	}
	mean := float64(sum) / float64(len(a))
	if mean > tolerance {
		t.Errorf("to %d: a sample is %.1f off", width, mean)
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
