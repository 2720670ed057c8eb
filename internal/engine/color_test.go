// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/draw"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/h2non/bimg"

	"thumbd/internal/thumb"
)

// six are colors from left to right, in two rows.
type six [6]color.NRGBA

func gray(v uint8) color.NRGBA { return color.NRGBA{v, v, v, 255} }

// coded are the samples of the pictures in this file.
var coded = six{{200, 100, 50, 255}, {60, 180, 90, 255}, {40, 60, 200, 255}, gray(128), gray(20), gray(255)}

// codedGray are samples of gray pictures.
var codedGray = six{gray(200), gray(60), gray(40), gray(128), gray(20), gray(255)}

// picture returns the six as a picture of 120x80.
func (c six) picture() *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, 120, 80))
	for i, v := range c {
		r := image.Rect(0, 0, 40, 40).Add(image.Pt(i%3*40, i/3*40))
		draw.Draw(m, r, image.NewUniform(v), image.Point{}, draw.Src)
	}
	return m
}

// each returns the six after f.
func (c six) each(f func(color.NRGBA) color.NRGBA) six {
	for i := range c {
		c[i] = f(c[i])
	}
	return c
}

func (c six) alpha(a uint8) six {
	return c.each(func(v color.NRGBA) color.NRGBA { v.A = a; return v })
}

// expect checks m, a picture of the six.
func (c six) expect(t *testing.T, m image.Image, tolerance int) {
	t.Helper()
	for i, v := range c {
		w, h := m.Bounds().Dx(), m.Bounds().Dy()
		expectColor(t, m, (2*(i%3)+1)*w/6, (2*(i/3)+1)*h/4, v, tolerance)
	}
}

// curves of H.273, from a sample to light.
var curves = map[byte]func(float64) float64{
	1: func(x float64) float64 { return math.Pow(x, 2.4) },
	4: func(x float64) float64 { return math.Pow(x, 2.2) },
	8: func(x float64) float64 { return x },
	13: func(x float64) float64 {
		if x <= 0.04045 {
			return x / 12.92
		}
		return math.Pow((x+0.055)/1.055, 2.4)
	},
}

// toSRGB are matrices of H.273's primaries with a white of D65: from light to
// light in sRGB. They are from the literature, not computed.
var toSRGB = map[byte][3][3]float64{
	1:  {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
	9:  {{1.6605, -0.5876, -0.0728}, {-0.1246, 1.1329, -0.0083}, {-0.0182, -0.1006, 1.1187}},
	12: {{1.2249, -0.2247, 0}, {-0.0420, 1.0419, 0}, {-0.0197, -0.0786, 1.0979}},
}

// shown returns the color of samples in the color space of codes of H.273.
func shown(primaries, transfer byte) func(color.NRGBA) color.NRGBA {
	return func(c color.NRGBA) color.NRGBA {
		var light [3]float64
		for i, v := range []uint8{c.R, c.G, c.B} {
			light[i] = curves[transfer](float64(v) / 255)
		}
		var out [3]uint8
		for i, row := range toSRGB[primaries] {
			x := row[0]*light[0] + row[1]*light[1] + row[2]*light[2]
			if x = max(0, min(1, x)); x <= 0.0031308 {
				x *= 12.92
			} else {
				x = 1.055*math.Pow(x, 1/2.4) - 0.055
			}
			out[i] = uint8(math.Round(255 * x))
		}
		return color.NRGBA{out[0], out[1], out[2], c.A}
	}
}

// inChromium are the colors that Chromium 156 shows for the samples of a PNG whose
// cICP chunk has such codes.
var inChromium = map[[2]byte]six{
	{1, 1}:   {{197, 91, 39, 255}, {49, 176, 81, 255}, {28, 49, 197, 255}, gray(121), gray(7), gray(255)},
	{1, 4}:   {{201, 100, 46, 255}, {57, 181, 90, 255}, {35, 57, 201, 255}, gray(129), gray(12), gray(255)},
	{1, 5}:   {{189, 76, 26, 255}, {36, 165, 66, 255}, {17, 36, 189, 255}, gray(106), gray(3), gray(255)},
	{1, 7}:   {{206, 115, 68, 255}, {77, 188, 106, 255}, {58, 77, 206, 255}, gray(141), gray(38), gray(255)},
	{1, 8}:   {{229, 168, 122, 255}, {133, 219, 160, 255}, {110, 133, 229, 255}, gray(188), gray(79), gray(255)},
	{1, 13}:  coded,
	{1, 17}:  {{200, 87, 34, 255}, {44, 177, 76, 255}, {23, 44, 200, 255}, gray(118), gray(5), gray(255)},
	{4, 13}:  {{232, 93, 30, 255}, {0, 177, 84, 255}, {0, 82, 206, 255}, gray(128), gray(20), gray(255)},
	{5, 13}:  {{203, 100, 51, 255}, {46, 180, 92, 255}, {39, 60, 199, 255}, gray(128), gray(20), gray(255)},
	{6, 13}:  {{196, 102, 49, 255}, {73, 178, 89, 255}, {47, 65, 201, 255}, gray(128), gray(20), gray(255)},
	{8, 7}:   {{228, 109, 55, 255}, {0, 193, 98, 255}, {46, 73, 213, 255}, gray(141), gray(38), gray(255)},
	{9, 8}:   {{255, 159, 113, 255}, {0, 227, 153, 255}, {72, 135, 238, 255}, gray(188), gray(79), gray(255)},
	{9, 13}:  {{241, 76, 29, 255}, {0, 189, 74, 255}, {0, 59, 210, 255}, gray(128), gray(20), gray(255)},
	{10, 13}: {{255, 0, 61, 255}, {0, 238, 41, 255}, {0, 85, 212, 255}, gray(128), gray(20), gray(255)},
	{11, 17}: {{212, 78, 0, 255}, {0, 181, 60, 255}, {15, 43, 208, 255}, gray(118), gray(5), gray(255)},
	{12, 13}: {{215, 93, 31, 255}, {0, 183, 78, 255}, {34, 61, 208, 255}, gray(128), gray(20), gray(255)},
	{22, 13}: {{202, 102, 49, 255}, {52, 177, 90, 255}, {40, 70, 200, 255}, gray(128), gray(20), gray(255)},
	{1, 16}:  {{255, 51, 8, 255}, {18, 248, 46, 255}, {3, 11, 255, 255}, gray(132), gray(1), gray(255)},
	{9, 16}:  {red1, green1, blue1, gray(132), gray(1), gray(255)},
	{12, 16}: {red1, {0, 251, 0, 255}, {1, 11, 255, 255}, gray(132), gray(1), gray(255)},
	{1, 18}:  {{187, 80, 39, 255}, {50, 162, 75, 255}, {26, 42, 170, 255}, gray(99), gray(5), gray(255)},
	{9, 18}:  {{230, 48, 17, 255}, {0, 170, 58, 255}, {0, 40, 177, 255}, gray(99), gray(5), gray(255)},
	{12, 18}: {{202, 71, 18, 255}, {0, 164, 62, 255}, {21, 43, 178, 255}, gray(99), gray(5), gray(255)},
}

// grayInChromium are the colors for the samples of codedGray and such a transfer.
var grayInChromium = map[byte]six{
	16: {gray(255), gray(26), gray(9), gray(132), gray(1), gray(255)},
	18: {gray(202), gray(39), gray(21), gray(99), gray(5), gray(255)},
}

var red1, green1, blue1 = color.NRGBA{255, 0, 0, 255}, color.NRGBA{0, 255, 0, 255}, color.NRGBA{0, 0, 255, 255}

// chunk is of a PNG.
type chunk struct{ kind, data string }

// withChunks puts chunks behind a PNG's first.
func withChunks(file []byte, chunks ...chunk) []byte {
	const first = 33
	all := slices.Clone(file[:first])
	for _, c := range chunks {
		all = binary.BigEndian.AppendUint32(all, uint32(len(c.data)))
		all = append(all, c.kind+c.data...)
		all = binary.BigEndian.AppendUint32(all, crc32.ChecksumIEEE([]byte(c.kind+c.data)))
	}
	return append(all, file[first:]...)
}

func cICP(codes [2]byte) chunk { return chunk{"cICP", string([]byte{codes[0], codes[1], 0, 1})} }

// gAMA has the number in a PNG: 1 over what a sample is raised to.
func gAMA(gamma float64) chunk { return chunk{"gAMA", hundredThousandths(gamma)} }

// cHRM has x and y of white, red, green and blue.
func cHRM(points ...float64) chunk { return chunk{"cHRM", hundredThousandths(points...)} }

func hundredThousandths(values ...float64) string {
	var b []byte
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, uint32(math.Round(v*100000)))
	}
	return string(b)
}

// thumbnailOf returns m's thumbnail of half its size.
func thumbnailOf(t *testing.T, file []byte) image.Image {
	t.Helper()
	return thumbnail(t, file, thumb.Transform{Width: 60, Height: 60, Method: thumb.Fit, Format: thumb.PNG})
}

// TestColorsAsInChromium has every color space that Chromium knows by numbers, and
// holds what other tests expect of some to the same.
func TestColorsAsInChromium(t *testing.T) {
	file := encodePNG(t, coded.picture())
	for codes, want := range inChromium {
		t.Run(fmt.Sprintf("%d, %d", codes[0], codes[1]), func(t *testing.T) {
			want.expect(t, thumbnailOf(t, withChunks(file, cICP(codes))), 3)
			if curves[codes[1]] == nil || toSRGB[codes[0]] == [3][3]float64{} {
				return
			}
			for i, got := range coded.each(shown(codes[0], codes[1])) {
				if !near(got, want[i], 2) {
					t.Errorf("expected in this file: %v instead of %v", got, want[i])
				}
			}
		})
	}
}

// TestBrightLight has white and red of luminances from 10 to 10,000 cd/m² as
// Chromium shows them: none is gray or pale.
func TestBrightLight(t *testing.T) {
	for _, c := range []struct {
		name        string
		codes       [2]byte
		white, reds []uint8
		samples     []float64
	}{
		{
			"PQ", [2]byte{9, 16},
			[]uint8{43, 98, 136, 187, 223, 239, 255, 255}, []uint8{57, 125, 171, 235, 255, 255, 255, 255},
			[]float64{0.3027, 0.4401, 0.5081, 0.5807, 0.6526, 0.6962, 0.7518, 1}, // of 10, 50, 100, 203, 400, 600, 1000 and 10,000
		},
		{
			"HLG", [2]byte{9, 18},
			[]uint8{14, 43, 71, 99, 134, 187, 227, 255}, []uint8{17, 48, 80, 111, 150, 209, 255, 255},
			[]float64{0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1},
		},
	} {
		m := image.NewNRGBA64(image.Rect(0, 0, 160, 40))
		for i, v := range c.samples {
			s := uint16(math.Round(v * 65535))
			r := image.Rect(20*i, 0, 20*i+20, 20)
			draw.Draw(m, r, image.NewUniform(color.NRGBA64{s, s, s, 65535}), image.Point{}, draw.Src)
			draw.Draw(m, r.Add(image.Pt(0, 20)), image.NewUniform(color.NRGBA64{s, 0, 0, 65535}), image.Point{}, draw.Src)
		}
		small := thumbnail(t, withChunks(encodePNG(t, m), cICP(c.codes)), thumb.Transform{Width: 80, Method: thumb.Fit, Format: thumb.PNG})
		for i := range c.samples {
			expectColor(t, small, 10*i+5, 5, gray(c.white[i]), 3)
			expectColor(t, small, 10*i+5, 15, color.NRGBA{c.reds[i], 0, 0, 255}, 3)
		}
	}
}

// TestPrecedence has files that tell their colors more than once, or wrong.
func TestPrecedence(t *testing.T) {
	pixels := encodePNG(t, coded.picture())
	grays := codedGray
	grayPixels := encodePNG(t, converted(grays.picture(), image.NewGray(image.Rect(0, 0, 120, 80))))
	p3Points := cHRM(0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
	srgb, adobe := chunk{"sRGB", "\x00"}, adobeSpace.profile()
	broken := withChunks(pixels, gAMA(1))
	broken[33+8] ^= 0xff
	asP3, linear := inChromium[[2]byte{12, 13}], inChromium[[2]byte{1, 8}]
	asAdobe := coded.each(adobeSpace.toSRGB)
	for name, c := range map[string]struct {
		file []byte
		want six
	}{
		"gamma":                                  {withChunks(pixels, gAMA(1)), linear},
		"gamma of a Mac":                         {withChunks(pixels, gAMA(0.55)), inGamma(1 / 0.55)},
		"gamma near that of sRGB":                {withChunks(pixels, gAMA(0.45455)), coded},
		"gamma of 0":                             {withChunks(pixels, gAMA(0)), coded},
		"gamma and sRGB's points":                {withChunks(pixels, gAMA(0.45455), cHRM(0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)), inChromium[[2]byte{1, 4}]},
		"gamma and points":                       {withChunks(pixels, gAMA(0.45455), p3Points), coded.each(shown(12, 4))},
		"points alone":                           {withChunks(pixels, p3Points), coded},
		"gamma and points that can't be":         {withChunks(pixels, gAMA(1), cHRM(0.3127, 0.329, 0.64, 0.33, 0.64, 0.33, 0.15, 0.06)), coded},
		"gamma and points of 0":                  {withChunks(pixels, gAMA(1), cHRM(0, 0, 0, 0, 0, 0, 0, 0)), coded},
		"gamma with a wrong checksum":            {broken, coded},
		"sRGB before gamma":                      {withChunks(pixels, gAMA(1), srgb), coded},
		"profile before gamma":                   {withPNGProfile(t, withChunks(pixels, gAMA(1)), adobe), asAdobe},
		"profile before sRGB":                    {withPNGProfile(t, withChunks(pixels, srgb), adobe), asAdobe},
		"profile behind sRGB":                    {withChunks(withPNGProfile(t, pixels, adobe), srgb), asAdobe},
		"numbers before profile":                 {withPNGProfile(t, withChunks(pixels, cICP([2]byte{12, 13})), adobe), asP3},
		"sRGB's numbers before profile":          {withPNGProfile(t, withChunks(pixels, cICP([2]byte{1, 13})), adobe), coded},
		"numbers of nothing":                     {withChunks(pixels, gAMA(1), cICP([2]byte{2, 2})), linear},
		"numbers of half a range":                {withChunks(pixels, chunk{"cICP", "\x0c\x0d\x00\x00"}), coded},
		"profile that is none":                   {withPNGProfile(t, withChunks(pixels, gAMA(1)), bytes.Repeat([]byte("x"), 200)), linear},
		"profile with numbers":                   {withPNGProfile(t, pixels, withNumbers(12, 13)), asP3},
		"profile with numbers of HDR in a JPEG":  {withProfile(originalFile(t, coded.picture(), thumb.JPEG), withNumbers(1, 16)), inChromium[[2]byte{1, 16}]},
		"gray and gamma":                         {withChunks(grayPixels, gAMA(1)), grays.each(shown(1, 8))},
		"gray and numbers":                       {withChunks(grayPixels, cICP([2]byte{9, 16})), grayInChromium[16]},
		"gray and a profile of three":            {withPNGProfile(t, grayPixels, proPhotoSpace.profile()), grays.each(proPhotoSpace.toSRGB)},
		"gray JPEG and a profile of three":       {withProfile(originalJPEG(t, grays), proPhotoSpace.profile()), grays.each(proPhotoSpace.toSRGB)},
		"faint gray and a profile of three":      {withPNGProfile(t, faintGray(t, grays, image.NewNRGBA(image.Rect(0, 0, 120, 80))), proPhotoSpace.profile()), grays.each(proPhotoSpace.toSRGB).alpha(128)},
		"faint deep gray and a profile of three": {withPNGProfile(t, faintGray(t, grays, image.NewNRGBA64(image.Rect(0, 0, 120, 80))), proPhotoSpace.profile()), grays.each(proPhotoSpace.toSRGB).alpha(128)},
		"colors and a profile of gray":           {withProfile(originalFile(t, coded.picture(), thumb.JPEG), grayProfile(1)), coded},
	} {
		t.Run(name, func(t *testing.T) { c.want.expect(t, thumbnailOf(t, c.file), 4) })
	}
}

// inGamma returns the samples as they show, raised to a power.
func inGamma(gamma float64) six {
	s := srgbSpace
	s.gamma = gamma
	return coded.each(s.toSRGB)
}

// withNumbers returns a profile of sRGB that has codes of H.273 as well.
func withNumbers(primaries, transfer byte) []byte {
	white := appendFixed(appendFixed(appendFixed([]byte("XYZ \x00\x00\x00\x00"), 0.9642), 1), 0.8249)
	return iccProfile("mntrRGB XYZ ", [][2]string{
		{"wtpt", string(white)}, {"cicp", string([]byte{'c', 'i', 'c', 'p', 0, 0, 0, 0, primaries, transfer, 0, 1})},
	})
}

func originalJPEG(t *testing.T, c six) []byte {
	t.Helper()
	return originalFile(t, converted(c.picture(), image.NewGray(image.Rect(0, 0, 120, 80))), thumb.JPEG)
}

// faintGray returns a PNG of gray and alpha, which Go's encoder does not write.
func faintGray(t *testing.T, c six, in draw.Image) []byte {
	t.Helper()
	file := encodePNG(t, converted(c.alpha(128).picture(), in))
	out, err := bimg.NewImage(file).Process(bimg.Options{Type: bimg.PNG, Interpretation: bimg.InterpretationBW})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

var bt2020Space = space{[3]float64{0.6735, 0.2790, -0.0019}, [3]float64{0.1657, 0.6753, 0.0300}, [3]float64{0.1251, 0.0456, 0.7970}, 0}

// told returns a HEIF whose primary item has a colr box.
func told(t *testing.T, file, colr []byte) []byte {
	t.Helper()
	if at := bytes.Index(file, []byte("colrnclx")); at >= 0 {
		copy(file[at-4:], colr)
		return file
	}
	primary := binary.BigEndian.Uint16(file[heifBox(t, file, "pitm")+12:])
	return withProperty(t, file, primary, false, colr)
}

// TestColorFiles has the files of testdata/color, which encoders wrote that are
// not on every machine.
func TestColorFiles(t *testing.T) {
	grays := codedGray
	faint := coded.alpha(128)
	for name, want := range map[string]six{
		"p3.avif":                 inChromium[[2]byte{12, 13}],
		"p3-in-data-alone.avif":   inChromium[[2]byte{12, 13}],
		"bt2020-12-bits.avif":     inChromium[[2]byte{9, 13}],
		"linear-10-bits.avif":     inChromium[[2]byte{1, 8}],
		"pq-10-bits.avif":         inChromium[[2]byte{1, 16}],
		"hlg-10-bits.avif":        inChromium[[2]byte{9, 18}],
		"camera.avif":             coded,
		"gray.avif":               grays,
		"gray-narrow.avif":        grays,
		"gray-narrow-linear.avif": grays.each(shown(1, 8)),
		"multiplied.avif":         faint,
		"multiplied-p3.avif":      inChromium[[2]byte{12, 13}].alpha(128),
		"pq.jxl":                  inChromium[[2]byte{1, 16}],
		"hlg-lossy.jxl":           inChromium[[2]byte{9, 18}],
		"pq-gray.jxl":             grayInChromium[16],
		"p3.jxl":                  inChromium[[2]byte{12, 13}],
		"multiplied.jxl":          faint,
	} {
		t.Run(name, func(t *testing.T) {
			file, err := os.ReadFile("testdata/color/" + name)
			if err != nil {
				t.Fatal(err)
			}
			job := limits()
			job.Formats = append(job.Formats, thumb.JXL)
			made, r := render(t, file, job, thumb.Transform{Width: 60, Height: 60, Method: thumb.Fit, Format: thumb.PNG})
			if r[0].Failure != "" {
				t.Fatalf("%+v", r[0])
			}
			want.expect(t, decode(t, made[0], thumb.PNG), 4)
		})
	}
}

// TestLimitedAlpha has an alpha whose samples go from 16 to 235.
func TestLimitedAlpha(t *testing.T) {
	file := originalFile(t, coded.alpha(126).picture(), thumb.AVIF)
	auxl := bytes.Index(file, []byte("auxl"))
	alpha := binary.BigEndian.Uint16(file[auxl+4:])
	file = withProperty(t, file, alpha, false, nclx(1, 13, false))
	coded.alpha(128).expect(t, thumbnailOf(t, file), 4)
}
