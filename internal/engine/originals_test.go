// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"slices"
	"testing"

	"github.com/h2non/bimg"
	"golang.org/x/image/tiff"

	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// processed returns a PNG as bimg makes another file of it.
func processed(t testing.TB, file []byte, o bimg.Options) []byte {
	t.Helper()
	started(t)
	out, err := bimg.NewImage(file).Process(o)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func asTIFF(t testing.TB, m image.Image, c tiff.CompressionType) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := tiff.Encode(&b, m, &tiff.Options{Compression: c, Predictor: c != tiff.Uncompressed}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// converted returns m in the pixels of another kind of picture.
func converted(m image.Image, to draw.Image) image.Image {
	draw.Draw(to, to.Bounds(), m, image.Point{}, draw.Src)
	return to
}

// mpo is a file of two pictures, as stereo cameras and phones write: the first
// with an index in a segment, the second behind it.
func mpo(first, second []byte) []byte {
	index := slices.Concat([]byte("MPF\x00MM\x00*\x00\x00\x00\x08"), make([]byte, 60))
	return slices.Concat(withSegment(first, 0xe2, index), second)
}

// TestKindsOfOriginals has the same picture in every way in which files keep
// one.
func TestKindsOfOriginals(t *testing.T) {
	m := quadrants(400, 300)
	full := m.Bounds()
	asPNG := encodePNG(t, m)
	few := converted(m, image.NewPaletted(full, color.Palette{red, green, yellow, blue}))
	deep := converted(m, image.NewNRGBA64(full))
	other := originalFile(t, uniform(400, 300, black), thumb.JPEG)
	for name, data := range map[string][]byte{
		"palette PNG":          encodePNG(t, few),
		"16-bit PNG":           encodePNG(t, deep),
		"interlaced PNG":       processed(t, asPNG, bimg.Options{Type: bimg.PNG, Interlace: true}),
		"progressive JPEG":     processed(t, asPNG, bimg.Options{Type: bimg.JPEG, Quality: 95, Interlace: true}),
		"MPO":                  mpo(originalFile(t, m, thumb.JPEG), other),
		"TIFF":                 asTIFF(t, m, tiff.Uncompressed),
		"deflated TIFF":        asTIFF(t, m, tiff.Deflate),
		"palette TIFF":         asTIFF(t, few, tiff.Uncompressed),
		"16-bit TIFF":          asTIFF(t, deep, tiff.Deflate),
		"lossless WebP":        processed(t, asPNG, bimg.Options{Type: bimg.WEBP, Lossless: true}),
		"JPEG of every pixel":  processed(t, asPNG, bimg.Options{Type: bimg.JPEG, Quality: 98}),
		"JPEG with a comment":  withSegment(originalFile(t, m, thumb.JPEG), 0xfe, []byte("\xff\xd9 not the end")),
		"JPEG with a preview":  withSegment(originalFile(t, m, thumb.JPEG), 0xe1, other[:min(len(other), 60000)]),
		"JPEG with fill bytes": fill(originalFile(t, m, thumb.JPEG)),
	} {
		t.Run(name, func(t *testing.T) {
			for _, f := range everyFormat[:5] {
				got := thumbnail(t, data, thumb.Transform{Width: 100, Method: thumb.Fit, Format: f, Quality: 90})
				expectQuadrants(t, got, 10)
			}
		})
	}
	gray := converted(m, image.NewGray16(full))
	for name, data := range map[string][]byte{
		"gray TIFF": asTIFF(t, gray, tiff.Deflate), "16-bit gray PNG": encodePNG(t, gray),
	} {
		got := thumbnail(t, data, thumb.Transform{Width: 100, Method: thumb.Fit, Format: thumb.PNG})
		if _, ok := got.(*image.Gray); !ok {
			t.Errorf("%s became a %T", name, got)
		}
		for at, c := range map[image.Point]color.NRGBA{{25, 20}: red, {75, 20}: green, {75, 55}: yellow, {25, 55}: blue} {
			v := color.GrayModel.Convert(c).(color.Gray).Y
			expectColor(t, got, at.X, at.Y, color.NRGBA{v, v, v, 255}, 3)
		}
	}
}

// fill puts fill bytes, which the standard allows, before every marker of a
// JPEG's head.
func fill(file []byte) []byte {
	var out []byte
	at := 0
	for at+4 < len(file) && file[at] == 0xff && file[at+1] != 0xda {
		out = append(out, 0xff, 0xff)
		length := 2
		if file[at+1] != 0xd8 {
			length += int(file[at+2])<<8 | int(file[at+3])
		} else {
			out = out[:len(out)-2]
		}
		out = append(out, file[at:at+length]...)
		at += length
	}
	return append(out, file[at:]...)
}

// TestCutOffAnimations cuts inside every frame: none is shown without the rest.
func TestCutOffAnimations(t *testing.T) {
	source := film(t, 0)
	asWebP := thumbnailFile(t, source, thumb.Transform{Width: 200, Method: thumb.Fit, Format: thumb.WebP, Quality: 95})
	for _, data := range [][]byte{source, asWebP} {
		for _, percent := range []int{10, 25, 40, 50, 60, 75, 90, 99} {
			_, r := render(t, data[:len(data)*percent/100], limits(),
				thumb.Transform{Width: 50, Method: thumb.Fit, Format: thumb.GIF},
				thumb.Transform{Width: 50, Method: thumb.Fit, Format: thumb.JPEG, Quality: 80})
			if r[0].Failure != wire.Damaged || r[1].Failure != wire.Damaged {
				t.Errorf("%d%%: got %+v", percent, r)
			}
		}
	}
}

// TestOrientationsOfOtherFormats has a turned WebP and PNG upright.
func TestOrientationsOfOtherFormats(t *testing.T) {
	upright := quadrants(400, 300)
	for o := 1; o <= 8; o++ {
		stored := withEXIF(originalFile(t, turned(upright, o), thumb.JPEG), exif{orientation: o})
		for _, kind := range []bimg.ImageType{bimg.WEBP, bimg.PNG, bimg.TIFF} {
			data := processed(t, stored, bimg.Options{Type: kind, Quality: 95, NoAutoRotate: true})
			m := thumbnail(t, data, thumb.Transform{Width: 100, Height: 100, Method: thumb.Fit, Format: thumb.PNG})
			if m.Bounds().Size() != image.Pt(100, 75) {
				t.Errorf("%s, orientation %d: %v", bimg.ImageTypes[kind], o, m.Bounds().Size())
				continue
			}
			expectQuadrants(t, m, 10)
		}
	}
}
