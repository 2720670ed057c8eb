// SPDX-License-Identifier: MIT

package e2e

import (
	"fmt"
	"image"
	"image/color"
	"testing"

	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// The marked picture comes out upright and in its colors, however it is turned
// and whatever profile it has.
func TestPicturesAreUprightAndInTheirColors(t *testing.T) {
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.Testdata(t, "originals"))}})
	names := []string{"tests/made/p3.jpg"}
	for n := range 8 {
		names = append(names, fmt.Sprintf("tests/orientation/%d.jpg", n+1))
	}
	for _, name := range names {
		for _, ext := range []string{"png", "jpg", "webp"} {
			format := map[string]string{"png": "png", "jpg": "jpeg", "webp": "webp"}[ext]
			img := kit.Picture(t, kit.Get(t, r, kit.Target(name, "120x80_fit", ext)), format, 120, 80)
			checkMark(t, name+" as "+ext, img)
		}
	}
}

// checkMark checks the picture that testdata/generate.sh draws, at half size.
func checkMark(t *testing.T, name string, img image.Image) {
	t.Helper()
	for _, want := range []struct {
		x, y  int
		color color.RGBA
	}{
		{15, 20, color.RGBA{0xd0, 0x20, 0x30, 0xff}},
		{105, 20, color.RGBA{0x20, 0xa0, 0x40, 0xff}},
		{15, 60, color.RGBA{0x20, 0x50, 0xc0, 0xff}},
		{105, 60, color.RGBA{0xf0, 0xc0, 0x20, 0xff}},
		{60, 30, color.RGBA{0, 0, 0, 0xff}},          // the arrow's head
		{60, 60, color.RGBA{0, 0, 0, 0xff}},          // its shaft
		{46, 32, color.RGBA{0, 0, 0, 0xff}},          // its head is as wide only above
		{46, 60, color.RGBA{0x20, 0x50, 0xc0, 0xff}}, // and its shaft is not
	} {
		if got := img.At(want.x, want.y); distance(got, want.color) > 24 {
			t.Errorf("%s at %d,%d: %v, want %v", name, want.x, want.y, color.RGBAModel.Convert(got), want.color)
		}
	}
}

// marks returns the colors in the quarters of the picture that testdata/generate.sh draws,
// in a size.
func marks(w, h int) map[image.Point]color.RGBA {
	return map[image.Point]color.RGBA{
		{X: w / 8, Y: h / 4}: {0xd0, 0x20, 0x30, 0xff}, {X: w * 7 / 8, Y: h / 4}: {0x20, 0xa0, 0x40, 0xff},
		{X: w / 8, Y: h * 3 / 4}: {0x20, 0x50, 0xc0, 0xff}, {X: w * 7 / 8, Y: h * 3 / 4}: {0xf0, 0xc0, 0x20, 0xff},
	}
}

// distance is the largest difference of a channel, of 255.
func distance(a, b color.Color) int {
	ar, ag, ab, aa := a.RGBA()
	br, bg, bb, ba := b.RGBA()
	most := 0
	for _, d := range [][2]uint32{{ar, br}, {ag, bg}, {ab, bb}, {aa, ba}} {
		most = max(most, int(d[0]>>8)-int(d[1]>>8), int(d[1]>>8)-int(d[0]>>8))
	}
	return most
}

// Every original of the corpus becomes a thumbnail of every format.
func TestCorpusInEveryFormat(t *testing.T) {
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.Testdata(t, "originals"))}})
	for _, name := range []string{
		"photos/dogs.jpg", "tests/made/alpha.png", "tests/made/dandelion.webp", "tests/made/dandelion.avif",
		"tests/made/dandelion.heic", "tests/made/spin.gif", "tests/names/été à la plage/photo 100%.png",
	} {
		for ext, format := range map[string]string{"jpg": "jpeg", "png": "png", "webp": "webp", "avif": "avif", "gif": "gif"} {
			for _, method := range []string{"crop", "smart", "attention"} {
				kit.Picture(t, kit.Get(t, r, kit.Target(name, "64x48_"+method, ext)), format, 64, 48)
			}
		}
	}
	kit.Picture(t, kit.Get(t, r, kit.Target("photos/dogs.jpg", "300x300_fit", "jpg")), "jpeg", 200, 300)
	kit.Picture(t, kit.Get(t, r, kit.Target("photos/dogs.jpg", "300x300_scale", "jpg")), "jpeg", 300, 451)
}
