// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"image"
	"image/color"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/h2non/bimg"
	"golang.org/x/image/tiff"

	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// noisy is a picture of which no part is like another.
func noisy(w, h int) *image.NRGBA {
	r := rand.New(rand.NewPCG(1, 2))
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			v := 60 + 100*x/w + 30*(y/8%3)
			at := func(shift int) uint8 { return uint8(min(max(v+shift+int(12*r.NormFloat64()), 1), 255)) }
			m.SetNRGBA(x, y, color.NRGBA{at(0), at(60 * y / h), at(-40), 255})
		}
	}
	return m
}

// lastPixels names the original whose end are its pixels, as they are.
const lastPixels = "tiff that ends with its pixels"

// damageable are originals of every kind that is read in a way of its own.
func damageable(t *testing.T) map[string][]byte {
	t.Helper()
	m := noisy(203, 157)
	files := map[string][]byte{}
	for _, f := range everyFormat {
		files[f.String()] = originalFile(t, m, f)
	}
	for name, o := range map[string]bimg.Options{
		"progressive jpg": {Type: bimg.JPEG, Quality: 90, Interlace: true},
		"interlaced png":  {Type: bimg.PNG, Interlace: true},
		"lossless webp":   {Type: bimg.WEBP, Lossless: true},
	} {
		files[name] = processed(t, files["png"], o)
	}
	files["deflated tiff"] = asTIFF(t, m, tiff.Deflate)
	files["plain tiff"] = asTIFF(t, m, tiff.Uncompressed)
	// 40th parts of it are three rows: none of the places is beside the end of one.
	low := noisy(203, 120)
	last := rawTIFF(low.Rect.Max, 2, nil, []byte{0, 0, 0})
	for i := range len(low.Pix) / 4 {
		copy(last[len(last)-3*(len(low.Pix)/4-i):], low.Pix[4*i:][:3])
	}
	files[lastPixels] = last
	still := webpFrame{still: files["webp"], at: m.Bounds()}
	files["animated webp"] = animatedWebP(m.Bounds().Max, 0, still, still, still)
	jxl, err := samples.ReadFile("samples/sample.jxl")
	if err != nil {
		t.Fatal(err)
	}
	files["jxl"] = jxl
	return files
}

// damages are ways to damage a file at byte n.
var damages = []struct {
	name string
	of   func(data []byte, n int) []byte
}{
	{"cut", func(data []byte, n int) []byte { return data[:n] }},
	{"zeros", func(data []byte, n int) []byte { return slices.Concat(data[:n], make([]byte, len(data)-n)) }},
	{"cut, then an end", func(data []byte, n int) []byte { return slices.Concat(data[:n], []byte{0xff, 0xd9}) }},
	{"cut, then itself", func(data []byte, n int) []byte { return slices.Concat(data[:n], data) }},
	{"flipped", func(data []byte, n int) []byte {
		b := slices.Clone(data)
		b[n] ^= 0x55
		return b
	}},
}

// TestDamagedIsNeverPublished damages each kind of original at 40 places in
// each way. Whatever size, part or method is asked for, either all outputs are
// refused, or all are those of the whole original. Only formats with checksums
// tell a flipped byte, and only an animation reads all frames.
func TestDamagedIsNeverPublished(t *testing.T) {
	places := 40
	if testing.Short() {
		places = 4 // none of which is beside the end of a row of lastPixels
	}
	outputs := []thumb.Transform{
		{Width: 20, Height: 16, Method: thumb.Fit, Format: thumb.PNG},
		{Width: 190, Height: 20, Method: thumb.Crop, Gravity: thumb.North, Format: thumb.PNG},
	}
	job := limits()
	job.Formats = append(slices.Clone(everyFormat), thumb.JXL)
	job.Bytes = 1 << 20
	for name, data := range damageable(t) {
		t.Run(name, func(t *testing.T) {
			all := outputs
			if name == "animated webp" {
				all = append(slices.Clone(outputs), thumb.Transform{Width: 20, Height: 16, Method: thumb.Fit, Format: thumb.GIF})
			}
			want, results := render(t, data, job, all...)
			for _, r := range results {
				if r.Failure != "" {
					t.Fatalf("whole: %s: %s", r.Failure, r.Detail)
				}
			}
			for _, d := range damages {
				told := d.name != "flipped" || strings.HasSuffix(name, "png")
				if d.name == "cut, then itself" && name == lastPixels {
					told = false // Nothing but pixels follows: these are some, too.
				}
				for i := range places {
					n := len(data) * (2*i + 1) / (2 * places)
					var got [][]byte
					var results []wire.Result
					// Each alone: in company they are made of one picture.
					for _, out := range all {
						files, r := render(t, d.of(data, n), job, out)
						got, results = append(got, files...), append(results, r...)
					}
					// The smaller output passes over scans, in which nothing is seen
					// but markers. A cut is, unless it is in the last one.
					passed := name == "progressive jpg" && (d.name == "flipped" ||
						d.name == "cut, then an end" && n > bytes.LastIndex(data, []byte{0xff, 0xda}))
					for j, r := range results {
						switch {
						case r.Failure == wire.Internal:
							t.Errorf("%s at %d of %d: %s", d.name, n, len(data), r.Detail)
						case j == 2 && d.name == "flipped":
							// A still needs the first frame alone.
						case passed:
						case r.Failure != results[0].Failure:
							t.Errorf("%s at %d of %d: %s, and %s of output %d", d.name, n, len(data), results[0].Failure, r.Failure, j)
						case r.Failure == "" && told && !bytes.Equal(got[j], want[j]):
							t.Errorf("%s at %d of %d: output %d is another picture", d.name, n, len(data), j)
						}
					}
				}
			}
		})
	}
}

// TestChecksumBehindPart has a PNG with a wrong checksum after its last row: a crop
// that ends far above is refused like the whole picture.
func TestChecksumBehindPart(t *testing.T) {
	data := originalFile(t, noisy(40, 400), thumb.PNG)
	job := limits()
	job.Bytes = 1 << 20
	crop := thumb.Transform{Width: 40, Height: 40, Method: thumb.Crop, Format: thumb.PNG}
	fit := thumb.Transform{Width: 20, Height: 200, Method: thumb.Fit, Format: thumb.PNG}
	data[len(data)-13] ^= 1 // IEND has 12 bytes
	for _, tr := range []thumb.Transform{crop, fit} {
		if _, r := render(t, data, job, tr); r[0].Failure != wire.Damaged {
			t.Errorf("%v: %q %s", tr, r[0].Failure, r[0].Detail)
		}
	}
}

// TestPartsOfWholeOriginals has crops that end at every line: what they leave is
// decoded all the same, whatever a decoder has read ahead.
func TestPartsOfWholeOriginals(t *testing.T) {
	job := limits()
	job.Bytes = 1 << 20
	for _, f := range []thumb.Format{thumb.JPEG, thumb.PNG} {
		for h := 17; h < 66; h += 3 {
			data := originalFile(t, noisy(40, h), f)
			for top := 1; top < h; top += 2 {
				_, r := render(t, data, job, thumb.Transform{
					Width: 40, Height: top, Method: thumb.Crop, Gravity: thumb.North, Format: thumb.JPEG, Quality: 80,
				})
				if r[0].Failure != "" {
					t.Fatalf("%v, %d lines of %d: %s", f, top, h, r[0].Detail)
				}
			}
		}
	}
}

// TestWithoutEnd leaves end markers out: the thumbnail is that of the whole file.
func TestWithoutEnd(t *testing.T) {
	files := damageable(t)
	for name, end := range map[string]int{"jpg": 2, "progressive jpg": 2, "png": 12, "interlaced png": 12, "gif": 1} {
		for _, tr := range []thumb.Transform{
			{Width: 20, Height: 16, Method: thumb.Fit, Format: thumb.PNG},
			{Width: 190, Height: 20, Method: thumb.Crop, Gravity: thumb.North, Format: thumb.PNG},
		} {
			want := thumbnailFile(t, files[name], tr)
			if got := thumbnailFile(t, files[name][:len(files[name])-end], tr); !alike(t, got, want) {
				t.Errorf("%s: another picture", name)
			}
		}
	}
	still := files["gif"]
	junk := slices.Concat(still[:len(still)-1], still)
	for _, width := range []int{20, 190} {
		tr := thumb.Transform{Width: width, Method: thumb.Fit, Format: thumb.PNG}
		if !bytes.Equal(thumbnailFile(t, junk, tr), thumbnailFile(t, still, tr)) {
			t.Error("GIF with itself behind: another picture")
		}
	}
	trailer := slices.Concat([]byte("\x00\x00\x30\x0a\x10\x00\x00\x00MotionPhoto_Data"), bytes.Repeat([]byte("\xff\xc0film\xff\xd8"), 100))
	jpg := files["jpg"]
	tr := thumb.Transform{Width: 20, Height: 16, Method: thumb.Fit, Format: thumb.PNG}
	if got := thumbnailFile(t, slices.Concat(jpg[:len(jpg)-2], trailer), tr); !alike(t, got, thumbnailFile(t, jpg, tr)) {
		t.Error("with a phone's trailer: another picture")
	}
	original := thumb.Transform{Method: thumb.Original, Format: thumb.JPEG}
	if got := thumbnailFile(t, jpg[:len(jpg)-2], original); !bytes.Equal(got, jpg[:len(jpg)-2]) {
		t.Error("the original's own bytes are others")
	}
}

// alike reports whether two PNGs show the same: package jpeg decodes one of two
// JPEGs of which the other is left to libvips.
func alike(t *testing.T, a, b []byte) bool {
	t.Helper()
	x, y := colors(decode(t, a, thumb.PNG)), colors(decode(t, b, thumb.PNG))
	if len(x) != len(y) {
		return false
	}
	sum := 0
	for i := range x {
		sum += max(int(x[i])-int(y[i]), int(y[i])-int(x[i]))
	}
	return sum <= 3*len(x)
}

// TestAnimationWithoutEnd has all frames of a GIF whose trailer is missing.
func TestAnimationWithoutEnd(t *testing.T) {
	data := film(t, 0)
	tr := thumb.Transform{Width: 50, Method: thumb.Fit, Format: thumb.WebP, Quality: 80}
	if !bytes.Equal(thumbnailFile(t, data[:len(data)-1], tr), thumbnailFile(t, data, tr)) {
		t.Error("another animation")
	}
}

// TestWarningsOfWholeFiles has a JPEG about which its decoder complains though
// nothing is missing.
func TestWarningsOfWholeFiles(t *testing.T) {
	data, err := os.ReadFile("../../testdata/originals/photos/dandelion.jpg")
	if err != nil {
		t.Fatal(err)
	}
	tr := thumb.Transform{Width: 100, Method: thumb.Fit, Format: thumb.PNG}
	want := thumbnailFile(t, data, tr)
	at := bytes.Index(data, []byte{0xff, 0xc4})
	if got := thumbnailFile(t, slices.Concat(data[:at], []byte("garbage"), data[at:]), tr); !alike(t, got, want) {
		t.Error("another picture")
	}
}
