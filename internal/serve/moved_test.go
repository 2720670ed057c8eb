// SPDX-License-Identifier: MIT

package serve

import (
	"net/http"
	"testing"

	"thumbd/internal/keep"
	"thumbd/internal/test/keeptest"
	"thumbd/internal/thumb"
)

// redirected is an answer to a request for /thumbs/ and name.
type redirected struct {
	name, location, reason string
	status                 int
}

// expectRedirects checks the answers. None but a picture may be cached.
func (b *bench) expectRedirects(all []redirected) {
	b.T.Helper()
	for _, tt := range all {
		w := b.get("/thumbs/" + tt.name)
		h := w.Header()
		if w.Code != tt.status || h.Get("Location") != tt.location || h.Get("X-Thumbd-Reason") != tt.reason {
			b.T.Errorf("%s: %d to %q, %q, want %d to %q, %q", tt.name, w.Code, h.Get("Location"), h.Get("X-Thumbd-Reason"), tt.status, tt.location, tt.reason)
		}
		if tt.status != http.StatusOK && h.Get("Cache-Control") != "no-store" {
			b.T.Errorf("%s: Cache-Control is %q", tt.name, h.Get("Cache-Control"))
		}
	}
}

// Old spellings of a URI of the scheme preset send clients to the one of now,
// unless they name an original.
func TestOldSpellingsMove(t *testing.T) {
	p := &keeptest.Painter{}
	b := newBench(t, p, func(s *keep.Site) {
		s.Thumb.Scheme, s.Thumb.Factors = thumb.PresetScheme, []int{100}
		s.Thumb.Presets = map[string]thumb.Preset{"s": {
			Transform: thumb.Transform{Width: 9, Height: 9, Method: thumb.Fit}, DPR: []int{2},
		}}
	})
	b.WriteOriginal("a b.jpg", "one")
	b.WriteOriginal("b.jpg", "two")
	b.WriteOriginal("b.jpg.jpg", "three")
	b.expectRedirects([]redirected{
		{"s/100/a.jpg", "", "", http.StatusOK},
		{"s/100/a.jpg.jpg", "/thumbs/s/100/a.jpg", "moved", http.StatusMovedPermanently},
		{"s@2x/100/a.jpg.JpEG", "/thumbs/s@2x/100/a.jpg", "moved", http.StatusMovedPermanently},
		{"s/100/a%20b.jpg.jpe?v=1", "/thumbs/s/100/a%20b.jpg", "moved", http.StatusMovedPermanently},
		{"s/100/b.jpg.jpg", "", "", http.StatusOK},
		{"s/100/b.jpg.JPG", "/thumbs/s/100/b.jpg", "moved", http.StatusMovedPermanently},
		{"s/100/c.jpg", "", "no-original", http.StatusNotFound},
		{"s/100/c.jpg.jpg", "", "no-original", http.StatusNotFound},
		{"s/100/a.jpg.webp", "", "no-original", http.StatusNotFound},
	})
	if n := p.Calls.Load(); n != 2 {
		t.Errorf("%d renders, want 2", n)
	}
}
