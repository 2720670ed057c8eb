// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/draw"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/h2non/bimg"

	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// rawTIFF returns a TIFF of uncompressed samples of a byte whose directory comes
// first, as cameras and scanners write it, and then strips of 16 lines. Each
// pixel has the samples of one of colors, in stripes from left to right.
func rawTIFF(size image.Point, photometric uint16, profile []byte, colors ...[]byte) []byte {
	order := binary.BigEndian
	n := len(colors[0])
	var pixels []byte
	for range size.Y {
		for x := range size.X {
			pixels = append(pixels, colors[x*len(colors)/size.X]...)
		}
	}
	const entries, lines = 10, 16
	strips := (size.Y + lines - 1) / lines
	values := 8 + 2 + 12*entries + 4
	depths := slices.Repeat([]byte{0, 8}, n)
	offsets := values + len(depths) + len(profile)
	b := append([]byte("MM\x00*\x00\x00\x00\x08"), 0, entries)
	entry := func(tag, kind uint16, count, value int) {
		b = order.AppendUint16(order.AppendUint16(b, tag), kind)
		b = order.AppendUint32(b, uint32(count))
		if kind == 3 && count == 1 {
			value <<= 16
		}
		b = order.AppendUint32(b, uint32(value))
	}
	entry(256, 4, 1, size.X)
	entry(257, 4, 1, size.Y)
	entry(258, 3, n, values)
	entry(259, 3, 1, 1)
	entry(262, 3, 1, int(photometric))
	entry(273, 4, strips, offsets)
	entry(277, 3, 1, n)
	entry(278, 4, 1, lines)
	entry(279, 4, strips, offsets+4*strips)
	entry(34675, 7, max(len(profile), 5), values+len(depths))
	b = slices.Concat(b, []byte{0, 0, 0, 0}, depths, profile)
	var lengths []byte
	for at := range strips {
		from, to := at*lines*size.X*n, min((at+1)*lines, size.Y)*size.X*n
		b = order.AppendUint32(b, uint32(offsets+8*strips+from))
		lengths = order.AppendUint32(lengths, uint32(to-from))
	}
	return slices.Concat(b, lengths, pixels)
}

// lutProfile returns a profile of the class of device and the space that lab
// tells of, for the perceptual and the relative intent: the colors in L*a*b* of
// the corners of the space, the last sample changing first.
func lutProfile(class string, samples int, perceptual, relative [][3]float64) []byte {
	table := func(corners [][3]float64) string {
		b := []byte("mft1\x00\x00\x00\x00")
		b = append(b, byte(samples), 3, 2, 0)
		for i := range 9 {
			b = appendFixed(b, float64((4-i%4)/4))
		}
		identity := make([]byte, 256)
		for i := range identity {
			identity[i] = byte(i)
		}
		b = append(b, slices.Repeat(identity, samples)...)
		for _, lab := range corners {
			b = append(b, byte(math.Round(lab[0]*2.55)), byte(math.Round(lab[1]+128)), byte(math.Round(lab[2]+128)))
		}
		return string(append(b, slices.Repeat(identity, 3)...))
	}
	white := appendFixed(appendFixed(appendFixed([]byte("XYZ \x00\x00\x00\x00"), 0.9642), 1), 0.8249)
	tags := [][2]string{{"wtpt", string(white)}, {"A2B0", table(perceptual)}}
	if relative != nil {
		tags = append(tags, [2]string{"A2B1", table(relative)})
	}
	return iccProfile(class, tags)
}

// expectStripes checks what becomes of the colors of a rawTIFF.
func expectStripes(t *testing.T, file []byte, tolerance int, want ...color.NRGBA) {
	t.Helper()
	m := thumbnail(t, file, thumb.Transform{Width: 100, Height: 10, Method: thumb.Stretch, Format: thumb.PNG})
	for i, c := range want {
		expectColor(t, m, (2*i+1)*50/len(want), 5, c, tolerance)
	}
}

var (
	ink    = [][]byte{{0, 0, 0, 0}, {255, 0, 0, 0}, {0, 255, 0, 0}, {0, 0, 255, 0}, {0, 0, 0, 255}, {255, 255, 255, 255}}
	lights = [][]byte{{0, 0, 0}, {255, 255, 255}, {255, 0, 0}}
	// In L*a*b* under D50.
	labRed, labBlue = [3]float64{54.29, 80.81, 69.89}, [3]float64{29.57, 68.3, -112.03}
)

// grays are so many colors from a darkest to white.
func grays(n int, darkest float64) [][3]float64 {
	var all [][3]float64
	for i := range n {
		all = append(all, [3]float64{darkest + (100-darkest)*float64(i)/float64(n-1), 0, 0})
	}
	return all
}

// TestInks has CMYK in the colors of its profile, and without one in those that
// such inks have on paper.
func TestInks(t *testing.T) {
	size := image.Pt(240, 40)
	expectStripes(t, rawTIFF(size, 5, nil, ink...), 4, white,
		color.NRGBA{0, 153, 228, 255}, color.NRGBA{234, 0, 130, 255}, color.NRGBA{255, 240, 0, 255}, color.NRGBA{12, 0, 19, 255}, color.NRGBA{0, 0, 20, 255})
	odd := grays(16, 0)
	slices.Reverse(odd)
	odd[8], odd[4] = labRed, labBlue // cyan and magenta
	expectStripes(t, rawTIFF(size, 5, lutProfile("prtrCMYKLab ", 4, odd, odd), ink...), 4, white,
		color.NRGBA{255, 0, 0, 255}, color.NRGBA{0, 0, 255, 255}, color.NRGBA{217, 217, 217, 255}, color.NRGBA{237, 237, 237, 255}, black)
	// The same in a JPEG, whose inks are red, green, yellow and blue.
	data, err := os.ReadFile("testdata/cmyk.jpg")
	if err != nil {
		t.Fatal(err)
	}
	m := thumbnail(t, withProfile(data, lutProfile("prtrCMYKLab ", 4, grays(16, 100), grays(16, 100))),
		thumb.Transform{Width: 80, Height: 60, Method: thumb.Crop, Format: thumb.PNG})
	expectColor(t, m, 20, 15, white, 2)
}

// TestIntents takes the relative colors of a profile that has both, and has what
// is blackest in it black.
func TestIntents(t *testing.T) {
	size := image.Pt(240, 40)
	relative := grays(8, 20)
	relative[4] = labRed
	both := lutProfile("scnrRGB Lab ", 3, grays(8, 20), relative)
	expectStripes(t, rawTIFF(size, 2, both, lights...), 4, black, white, color.NRGBA{255, 0, 0, 255})
	perceptual := lutProfile("scnrRGB Lab ", 3, relative, nil)
	expectStripes(t, rawTIFF(size, 2, perceptual, lights...), 4, black, white, color.NRGBA{255, 0, 0, 255})
}

// TestSamplesOfUnknownUse has what no color can be made of.
func TestSamplesOfUnknownUse(t *testing.T) {
	_, r := render(t, rawTIFF(image.Pt(40, 40), 2, nil, []byte{1, 2, 3, 4, 5, 6}), limits(), thumb.Transform{Width: 20, Method: thumb.Fit, Format: thumb.PNG})
	if r[0].Failure != wire.Unsupported {
		t.Errorf("got %+v", r[0])
	}
}

// withPNGProfile puts a profile behind a PNG's first chunk.
func withPNGProfile(t *testing.T, file, profile []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	_, err := w.Write(profile)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	chunk := slices.Concat([]byte("iCCPname\x00\x00"), packed.Bytes())
	whole := slices.Concat(binary.BigEndian.AppendUint32(nil, uint32(len(chunk)-4)), chunk)
	whole = binary.BigEndian.AppendUint32(whole, crc32.ChecksumIEEE(chunk))
	const first = 33
	return slices.Concat(file[:first], whole, file[first:])
}

// TestProfilesOfEveryKind has one picture in every format that can have a
// profile, and in every kind of pixels.
func TestProfilesOfEveryKind(t *testing.T) {
	patch, faint := color.NRGBA{180, 90, 60, 255}, color.NRGBA{180, 90, 60, 128}
	wide, gray := p3Space.profile(), grayProfile(1.8)
	of := func(c color.NRGBA, to draw.Image) []byte {
		return encodePNG(t, converted(uniform(160, 160, c), to))
	}
	all := image.Rect(0, 0, 160, 160)
	asJPEG := withProfile(originalFile(t, uniform(160, 160, patch), thumb.JPEG), wide)
	middle := color.NRGBA{128, 128, 128, 255}
	originals := map[string][]byte{
		"PNG of 8 bits":         withPNGProfile(t, of(patch, image.NewNRGBA(all)), wide),
		"PNG of 16 bits":        withPNGProfile(t, of(patch, image.NewNRGBA64(all)), wide),
		"PNG with a palette":    withPNGProfile(t, of(patch, image.NewPaletted(all, color.Palette{patch, red})), wide),
		"faint PNG of 8 bits":   withPNGProfile(t, of(faint, image.NewNRGBA(all)), wide),
		"faint PNG of 16 bits":  withPNGProfile(t, of(faint, image.NewNRGBA64(all)), wide),
		"gray PNG of 8 bits":    withPNGProfile(t, of(middle, image.NewGray(all)), gray),
		"gray PNG of 16 bits":   withPNGProfile(t, of(middle, image.NewGray16(all)), gray),
		"WebP":                  processed(t, asJPEG, bimg.Options{Type: bimg.WEBP, Quality: 95}),
		"AVIF":                  processed(t, asJPEG, bimg.Options{Type: bimg.AVIF, Quality: 95, Speed: 8}),
		"HEIC":                  processed(t, asJPEG, bimg.Options{Type: bimg.HEIF, Quality: 95, Speed: 8}),
		"TIFF":                  processed(t, asJPEG, bimg.Options{Type: bimg.TIFF}),
		"TIFF, directory first": rawTIFF(all.Max, 2, wide, []byte{patch.R, patch.G, patch.B}),
	}
	for name, data := range originals {
		want := p3Space.toSRGB(patch)
		switch {
		case strings.HasPrefix(name, "gray"):
			want = color.NRGBA{147, 147, 147, 255}
		case strings.HasPrefix(name, "faint"):
			want.A = faint.A
		}
		m := thumbnail(t, data, thumb.Transform{Width: 40, Method: thumb.Fit, Format: thumb.PNG})
		if got := color.NRGBAModel.Convert(m.At(20, 20)).(color.NRGBA); !near(got, want, 3) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}
