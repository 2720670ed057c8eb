// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
)

// solid returns a PNG of one color, of 64x64 pixels.
func solid(c color.Color) []byte {
	img := image.NewPaletted(image.Rect(0, 0, 64, 64), color.Palette{c})
	var b bytes.Buffer
	// Into memory it does not fail.
	_ = png.Encode(&b, img)
	return b.Bytes()
}

// versionColor is the color of a version of an original, below 1<<24.
func versionColor(version int) color.Color {
	return color.RGBA{uint8(version >> 16), uint8(version >> 8), uint8(version), 0xff}
}

// versionOf returns the version of the original that a PNG was made of.
func versionOf(b []byte) (version, width int, err error) {
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		return 0, 0, err
	}
	r, g, bl, _ := img.At(img.Bounds().Dx()/2, img.Bounds().Dy()/2).RGBA()
	return int(r>>8)<<16 | int(g>>8)<<8 | int(bl>>8), img.Bounds().Dx(), nil
}
