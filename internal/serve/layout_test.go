// SPDX-License-Identifier: MIT

package serve

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"thumbd/internal/keep"
	"thumbd/internal/purge"
	"thumbd/internal/test/keeptest"
	"thumbd/internal/thumb"
)

// layoutBench has a site of a layout with the preset s, which may be WebP or JPEG.
func layoutBench(t *testing.T, l thumb.Layout) (*bench, *keeptest.Painter) {
	t.Helper()
	p := &keeptest.Painter{}
	return newBench(t, p, func(s *keep.Site) {
		s.Thumb.Scheme, s.Thumb.Layout = thumb.PresetScheme, l
		s.Thumb.Presets = map[string]thumb.Preset{"s": {
			Transform: thumb.Transform{Width: 9, Height: 9, Method: thumb.Fit}, Formats: []thumb.Format{thumb.WebP, thumb.JPEG},
		}}
	}), p
}

// Liip's resolve URIs are redirected without a look at the originals.
func TestResolveIsRedirected(t *testing.T) {
	b, p := layoutBench(t, thumb.LiipLayout)
	b.expectRedirects([]redirected{
		{"resolve/s/a.jpg?x=1", "/thumbs/s/a.jpg", "resolve", http.StatusFound},
		{"resolve/s/no%20such%3F.jpg", "/thumbs/s/no%20such%3F.jpg", "resolve", http.StatusFound},
		{"resolve/s/a%0D%0Ab.jpg", "/thumbs/s/a%0D%0Ab.jpg", "resolve", http.StatusFound},
		{"resolve/t/a.jpg", "", "unknown-preset", http.StatusNotFound},
		{"resolve/resolve/s/a.jpg", "", "unknown-preset", http.StatusNotFound},
		{"resolve/s/a.txt", "", "extension", http.StatusBadRequest},
	})
	if n := p.Calls.Load(); n != 0 {
		t.Errorf("%d renders, want none", n)
	}
}

// An original that is named as the URI wins over one of which the URI is another
// format, from the moment at which it is known to be there.
func TestDrupalsExactNameWins(t *testing.T) {
	b, _ := layoutBench(t, thumb.DrupalLayout)
	b.WriteOriginal("c.png", "one")
	const uri = "/thumbs/s/public/c.png.jpg"
	of := func() time.Time {
		t.Helper()
		if w := b.get(uri); w.Code != http.StatusOK {
			t.Fatalf("%s: %d", uri, w.Code)
		}
		fi, err := os.Stat(filepath.Join(b.Dir, "root", uri))
		if err != nil {
			t.Fatal(err)
		}
		return fi.ModTime()
	}
	cut := of()
	b.WriteOriginal("c.png.jpg", "another")
	b.OriginalsChanged(t.Context(), "gallery", []string{"c.png.jpg"}, nil)
	if b.Published(uri) {
		t.Error("a new original leaves the thumbnail that has its name")
	}
	whole := of()
	if whole.Equal(cut) {
		t.Error("the thumbnail is still of c.png")
	}
	// It is fresh, and its original is there.
	b.Reconcile(t.Context(), "gallery")
	if b.Site.Gone(uri) || !b.Published(uri) {
		t.Error("the thumbnail counts as that of another original")
	}
	if w := b.post("site=gallery&original=" + url.QueryEscape("c.png.jpg")); w.Code != http.StatusOK || b.Published(uri) {
		t.Errorf("purge: %d, and the thumbnail is there", w.Code)
	}
	if err := os.Remove(filepath.Join(b.Dir, "media/c.png.jpg")); err != nil {
		t.Fatal(err)
	}
	if got := of(); !got.Equal(cut) {
		t.Error("without the exact name the thumbnail is not of c.png")
	}
}

// A purge of either original includes a render in flight of the URI.
func TestPurgeCoversEachReading(t *testing.T) {
	b, _ := layoutBench(t, thumb.DrupalLayout)
	u, err := b.Site.Thumb.Parse("/thumbs/s/public/a.jpg.webp")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"a.jpg": true, "a.jpg.webp": true, "a": false, "b.jpg": false} {
		p, err := purge.Scope{Originals: []string{name}}.Of(b.Site.Thumb)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Covers(u.URI(), u); got != want {
			t.Errorf("a purge of %s covers it: %v", name, got)
		}
	}
}
