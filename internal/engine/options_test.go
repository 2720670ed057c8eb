// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"cmp"
	"image"
	"slices"
	"strings"
	"testing"

	"thumbd/internal/thumb"
)

// TestEachOptionChangesThePicture renders the examples of each option in the table of
// package thumb, of originals on each of the engine's ways: planes of a JPEG, pixels that are
// smaller than the original or as many, and frames. Each option changes the thumbnail on
// each way, but for the few that are named.
func TestEachOptionChangesThePicture(t *testing.T) {
	opaque := noisy(60, 40)
	clear := noisy(60, 40)
	for i := 3; i < len(clear.Pix)/2; i += 4 {
		clear.Pix[i] = 0
	}
	logo := originalFile(t, uniform(8, 8, red), thumb.PNG)
	for name, way := range map[string]struct {
		original []byte
		format   thumb.Format
		size     image.Point
		without  string // names of options without an effect here
	}{
		"planes": {originalFile(t, opaque, thumb.JPEG), thumb.JPEG, image.Pt(20, 20), "bg frames v"},
		"pixels": {originalFile(t, clear, thumb.PNG), thumb.PNG, image.Pt(20, 20), "frames q v"},
		"as is":  {originalFile(t, clear, thumb.PNG), thumb.PNG, image.Pt(60, 40), "dpr focus frames gravity q v"},
		"frames": {film(t, 3), thumb.WebP, image.Pt(20, 20), "bg v"},
	} {
		render := func(tr thumb.Transform) []byte {
			tr.Width, tr.Height, tr.Method, tr.Format = way.size.X, way.size.Y, thumb.Crop, way.format
			tr.Quality = cmp.Or(tr.Quality, way.format.Quality())
			if tr.Watermark.Name != "" {
				tr.Watermark.Opacity = 100
			}
			file, result := watermarked(t, way.original, logo, tr)
			if result.Failure != "" {
				t.Fatalf("%s: %v: %s", name, tr, result.Detail)
			}
			return file
		}
		plain := render(thumb.Transform{})
		for text, tr := range thumb.Examples() {
			option, _, _ := strings.Cut(text, "=")
			changes := !bytes.Equal(render(tr), plain)
			if wants := !slices.Contains(strings.Fields(way.without), option); changes != wants {
				t.Errorf("%s: %s changes the thumbnail: %v, want %v", name, text, changes, wants)
			}
		}
	}
}
