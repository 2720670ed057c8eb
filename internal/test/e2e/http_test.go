// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
)

// The first hit is like the later ones: nginx answers both from the file.
func TestFirstHitIsAsLaterHits(t *testing.T) {
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.Testdata(t, "originals"))}})
	thumbnail := kit.Target("photos/dogs.jpg", "120x90_crop", "jpg")
	first := kit.Get(t, r, thumbnail)
	kit.Picture(t, first, "jpeg", 120, 90)
	later := kit.Get(t, r, thumbnail)
	for _, h := range []http.Header{first.Header, later.Header} {
		h.Del("Date")
		h.Del("Expires") // is counted from Date
	}
	if diff := cmp.Diff(later.Header, first.Header); diff != "" || !bytes.Equal(first.Body, later.Body) {
		t.Errorf("headers (-later +first):\n%s", diff)
	}
	if got := first.Header.Get("Cache-Control"); got != "max-age=2592000" {
		t.Errorf("Cache-Control %q is not the location's", got)
	}
	original, err := os.Stat(kit.Testdata(t, "originals/photos/dogs.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	modified, err := http.ParseTime(first.Header.Get("Last-Modified"))
	if d := original.ModTime().Truncate(time.Second).Sub(modified); err != nil || d < time.Second || d > 4095*time.Second {
		t.Errorf("Last-Modified %q, want 1 to 4095 s before the original's %v", first.Header.Get("Last-Modified"), original.ModTime())
	}
}

// Each format of the table in package thumb can be asked for: nginx serves the first and
// the later request with the media type of the table.
func TestEachFormatIsServed(t *testing.T) {
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.Testdata(t, "originals"))}})
	for _, f := range thumb.ThumbnailFormats() {
		for range 2 {
			got := kit.Get(t, r, kit.Target("photos/dogs.jpg", "120x90_crop", f.String()))
			if mediaType := got.Header.Get("Content-Type"); got.Status != 200 || mediaType != f.MediaType() || !f.Begins(got.Body) {
				t.Errorf("%v: status %d, %s, %d bytes; the table has %s", f, got.Status, mediaType, len(got.Body), f.MediaType())
			}
		}
	}
}

func TestConditionsOnFirstHit(t *testing.T) {
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.Testdata(t, "originals"))}})
	const original = "photos/fig.jpg"
	uri := kit.Signed("/thumbs/", original, "200x200_smart", "jpg")
	whole := kit.Get(t, r, rig.Escape(uri))
	kit.Picture(t, whole, "jpeg", 200, 200)
	etag, size := whole.Header.Get("ETag"), strconv.Itoa(len(whole.Body))

	for name, tt := range map[string]struct {
		method string
		header []string
		status int
		length string
		body   []byte
	}{
		"HEAD":                       {"HEAD", nil, 200, size, nil},
		"Range":                      {"GET", []string{"Range: bytes=10-29"}, 206, "20", whole.Body[10:30]},
		"a suffix Range":             {"GET", []string{"Range: bytes=-5"}, 206, "5", whole.Body[len(whole.Body)-5:]},
		"a Range past the end":       {"GET", []string{"Range: bytes=99999999-"}, 416, "", nil},
		"If-None-Match":              {"GET", []string{"If-None-Match: " + etag}, 304, "", nil},
		"If-None-Match of another":   {"GET", []string{`If-None-Match: "other"`}, 200, size, whole.Body},
		"If-Modified-Since":          {"GET", []string{"If-Modified-Since: " + whole.Header.Get("Last-Modified")}, 304, "", nil},
		"If-Match of another":        {"GET", []string{`If-Match: "other"`}, 412, "", nil},
		"If-Range with a Range":      {"GET", []string{"If-Range: " + etag, "Range: bytes=0-0"}, 206, "1", whole.Body[:1]},
		"HEAD with If-None-Match":    {"HEAD", []string{"If-None-Match: " + etag}, 304, "", nil},
		"an Accept-Encoding of gzip": {"GET", []string{"Accept-Encoding: gzip, br"}, 200, size, whole.Body},
	} {
		t.Run(name, func(t *testing.T) {
			// A purge makes the next request a miss.
			if err := os.Remove(r.File("gallery", uri)); err != nil {
				t.Fatal(err)
			}
			got := kit.Do(t, r, rig.Request{Method: tt.method, Target: rig.Escape(uri), Header: tt.header})
			kit.Expect(t, got, tt.status, "")
			if tt.length != "" && got.Header.Get("Content-Length") != tt.length {
				t.Errorf("Content-Length %q, want %q", got.Header.Get("Content-Length"), tt.length)
			}
			if tt.status < 300 && !bytes.Equal(got.Body, tt.body) {
				t.Errorf("body of %d bytes, want %d", len(got.Body), len(tt.body))
			}
			if _, err := os.Stat(r.File("gallery", uri)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOtherMethods(t *testing.T) {
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.Testdata(t, "originals"))}})
	uri := kit.Signed("/thumbs/", "photos/fig.jpg", "20x20_crop", "jpg")
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "GETS", "head"} {
		got := kit.Do(t, r, rig.Request{Method: method, Target: rig.Escape(uri), Body: "a body"})
		if method == "head" {
			// nginx knows methods in upper case only.
			kit.Expect(t, got, 400, "")
			continue
		}
		kit.Expect(t, got, 405, "method")
		if allow := got.Header.Get("Allow"); allow != "GET, HEAD" {
			t.Errorf("%s: Allow %q", method, allow)
		}
	}
	if _, err := os.Stat(r.File("gallery", uri)); err == nil {
		t.Error("published")
	}
	kit.StopDaemon(t, r)
	if n := r.Log.Count("rendered"); n != 0 {
		t.Errorf("%d renders", n)
	}
}

// A GET may have a body. It is not for thumbd.
func TestGetWithBody(t *testing.T) {
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.Testdata(t, "originals"))}})
	got := kit.Do(t, r, rig.Request{Target: kit.Target("photos/fig.jpg", "20x20_crop", "jpg"), Body: "a body"})
	kit.Picture(t, got, "jpeg", 20, 20)
}

func TestManyClientsOneRender(t *testing.T) {
	const clients = 500
	r := kit.Start(t, rig.Options{
		Sites:             []rig.Site{kit.Gallery(t, kit.Testdata(t, "originals"))},
		WorkerConnections: 4096,
	})
	ctx, cancel := context.WithTimeout(t.Context(), aid.Patience)
	defer cancel()
	replies := make([]<-chan kit.Reply, clients)
	for i := range replies {
		replies[i] = kit.Ask(ctx, r, kit.Target("photos/mountains.jpg", "640x480_crop", "jpg"))
	}
	var first []byte
	for i, c := range replies {
		got := <-c
		if got.Err != nil {
			t.Fatal(got.Err)
		}
		if i == 0 {
			kit.Picture(t, got.Response, "jpeg", 640, 480)
			first = got.Body
		}
		if got.Status != 200 || !bytes.Equal(got.Body, first) {
			t.Fatalf("client %d: status %d, %d bytes, want 200, %d", i, got.Status, len(got.Body), len(first))
		}
	}
	kit.StopDaemon(t, r)
	if n := r.Log.Count("rendered"); n != 1 {
		t.Errorf("%d renders, want 1", n)
	}
}

// Whoever misleads nginx about what is published gets the picture all the
// same, and the cause is logged once.
func TestNginxDoesNotFindWhatIsPublished(t *testing.T) {
	elsewhere := kit.Folder(t, nil)
	for name, change := range map[string]func(*rig.Site){
		"open_file_cache_errors": func(s *rig.Site) {
			s.Location = "open_file_cache max=100; open_file_cache_errors on; open_file_cache_min_uses 1; open_file_cache_valid 60s;"
		},
		"another root":          func(s *rig.Site) { s.Root = elsewhere },
		"try_files of a suffix": func(s *rig.Site) { s.TryFiles = "$uri.webp" },
	} {
		t.Run(name, func(t *testing.T) {
			site := kit.Gallery(t, kit.Testdata(t, "originals"))
			change(&site)
			r := kit.Start(t, rig.Options{Sites: []rig.Site{site}})
			thumbnail := kit.Target("photos/drum.jpg", "80x120_crop", "jpg")
			const times = 3
			for range times {
				kit.Picture(t, kit.Get(t, r, thumbnail), "jpeg", 80, 120)
			}
			head := kit.Do(t, r, rig.Request{Method: "HEAD", Target: thumbnail})
			kit.Expect(t, head, 200, "")
			kit.StopDaemon(t, r)
			if n := r.Log.Count("WARN", "gallery", "open_file_cache"); n != 1 {
				t.Errorf("%d warnings, want 1", n)
			}
			if n := r.Log.Count("rendered"); n != 1 {
				t.Errorf("%d renders, want 1", n)
			}
		})
	}
}

func TestServedWhileStopped(t *testing.T) {
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.Testdata(t, "originals"))}})
	thumbnail := kit.Target("photos/brook.jpg", "300x200_fit", "webp")
	first := kit.Get(t, r, thumbnail)
	kit.Picture(t, first, "webp", 300, 200)
	kit.StopDaemon(t, r)
	later := kit.Get(t, r, thumbnail)
	kit.Picture(t, later, "webp", 300, 200)
	if !bytes.Equal(first.Body, later.Body) {
		t.Error("another picture")
	}

	// A miss waits in the socket until thumbd is there again.
	ctx, cancel := context.WithTimeout(t.Context(), aid.Patience)
	defer cancel()
	waiting := kit.Ask(ctx, r, kit.Target("photos/brook.jpg", "30x20_crop", "webp"))
	if err := r.StartDaemon(ctx); err != nil {
		t.Fatal(err)
	}
	got := <-waiting
	if got.Err != nil {
		t.Fatal(got.Err)
	}
	kit.Picture(t, got.Response, "webp", 30, 20)
}

func TestSystemdSocketActivate(t *testing.T) {
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.Testdata(t, "originals"))}, SocketActivate: true})
	kit.Picture(t, kit.Get(t, r, kit.Target("photos/sunset.jpg", "90x60_crop", "jpg")), "jpeg", 90, 60)
}

// An original that has changed is another picture once its thumbnail is gone,
// and has another ETag.
func TestPurgeAndNewOriginal(t *testing.T) {
	originals := kit.Folder(t, map[string]string{"a.jpg": "originals/tests/orientation/1.jpg"})
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, originals)}})
	uri := kit.Signed("/thumbs/", "a.jpg", "50x50_crop", "jpg")
	before := kit.Get(t, r, rig.Escape(uri))
	kit.Picture(t, before, "jpeg", 50, 50)
	path := filepath.Join(originals, "a.jpg")
	photo, err := os.ReadFile(kit.Testdata(t, "originals/photos/fig.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	kit.Put(t, path, photo)
	if err := os.Chtimes(path, time.Time{}, time.Unix(1_700_000_000, 0)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(r.File("gallery", "/thumbs/a.jpg")); err != nil {
		t.Fatal(err)
	}
	after := kit.Get(t, r, rig.Escape(uri))
	kit.Picture(t, after, "jpeg", 50, 50)
	if before.Header.Get("ETag") == after.Header.Get("ETag") || bytes.Equal(before.Body, after.Body) {
		t.Error("the same as before")
	}
}
