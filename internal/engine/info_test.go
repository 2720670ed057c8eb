// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/png"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/info"
	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// infoTransform is that of the preset info.
func infoTransform() thumb.Transform {
	t := thumb.InfoPreset().Transform
	t.Format = thumb.JSON
	return t
}

// TestInfo reads the description of originals of several kinds, made alone and with
// thumbnails. Color and hashes are those of the thumbnail that has the same size.
func TestInfo(t *testing.T) {
	for _, tt := range []struct {
		file string
		want info.Info
		// exact originals give the same pixels, however they are encoded. Of the
		// others, JPEGs, the chroma is decoded to half of it.
		exact bool
	}{
		{"originals/photos/dogs.jpg", info.Info{Width: 1065, Height: 1600, Format: thumb.JPEG, Frames: 1}, false},
		{"originals/tests/orientation/6.jpg", info.Info{Width: 240, Height: 160, Format: thumb.JPEG, Frames: 1}, false},
		{"originals/tests/made/alpha.png", info.Info{Width: 400, Height: 400, Format: thumb.PNG, Frames: 1, Alpha: true}, true},
		{"originals/tests/made/spin.gif", info.Info{Width: 160, Height: 160, Format: thumb.GIF, Frames: 8}, true},
		{"a drawing", info.Info{Width: 24, Height: 12, Format: thumb.SVG, Frames: 1, Alpha: true}, true},
		{"originals/tests/made/dandelion.webp", info.Info{Width: 1200, Height: 675, Format: thumb.WebP, Frames: 1}, true},
	} {
		t.Run(tt.file, func(t *testing.T) {
			data, err := os.ReadFile("../../testdata/" + tt.file)
			if tt.want.Format == thumb.SVG {
				data, err = []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="24" height="12"><rect width="12" height="12" fill="#c80a14"/></svg>`), nil
			}
			if err != nil {
				t.Fatal(err)
			}
			same := infoTransform()
			same.Format, same.Info = thumb.PNG, false
			pictures, _ := render(t, data, withFormats(tt.want.Format), same)
			m, err := png.Decode(bytes.NewReader(pictures[0]))
			if err != nil {
				t.Fatal(err)
			}
			for _, company := range [][]thumb.Transform{
				{infoTransform()},
				{infoTransform(), {Width: 40, Method: thumb.Scale, Format: thumb.JPEG, Quality: 80}},
			} {
				files, results := render(t, data, withFormats(tt.want.Format), company...)
				if results[0].Failure != "" {
					t.Fatalf("%+v", results[0])
				}
				got, err := info.Parse(files[0])
				if err != nil {
					t.Fatalf("%v: %s", err, files[0])
				}
				want := tt.want
				want.Bytes, want.LQIP = int64(len(data)), got.LQIP
				if want.Look(nrgba(m)); !tt.exact {
					want.Color, want.ThumbHash, want.BlurHash = got.Color, got.ThumbHash, got.BlurHash
				}
				if tt.want.Format == thumb.SVG {
					// The thumbnail has a palette, with one color for all that is
					// transparent. ThumbHash does not see that color, BlurHash does.
					want.BlurHash = got.BlurHash
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%d outputs (-want +got):\n%s", len(company), diff)
				}
				expectTiny(t, got, m)
			}
		})
	}
}

// expectTiny compares the picture in a description with the thumbnail m.
func expectTiny(t *testing.T, i info.Info, m image.Image) {
	t.Helper()
	_, data, _ := strings.Cut(i.LQIP, ",")
	file, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		t.Fatal(err)
	}
	// Go's own decoder takes the narrow range of WebP's luma for the whole one.
	files, _ := render(t, file, limits(), thumb.Transform{Width: 16, Height: 16, Method: thumb.Fit, Format: thumb.PNG})
	tiny, err := png.Decode(bytes.NewReader(files[0]))
	if err != nil {
		t.Fatal(err)
	}
	want := info.Shrink(nrgba(m), max(tiny.Bounds().Dx(), tiny.Bounds().Dy()))
	if want.Rect != tiny.Bounds() {
		t.Fatalf("the lqip is %v, want %v", tiny.Bounds(), want.Rect)
	}
	var sum, n int
	for y := range want.Rect.Dy() {
		for x := range want.Rect.Dx() {
			r, g, b, _ := tiny.At(x, y).RGBA()
			wr, wg, wb, _ := want.At(x, y).RGBA()
			for _, d := range []int{int(r) - int(wr), int(g) - int(wg), int(b) - int(wb)} {
				sum, n = sum+max(d, -d)/257, n+1
			}
		}
	}
	if mean := sum / n; mean > 16 {
		t.Errorf("the lqip differs by %d of 255 in the mean", mean)
	}
}

func nrgba(m image.Image) *image.NRGBA {
	out := image.NewNRGBA(m.Bounds())
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			out.Set(x, y, m.At(x, y))
		}
	}
	return out
}

// TestInfoOfNoImage is refused as a thumbnail is.
func TestInfoOfNoImage(t *testing.T) {
	for file, want := range map[string]wire.Failure{"text.jpg": wire.Unsupported, "cut-off.jpg": wire.Damaged} {
		data, err := os.ReadFile("../../testdata/refused/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if _, results := render(t, data, limits(), infoTransform()); results[0].Failure != want {
			t.Errorf("%s: %+v, want %s", file, results[0], want)
		}
	}
}
