// SPDX-License-Identifier: MIT

package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/admin"
	"thumbd/internal/keep"
	"thumbd/internal/test/keeptest"
	"thumbd/internal/thumb"
)

// askAdmin posts a form to the administrators' handler behind a real connection.
func (b *bench) askAdmin(path string, form url.Values) (code int, reason, body, unread string, err error) {
	server := httptest.NewServer(b.Admin())
	defer server.Close()
	resp, err := http.PostForm(server.URL+path, form)
	if err != nil {
		b.T.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header.Get("X-Thumbd-Reason"), string(text), resp.Trailer.Get(admin.UnreadTrailer), err
}

func TestAdministratorsWarm(t *testing.T) {
	b := newBench(t, &keeptest.Painter{}, keeptest.WithPresets("s"))
	for _, tt := range []struct {
		path, form string
		status     int
		reason     string
		want       string
	}{
		{"/warm", "site=gallery", 200, "", `{"made":0,"there":0}`},
		{"/warm", "site=gallery&original=a.jpg", 200, "", `{"made":1,"there":0}`},
		{"/warm", "site=gallery&original=./a.jpg&preset=s", 200, "", `{"made":0,"there":1}`},
		{"/warm", "site=gallery&original=" + url.QueryEscape(b.Dir+"/media/a.jpg"), 200, "", `{"made":0,"there":1}`},
		{"/warm", "site=gallery&original=a.jpg&since=2999-01-01T00:00:00Z", 200, "", `{"made":0,"there":0,"skipped":true}`},
		{"/warm", "site=gallery&original=" + url.QueryEscape("../a.jpg"), 200, "", `{"made":0,"there":0,"failed":[{"name":"../a.jpg","reason":"bad-name"}]}`},
		{"/warm", "site=other", 404, "no-site", ""},
		{"/warm", "site=gallery&preset=t", 404, "unknown-preset", ""},
		{"/warm", "site=gallery&spec=9x9", 400, "malformed", ""},
		{"/warm", "site=gallery&spec=999x9_fit", 400, "size", ""},
		{"/warm", "site=gallery&format=tiff", 400, "extension", ""},
		{"/warm", "site=gallery&original=a.jpg&original=b.jpg", 400, "form", ""},
		{"/warm", "site=gallery&since=today", 400, "form", ""},
		{"/warm", "site=gallery&all=1", 400, "form", ""},
		{"/info", "site=gallery", 400, "selection", ""},
		{"/info", "site=gallery&original=a.jpg", 400, "selection", ""},
		{"/info", "site=other&original=a.jpg", 404, "no-site", ""},
		{"/info", "site=gallery&preset=s", 400, "form", ""},
		{"/originals", "site=gallery", 200, "", "a.jpg\n"},
		{"/originals", "site=gallery&since=2999-01-01T00:00:00Z", 200, "", ""},
		{"/originals", "site=other", 404, "no-site", ""},
		{"/originals", "site=gallery&preset=t", 404, "unknown-preset", ""},
	} {
		form, err := url.ParseQuery(tt.form)
		if err != nil {
			t.Fatal(err)
		}
		code, reason, body, unread, err := b.askAdmin(tt.path, form)
		if code != tt.status || reason != tt.reason || err != nil || code == 200 && body != tt.want {
			t.Errorf("%s %s: %d %q %q, %v, want %d %q %q", tt.path, tt.form, code, reason, body, err, tt.status, tt.reason, tt.want)
		}
		if tt.path == "/originals" && code == 200 && unread != "0" {
			t.Errorf("%s %s: %q folders unread", tt.path, tt.form, unread)
		}
	}
	for _, path := range []string{"/warm", "/info", "/originals"} {
		w := httptest.NewRecorder()
		b.Admin().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != http.StatusMethodNotAllowed {
			t.Errorf("GET %s: %d", path, w.Code)
		}
	}
}

func TestNothingIsWarmedWithoutAPresetOrASpec(t *testing.T) {
	b := newBench(t, &keeptest.Painter{}, nil)
	if err := b.CheckSelection("gallery", admin.Selection{}); !errors.Is(err, keep.ErrSelection) {
		t.Errorf("got %v, want %v", err, keep.ErrSelection)
	}
	if err := b.CheckSelection("gallery", admin.Selection{Specs: []string{"9x9_fit"}}); err != nil {
		t.Error(err)
	}
}

// A scheme without presets says so, whatever else is wanted.
func TestNoPresetIsWarmedOfRestThumbnails(t *testing.T) {
	b := newBench(t, &keeptest.Painter{}, func(s *keep.Site) { s.Thumb.Scheme, s.Thumb.Keys = thumb.RestThumbnails, [][]byte{keeptest.Key} })
	for _, presets := range [][]string{nil, {"s"}} {
		err := b.CheckSelection("gallery", admin.Selection{Presets: presets, Specs: []string{"9x9_crop"}})
		if got, want := errors.Is(err, keep.ErrSelection), presets != nil; got != want || !want && err != nil {
			t.Errorf("presets %q: %v", presets, err)
		}
	}
}

// Names are listed to the byte, and those alone that can be originals.
func TestListOfOriginals(t *testing.T) {
	b := newBench(t, &keeptest.Painter{}, keeptest.WithPresets("s"))
	for _, name := range []string{"b.PNG", "c.gif", "d", "e.txt", "%41 ä\n\xff.jpg", strings.Repeat("l", 251) + ".jpg"} {
		b.WriteOriginal(name, "x")
	}
	_, _, body, _, err := b.askAdmin("/originals", url.Values{"site": {"gallery"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(body) {
		name, err := url.PathUnescape(strings.TrimSuffix(line, "\n"))
		if err != nil {
			t.Error(err)
		}
		got = append(got, name)
	}
	slices.Sort(got)
	want := []string{"%41 ä\n\xff.jpg", "a.jpg", "b.PNG", strings.Repeat("l", 251) + ".jpg"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// cutter calls cut when something is written.
type cutter struct {
	http.ResponseWriter
	cut func()
}

func (c cutter) Write(p []byte) (int, error) {
	c.cut()
	return c.ResponseWriter.Write(p)
}

// A list that breaks off does not look whole.
func TestAListThatBreaksOffIsAnError(t *testing.T) {
	b := newBench(t, &keeptest.Painter{}, keeptest.WithPresets("s"))
	for n := range 100 {
		b.WriteOriginal(fmt.Sprintf("%100d.jpg", n), "x")
	}
	h := b.Admin()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		h.ServeHTTP(cutter{w, cancel}, r.WithContext(ctx))
	}))
	defer server.Close()
	resp, err := http.PostForm(server.URL+"/originals", url.Values{"site": {"gallery"}})
	if err != nil {
		return
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil {
		t.Errorf("it looks whole: %d %d bytes", resp.StatusCode, len(text))
	}
}
