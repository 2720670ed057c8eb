// SPDX-License-Identifier: MIT

package engine

import (
	"net/http"
	"testing"

	"thumbd/internal/engine/probe"
	"thumbd/internal/thumb"
)

// TestEachFormatIsWritten makes a thumbnail in each format of the table in package
// thumb: it begins as the table says, and is recognized by the probe and, if
// possible, by the standard library's table of media types.
func TestEachFormatIsWritten(t *testing.T) {
	data := originalFile(t, noisy(40, 30), thumb.PNG)
	for _, f := range thumb.ThumbnailFormats() {
		got := thumbnailFile(t, data, thumb.Transform{Width: 20, Height: 15, Method: thumb.Fit, Format: f, Quality: f.Quality()})
		if !f.Begins(got) || probe.Sniff(got) != f {
			t.Errorf("%v: begins with %q, the probe says %v", f, got[:16], probe.Sniff(got))
		}
		if mediaType := http.DetectContentType(got); mediaType != f.MediaType() && mediaType != "application/octet-stream" {
			t.Errorf("%v: %s, and the table has %s", f, mediaType, f.MediaType())
		}
	}
}
