// SPDX-License-Identifier: MIT

package kit

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"testing"
	"time"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/rig"
)

// Solid returns a PNG of one color, of 64x64 pixels.
func Solid(c color.Color) []byte {
	img := image.NewPaletted(image.Rect(0, 0, 64, 64), color.Palette{c})
	var b bytes.Buffer
	// Into memory it does not fail.
	_ = png.Encode(&b, img)
	return b.Bytes()
}

// VersionColor is the color of a version of an original, below 1<<24.
func VersionColor(version int) color.Color {
	return color.RGBA{uint8(version >> 16), uint8(version >> 8), uint8(version), 0xff}
}

// VersionOf returns the version of the original that a PNG was made of.
func VersionOf(b []byte) (version, width int, err error) {
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		return 0, 0, err
	}
	r, g, bl, _ := img.At(img.Bounds().Dx()/2, img.Bounds().Dy()/2).RGBA()
	return int(r>>8)<<16 | int(g>>8)<<8 | int(bl>>8), img.Bounds().Dx(), nil
}

// Becomes waits until a thumbnail is of a version of its original; 0: until
// there is none.
func Becomes(t *testing.T, r *rig.Rig, uri string, version int, header ...string) {
	t.Helper()
	got := ""
	for begin := time.Now(); time.Since(begin) < aid.Patience; <-time.After(5 * time.Millisecond) {
		resp := Get(t, r, rig.Escape(uri), header...)
		v, _, err := VersionOf(resp.Body)
		if got = fmt.Sprintf("status %d, version %d, %v", resp.Status, v, err); resp.Status == 404 && version == 0 || resp.Status == 200 && v == version {
			return
		}
	}
	t.Errorf("%s: %s; want version %d", uri, got, version)
}
