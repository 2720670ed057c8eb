// SPDX-License-Identifier: MIT

package serve

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"thumbd/internal/admin"
	"thumbd/internal/keep"
	"thumbd/internal/test/keeptest"
)

// kept is how many requests and lines of the log are remembered, as SECURITY.md
// says.
const kept = 4096

func TestRememberedRedirectsAreBounded(t *testing.T) {
	l := newLoops()
	for i := range kept + 100 {
		l.add(strconv.Itoa(i), "/thumbs/a", 0)
	}
	if n := l.redirected.Len(); n != kept {
		t.Errorf("%d redirects are remembered, want %d", n, kept)
	}
	if _, ok := l.get(strconv.Itoa(kept+99), "/thumbs/a"); !ok {
		t.Error("the last one is forgotten")
	}
}

// TestFormsThatWarmAreBounded has forms that are too long, and ones that select
// too many thumbnails of one original.
func TestFormsThatWarmAreBounded(t *testing.T) {
	b := newBench(t, &keeptest.Painter{}, nil)
	for _, path := range []string{"/warm", "/originals"} {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader("site=gallery&original="+strings.Repeat("a", 16<<20)))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		b.Admin().ServeHTTP(w, r)
		if got := w.Header().Get("X-Thumbd-Reason"); w.Code != 400 || got != "form" {
			t.Errorf("%s: %d %q: %.100s", path, w.Code, got, w.Body)
		}
	}
	specs := slices.Repeat([]string{"9x9_fit"}, 500)
	for formats, want := range map[int]error{2: nil, 3: keep.ErrSelection} {
		got := b.CheckSelection("gallery", admin.Selection{Specs: specs, Formats: slices.Repeat([]string{"jpg"}, formats)})
		if !errors.Is(got, want) {
			t.Errorf("%d formats: %v, want %v", formats, got, want)
		}
	}
}
