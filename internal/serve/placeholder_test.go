// SPDX-License-Identifier: MIT

package serve

import (
	"bytes"
	"context"
	"fmt"
	"image/jpeg"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"thumbd/internal/keep"
	"thumbd/internal/render"
	"thumbd/internal/test/keeptest"
)

// withPlaceholder is a bench whose site has a placeholder.
func withPlaceholder(t *testing.T, p *keeptest.Painter, status int) *bench {
	t.Helper()
	path := filepath.Join(t.TempDir(), "none.png")
	if err := os.WriteFile(path, []byte("a picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	return newBench(t, p, func(s *keep.Site) {
		s.Placeholder, s.WatermarkBytes = keep.Placeholder{Path: path, Status: status}, 1<<20
	})
}

// Any number of clients that invent names cost one render for each transform.
func TestInventedNamesShareOnePlaceholder(t *testing.T) {
	const names = 1000
	p := &keeptest.Painter{}
	b := withPlaceholder(t, p, http.StatusNotFound)
	var wg sync.WaitGroup
	for i := range names {
		wg.Go(func() {
			w := b.get(b.URL(fmt.Sprintf("invented-%d.jpg", i), "30x20"))
			c, err := jpeg.DecodeConfig(bytes.NewReader(w.Body.Bytes()))
			if err != nil || c.Width != 30 || c.Height != 20 || w.Code != http.StatusNotFound {
				t.Errorf("%d, %v of %dx%d, want 404 with a JPEG of 30x20", w.Code, err, c.Width, c.Height)
			}
			for name, want := range map[string]string{
				"Content-Type": "image/jpeg", "Cache-Control": "no-store", "X-Thumbd-Reason": "no-original", "X-Accel-Redirect": "",
				"Content-Length": fmt.Sprint(w.Body.Len()),
			} {
				if got := w.Header().Get(name); got != want {
					t.Errorf("%s %q, want %q", name, got, want)
				}
			}
		})
	}
	wg.Wait()
	if n := p.Calls.Load(); n != 1 {
		t.Errorf("%d renders for %d invented names, want 1", n, names)
	}
	if _, err := os.Stat(filepath.Join(b.Dir, "root/thumbs")); err == nil {
		t.Error("something is published")
	}
	b.get(b.URL("gone.jpg", "20x20"))
	if n := p.Calls.Load(); n != 2 {
		t.Errorf("%d renders of two sizes, want 2", n)
	}
}

// A placeholder stands for a missing original, 415 and 422. All else is answered as
// without one: before the signature, and if the machine is at fault.
func TestRefusalsWithAPlaceholder(t *testing.T) {
	var refusal error
	p := &keeptest.Painter{Before: func(_ context.Context, r render.Request) error {
		if r.Identity.Name == "a.jpg" {
			return refusal
		}
		if !r.Transform.Enlarge || r.Transform.Watermark.Name != "" {
			t.Errorf("the placeholder is rendered as %+v", r.Transform)
		}
		return nil
	}}
	b := withPlaceholder(t, p, http.StatusOK)
	good := b.URL("a.jpg", "10x10")
	for _, tt := range []struct {
		err    error
		code   int
		reason string
		kind   string
	}{
		{&render.Refusal{Err: render.ErrUnsupported}, 200, "unsupported", "image/jpeg"},
		{&render.Refusal{Err: render.ErrDamaged}, 200, "damaged", "image/jpeg"},
		{&render.Refusal{Err: render.ErrThumbnailTooLarge}, 200, "thumbnail-too-large", "image/jpeg"},
		{render.ErrQueueFull, 503, "queue-full", "text/plain; charset=utf-8"},
		{&render.Refusal{Err: render.ErrDeadline}, 504, "deadline", "text/plain; charset=utf-8"},
		{&render.Refusal{Err: render.ErrCrashed}, 500, "crashed", "text/plain; charset=utf-8"},
	} {
		refusal = tt.err
		w := b.get(good)
		if got := w.Header().Get("Content-Type"); w.Code != tt.code || w.Header().Get("X-Thumbd-Reason") != tt.reason || got != tt.kind {
			t.Errorf("%v: %d %v, want %d %s %s", tt.err, w.Code, w.Header(), tt.code, tt.reason, tt.kind)
		}
	}
	for _, uri := range []string{"/thumbs/gone.jpg/10x10_fit.jpg", strings.Replace(b.URL("gone.jpg", "10x10"), "10x10", "10x11", 1)} {
		if w := b.get(uri); w.Code != http.StatusUnauthorized {
			t.Errorf("%s: %d without a signature, want 401", uri, w.Code)
		}
	}
	// Damage to the placeholder itself leaves the plain refusal, and one line.
	p.Before = func(context.Context, render.Request) error { return &render.Refusal{Err: render.ErrDamaged} }
	for range 3 {
		if w := b.get(b.URL("gone.jpg", "11x11")); w.Code != http.StatusNotFound || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("a broken placeholder: %d %v", w.Code, w.Header())
		}
	}
	if n := b.Log.Count("no placeholder sent"); n != 1 {
		t.Errorf("%d lines of the log, want 1", n)
	}
}

// A replaced picture is used from the next request on.
func TestPlaceholderIsReplaced(t *testing.T) {
	p := &keeptest.Painter{}
	b := withPlaceholder(t, p, http.StatusNotFound)
	uri := b.URL("gone.jpg", "10x10")
	b.get(uri)
	if err := os.WriteFile(b.Site.Placeholder.Path, []byte("another picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	b.get(uri)
	if n := p.Calls.Load(); n != 2 {
		t.Errorf("%d renders of two pictures, want 2", n)
	}
	if err := b.Site.CheckPlaceholder(); err != nil {
		t.Error(err)
	}
	if err := os.Remove(b.Site.Placeholder.Path); err != nil {
		t.Fatal(err)
	}
	if err := b.Site.CheckPlaceholder(); err == nil || !strings.Contains(err.Error(), b.Site.Placeholder.Path) {
		t.Errorf("no picture: %v", err)
	}
}
