// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"image"
	"image/jpeg"
	"testing"

	"thumbd/internal/test/likeness"
	"thumbd/internal/test/peer/vips"
	"thumbd/internal/thumb"
)

// chromaError returns the mean error of Cb and Cr of a thumbnail, over a reduction of all
// of the original's pixels to its size.
func chromaError(full [2]likeness.Plane, m image.Image) float64 {
	sum := 0.0
	for i, got := range likeness.Chroma(m) {
		sum += likeness.Error(got, full[i].Reduced(got.W, got.H)) / 2
	}
	return sum
}

// TestChromaIsNoWorseThanOfAllPixels compares chroma, before encoding and as JPEG, with
// that of vips_thumbnail, which decodes to RGB and reduces that. The measure is the mean
// error against a reduction of all of the original's pixels.
func TestChromaIsNoWorseThanOfAllPixels(t *testing.T) {
	for _, format := range []thumb.Format{thumb.PNG, thumb.JPEG} {
		var ours, theirs float64
		for name, data := range photographs(t) {
			whole, err := jpeg.Decode(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			full := likeness.Chroma(whole)
			for _, width := range []int{100, 300, 560, 900} {
				tr := thumb.Transform{Width: width, Method: thumb.Fit, Format: format}
				box := vips.Thumbnail{Width: width, Height: 4096}
				if format == thumb.JPEG {
					tr.Quality, box.Quality = 82, 82
				}
				file, err := vips.Make(photos+name, box)
				if err != nil {
					t.Fatal(err)
				}
				a, b := chromaError(full, thumbnail(t, data, tr)), chromaError(full, decode(t, file, format))
				t.Logf("%v %s %d: %.3f, vips_thumbnail's %.3f", format, name, width, a, b)
				ours, theirs = ours+a, theirs+b
			}
		}
		t.Logf("%v: all together %.2f of vips_thumbnail's", format, ours/theirs)
		if ours > theirs {
			t.Errorf("%v: the error is %.3f of vips_thumbnail's", format, ours/theirs)
		}
	}
}
