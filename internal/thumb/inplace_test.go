// SPDX-License-Identifier: MIT

package thumb

import (
	"errors"
	"strings"
	"testing"

	"thumbd/internal/route"
)

func uploads() *Site {
	return &Site{
		Route: route.Route{Name: "uploads", Prefix: "/u/"}, Scheme: InPlace, MaxWidth: 4096, MaxHeight: 4096, Formats: ThumbnailFormats(), Negotiate: Variants(),
		Quality: map[Format]int{AVIF: 55, WebP: 80}, Variants: VariantRules{MaxWidth: 2560, MaxHeight: 2560, MinSaving: 10},
	}
}

func TestParseInPlace(t *testing.T) {
	s := uploads()
	for _, tt := range []struct {
		uri      string
		original string
		err      error
		avif     bool
		webp     bool
	}{
		{uri: "/u/a.jpg", original: "a.jpg", avif: true, webp: true},
		{uri: "/u/2024/a b.JPEG", original: "2024/a b.JPEG", avif: true, webp: true},
		{uri: "/u/a.png", original: "a.png", avif: true, webp: true},
		{uri: "/u/a.gif", original: "a.gif", webp: true},
		{uri: "/u/a.jpg.webp", original: "a.jpg.webp"},
		{uri: "/u/a.avif", original: "a.avif"},
		{uri: "/u/a.pdf", original: "a.pdf"},
		{uri: "/u/notes", original: "notes"},
		{uri: "/u/x/", err: ErrName},
		{uri: "/u/.a.jpg", err: ErrName},
		{uri: "/u/.x/a.jpg", err: ErrName},
		{uri: "/u/" + strings.Repeat("a", 256), err: ErrName},
	} {
		got, err := s.Parse(tt.uri)
		if !errors.Is(err, tt.err) || got.Original != tt.original {
			t.Errorf("%q: %q, %v", tt.uri, got.Original, err)
			continue
		}
		if err == nil && got.URI() != tt.uri {
			t.Errorf("%q: formatted as %q", tt.uri, got.URI())
		}
		if err == nil && (s.Negotiates(tt.uri, AVIF) != tt.avif || s.Negotiates(tt.uri, WebP) != tt.webp) {
			t.Errorf("%q: other variants than these", tt.uri)
		}
	}
}

func TestPublishedInPlace(t *testing.T) {
	s := uploads()
	for name, want := range map[string]string{
		"/u/a.jpg.avif": "a.jpg", "/u/d/A.JPG.webp": "d/A.JPG", "/u/a.gif.webp": "a.gif",
		"/u/a.gif.avif": "", "/u/a.jpg": "", "/u/a.webp": "", "/u/a.jpg.WEBP": "", "/u/a.jpg.webp.webp": "", "/u/a.jpg.png": "", "/u/.jpg.webp": "",
	} {
		got, err := s.Published(name)
		if got.Original != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v, want %q", name, got.Original, err, want)
			continue
		}
		if err != nil {
			continue
		}
		if tr := got.Transform(); !tr.Variant || tr.MinSaving != 10 || tr.Width != 2560 || tr.Height != 2560 || tr.Method != Fit || !strings.HasSuffix(name, tr.Format.String()) {
			t.Errorf("%q: %+v", name, tr)
		}
		if places := s.OfOriginal(want); !covers(places, name) || covers(s.OfOriginal("b.jpg"), name) {
			t.Errorf("%q: not where the variants of its original are, %v", name, places)
		}
	}
	s.Variants = VariantRules{}
	got, err := s.Published("/u/a.jpg.webp")
	if tr := got.Transform(); err != nil || tr.Width != 16383 || tr.Height != 16383 {
		t.Errorf("without limits: %+v, %v", tr, err)
	}
}

func TestNewInPlace(t *testing.T) {
	s := uploads()
	if got, err := s.New(Wanted{Original: "d/a.jpg"}); err != nil || got.URI() != "/u/d/a.jpg" {
		t.Errorf("%q, %v", got.URI(), err)
	}
	for _, w := range []Wanted{{Original: "a.jpg", Preset: "card"}, {Original: "a.jpg", Size: "1x1", Method: "fit"}, {Original: "a.jpg", Ext: "webp"}} {
		if _, err := s.New(w); !errors.Is(err, ErrMalformed) {
			t.Errorf("%+v: %v", w, err)
		}
	}
}
