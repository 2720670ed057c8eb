// SPDX-License-Identifier: MIT

package serve

import (
	"strings"
	"testing"

	"thumbd/internal/keep"
	"thumbd/internal/test/keeptest"
	"thumbd/internal/thumb"
)

// A name that differs in its normalization alone is told, once.
func TestOtherFormIsTold(t *testing.T) {
	b := newBench(t, &keeptest.Painter{}, nil)
	b.WriteOriginal("u\u0308.jpg", "one")
	for range 3 {
		if w := b.get(b.URL("\u00fc.jpg", "10x10")); w.Code != 404 {
			t.Errorf("%d, want 404", w.Code)
		}
		b.get(b.URL("none.jpg", "10x10"))
	}
	if n := b.Log.Count("Unicode normalization"); n != 1 {
		t.Errorf("%d lines, want 1", n)
	}
	if b.Log.Count(`there="\"u\\u0308.jpg\""`) != 1 {
		t.Error("the other name is not told")
	}
}

// If the suffix of the negotiated format makes a name too long, clients get the
// thumbnail in the format of the URI, from thumbd: nginx can't look for the other.
func TestNameThatIsTooLongForItsVariant(t *testing.T) {
	p := &keeptest.Painter{}
	b := newBench(t, p, func(s *keep.Site) {
		s.Thumb.Scheme, s.Thumb.Negotiate = thumb.PresetScheme, []thumb.Format{thumb.WebP}
		s.Thumb.Presets = map[string]thumb.Preset{"small": {Transform: thumb.Transform{Width: 10, Height: 10, Method: thumb.Fit}}}
	})
	for n, redirected := range map[int]bool{250: true, 251: false, 255: false} {
		name := strings.Repeat("l", n-4) + ".jpg"
		b.WriteOriginal(name, "one")
		if !redirected { // The painter has no WebP.
			w := b.get("/thumbs/small/"+name, "X-Thumbd-Webp", ".webp")
			if w.Code != 200 || w.Header().Get("X-Accel-Redirect") != "" || w.Header().Get("Content-Type") != "image/jpeg" || w.Body.Len() == 0 || w.Header().Get("Vary") != "Accept" {
				t.Errorf("%d bytes: %d %v", n, w.Code, w.Header())
			}
		}
		if w := b.get("/thumbs/small/" + name); w.Header().Get("X-Accel-Redirect") == "" {
			t.Errorf("%d bytes, without WebP: %d %v", n, w.Code, w.Header())
		}
	}
}
