// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"slices"
	"testing"

	"github.com/h2non/bimg"

	"thumbd/internal/test/peer/libjpeg"
	"thumbd/internal/thumb"
)

// secret is in the metadata of originals.
const secret = "a secret place"

// small are originals of fewer bytes than their thumbnails of the same size have,
// with metadata and with data behind.
func small(t *testing.T) map[thumb.Format][]byte {
	t.Helper()
	m := photograph(120, 90)
	about := exif{copyright: secret}
	jpg := withEXIF(processed(t, encodePNG(t, m), bimg.Options{Type: bimg.JPEG, Quality: 20}), about)
	webp := retagged(t, processed(t, encodePNG(t, m), bimg.Options{Type: bimg.WEBP, Quality: 10}), thumb.WebP, "-XMP:Rights="+secret)
	var film bytes.Buffer
	frames := []*image.Paletted{}
	for i := range 3 {
		f := image.NewPaletted(image.Rect(0, 0, 120, 90), color.Palette{red, blue, green})
		f.SetColorIndex(i, i, 1)
		frames = append(frames, f)
	}
	if err := gif.EncodeAll(&film, &gif.GIF{Image: frames, Delay: []int{5, 6, 7}}); err != nil {
		t.Fatal(err)
	}
	// A comment behind the header, and its table of colors if it has one.
	at := 13
	if flags := film.Bytes()[10]; flags&0x80 != 0 {
		at += 3 << (flags&7 + 1)
	}
	commented := slices.Insert(bytes.Clone(film.Bytes()), at, []byte("!\xfe"+string(rune(len(secret)))+secret+"\x00")...)
	drawing := encodePNG(t, discs(color.NRGBA{240, 240, 230, 255}))
	return map[thumb.Format][]byte{
		thumb.JPEG: slices.Concat(jpg, []byte(secret)),
		thumb.WebP: slices.Concat(webp, []byte(secret)),
		thumb.GIF:  slices.Concat(commented, []byte(secret)),
		thumb.PNG:  slices.Concat(withChunks(drawing, chunk{"tEXt", "Comment\x00" + secret}), []byte(secret)),
	}
}

// TestOfTheOriginalsSize has thumbnails that show the original as it is: they have
// no more bytes than that, none of its metadata, and the same pixels. Of a JPEG, the
// quality tells whether it may stay planes.
func TestOfTheOriginalsSize(t *testing.T) {
	for f, data := range small(t) {
		if f == thumb.JPEG {
			expectTheOriginal(t, f, data, subsampled-1)
		}
		expectTheOriginal(t, f, data, subsampled)
	}
}

func expectTheOriginal(t *testing.T, f thumb.Format, data []byte, quality int) {
	t.Helper()
	tr := thumb.Transform{Width: 4096, Method: thumb.Fit, Format: f}
	if f == thumb.JPEG || f == thumb.WebP {
		tr.Quality = quality
	}
	got := thumbnailFile(t, data, tr)
	if len(got) >= len(data) || bytes.Contains(got, []byte(secret)) {
		t.Errorf("%v: %d bytes of %d, or with metadata", f, len(got), len(data))
	}
	as := thumb.Transform{Width: 4096, Method: thumb.Fit, Format: thumb.PNG}
	if a, b := thumbnailFile(t, data, as), thumbnailFile(t, got, as); !bytes.Equal(colors(decode(t, a, thumb.PNG)), colors(decode(t, b, thumb.PNG))) {
		t.Errorf("%v: other pixels", f)
	}
	again := thumbnailFile(t, got, tr)
	if len(again) > len(got) {
		t.Errorf("%v: %d bytes become %d the next time", f, len(got), len(again))
	}
	tr.Metadata = thumb.AllMetadata
	if kept := thumbnailFile(t, got, tr); len(kept) > len(got) {
		t.Errorf("%v: with all metadata, of which there is none: %d bytes of %d", f, len(kept), len(got))
	}
	tr.Metadata, tr.Gray = thumb.NoMetadata, true
	if gray := thumbnailFile(t, data, tr); bytes.Equal(gray, got) {
		t.Errorf("%v: gray has the colors of the original", f)
	}
}

// TestLongSegmentsOfColors has segments that tell how components are colors, and more
// behind that: it is left out, and they stay.
func TestLongSegmentsOfColors(t *testing.T) {
	for _, rgb := range []bool{false, true} {
		m := libjpeg.Making{Width: 8, Height: 8, Bands: 3, Quality: 80, Luma: [2]int{1, 1}, Chroma: [2]int{1, 1}, RGB: rgb}
		file, err := libjpeg.Encode(m, make([]byte, 8*8*3))
		if err != nil {
			t.Fatal(err)
		}
		segment, long := "\xff\xe0\x00\x10", "\xff\xe0\x00\x13"
		if rgb {
			segment, long = "\xff\xee\x00\x0e", "\xff\xee\x00\x11"
		}
		at := bytes.Index(file, []byte(segment))
		end := at + 2 + int(segment[3])
		more := slices.Concat(file[:at], []byte(long), file[at+4:end], []byte("abc"), file[end:])
		if !rgb {
			more[end-2], more[end-1] = 1, 1 // pixels of a preview
		}
		got := stripJPEG(more)
		if !bytes.Contains(got, file[at:end]) || !bytes.Equal(got, stripJPEG(file)) {
			t.Errorf("RGB %v: %q is left of %q", rgb, got[:40], more[:40])
		}
	}
}

// TestPNGsThatAreNotStripped has files of which no part is a PNG that shows the same.
func TestPNGsThatAreNotStripped(t *testing.T) {
	m := discs(color.NRGBA{240, 240, 230, 255})
	whole := encodePNG(t, m)
	const signature, header = 8, 8 + 12 + 13
	text := withChunks(whole, chunk{"tEXt", "Comment\x00" + secret})[header:]
	wrong := bytes.Clone(whole)
	wrong[header-1] ^= 1
	if stripPNG(bytes.Clone(whole)) == nil {
		t.Fatal("a whole one has none either")
	}
	for name, file := range map[string][]byte{
		"no header":              slices.Concat(whole[:signature], whole[header:]),
		"a text before a header": slices.Concat(whole[:signature], text[:len(text)-len(whole)+header], whole[signature:]),
		"a wrong checksum":       wrong,
		"no end":                 whole[:len(whole)-12],
		"a cut":                  whole[:len(whole)/2],
		"16 bits":                encodePNG(t, converted(m, image.NewNRGBA64(m.Bounds()))),
	} {
		if stripPNG(file) != nil {
			t.Errorf("%s: stripped", name)
		}
	}
}
