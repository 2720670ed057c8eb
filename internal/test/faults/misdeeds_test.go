// SPDX-License-Identifier: MIT

package faults

import (
	"compress/gzip"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// misdeed is what an origin can do, below a path of its own.
type misdeed struct {
	name   string
	does   http.HandlerFunc
	status int
	reason string
}

func misdeeds(t *testing.T) []misdeed {
	photo, err := os.ReadFile(kit.Testdata(t, "originals/photos/fig.jpg"))
	aid.Must(t, err)
	raw := func(answer string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			// An error is thumbd's hanging up.
			_, _ = io.WriteString(conn, answer)
		}
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	redirect := func(to string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusFound)
		}
	}
	halfOf := func(then http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(photo[:len(photo)/2])
			_ = http.NewResponseController(w).Flush()
			then(w, r)
		}
	}
	stall := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	length := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(photo))
	return []misdeed{
		{"gone", status(410), 404, "no-original"},
		{"fails", status(500), 502, "origin"},
		{"denies", status(403), 502, "origin"},
		{"hangs-up", raw(""), 502, "origin"},
		{"babbles", raw("220 mail.example ESMTP\r\n"), 502, "origin"},
		{"stalls", stall, 504, "origin-slow"},
		{"stalls-in-the-middle", halfOf(stall), 504, "origin-slow"},
		{"drips", halfOf(func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = w.Write([]byte{0})
				_ = http.NewResponseController(w).Flush()
				time.Sleep(10 * time.Millisecond)
			}
		}), 504, "origin-slow"},
		{"promises-more", raw(length + string(photo[:len(photo)-1])), 502, "origin"},
		{"promises-less", raw("HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n" + string(photo)), 422, "damaged"},
		{"promises-too-much", raw("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + string(photo)), 422, "original-bytes"},
		{"does-not-end", func(w http.ResponseWriter, _ *http.Request) {
			for b, err := photo, error(nil); err == nil; {
				_, err = w.Write(b)
			}
		}, 422, "original-bytes"},
		{"sends-a-bomb", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = z.Write(photo)
			_, _ = z.Write(make([]byte, 100<<20))
			_ = z.Close()
		}, 502, "origin"},
		{"sends-a-page", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "image/jpeg")
			_, _ = io.WriteString(w, "<!doctype html><title>Log in</title>")
		}, 415, "unsupported"},
		{"sends-a-disguise", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "\xff\xd8\xff and no picture")
		}, 422, "damaged"},
		{"redirects-for-ever", redirect("again"), 502, "origin"},
		{"redirects-inside", redirect("http://169.254.169.254/latest/meta-data/"), 502, "origin-forbidden"},
		{"redirects-to-a-file", redirect("file:///etc/passwd"), 502, "origin-forbidden"},
	}
}

// limits of a misdeed's site leave one that ends what it does before the test
// loses patience: until the header, of the rate, or of all of it.
func (m misdeed) limits() []string {
	if m.name == "drips" {
		return []string{`rate = "1"`, `total_time = "2s"`}
	}
	return []string{`header_time = "1s"`, `total_time = "10m"`}
}

// Whatever origins do has its status, nothing is published, and no worker is
// held: there is one, and it goes on working for others.
func TestOriginsThatMisbehave(t *testing.T) {
	all := misdeeds(t)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	sites := []rig.Site{kit.Gallery(t, kit.JPGs(t))}
	for _, m := range all {
		mux.HandleFunc("/"+m.name+"/", m.does)
		sites = append(sites, kit.Remote(m.name, server.URL+"/"+m.name+"/", m.limits()...))
	}
	toml, spool := kit.DaemonWithSpool(t)
	r := kit.Start(t, rig.Options{TOML: toml + "workers = 1\n[limits]\noriginal_bytes = \"4MiB\"\n", Sites: sites})
	ctx, cancel := context.WithTimeout(t.Context(), aid.Patience)
	defer cancel()
	var answers []<-chan kit.Reply
	for _, m := range all {
		answers = append(answers, kit.Ask(ctx, r, kit.RemoteTarget(m.name, "a.jpg", "20x20_crop", "jpg")))
	}
	// While they are fetched.
	for n := range 5 {
		if err := kit.MissAndHit(ctx, r, "a.jpg", n); err != nil {
			t.Error(err)
		}
	}
	for i, m := range all {
		got := <-answers[i]
		if got.Err != nil {
			t.Errorf("%s: %v", m.name, got.Err)
		}
		if reason := got.Header.Get("X-Thumbd-Reason"); got.Status != m.status || reason != m.reason {
			t.Errorf("%s: status %d, reason %q, want %d, %q", m.name, got.Status, reason, m.status, m.reason)
		}
		nothingIn(t, r.Root(m.name))
	}
	kit.StopDaemon(t, r)
	// Those that the worker has refused were fetched.
	files, err := os.ReadDir(spool)
	if err != nil || len(files) != 4 {
		t.Errorf("%d files in the spool, %v, want the records and bytes of two originals", len(files), err)
	}
}

// nothingIn checks that a document root has no file but what stays in a tree's
// folder for temp files.
func nothingIn(t *testing.T, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !kit.Stays(path) {
			t.Errorf("published: %s", path)
		}
		return err
	})
	aid.Must(t, err)
}

// An original that is another one with every request gives whole thumbnails,
// each of one version.
func TestOriginThatChangesAllTheTime(t *testing.T) {
	t.Parallel()
	var version atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		gray := image.NewUniform(color.Gray{uint8(version.Add(1) * 16)})
		m := image.NewGray(image.Rect(0, 0, 640, 480))
		for i := range m.Pix {
			m.Pix[i] = gray.At(0, 0).(color.Gray).Y
		}
		_ = jpeg.Encode(w, m, nil)
	}))
	t.Cleanup(server.Close)
	toml, _ := kit.DaemonWithSpool(t)
	r := kit.Start(t, rig.Options{TOML: toml, Sites: []rig.Site{kit.Remote("away", server.URL+"/")}})
	var waiting sync.WaitGroup
	for n := range 20 {
		waiting.Go(func() {
			text, w, h := kit.Spec(n)
			img := kit.Picture(t, kit.Get(t, r, kit.RemoteTarget("away", "a.jpg", text, "png")), "png", w, h)
			first, _, _, _ := img.At(0, 0).RGBA()
			for _, p := range []image.Point{{0, h - 1}, {w - 1, 0}, {w - 1, h - 1}, {w / 2, h / 2}} {
				if c, _, _, _ := img.At(p.X, p.Y).RGBA(); c>>8 > first>>8+4 || first>>8 > c>>8+4 {
					t.Errorf("%s: %d at %v, and %d at its corner", text, c>>8, p, first>>8)
				}
			}
		})
	}
	waiting.Wait()
}
