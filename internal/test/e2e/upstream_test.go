// SPDX-License-Identifier: MIT

package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// upstream stands where thumbd does, to see what nginx asks and in which
// connections.
type upstream struct {
	answer func(c net.Conn, r *http.Request, nth int) // nth of its connection, from 1

	mu          sync.Mutex
	connections int
	headers     []http.Header
}

// startUpstream starts a rig with u in thumbd's place.
func startUpstream(t *testing.T, u *upstream, o rig.Options) *rig.Rig {
	t.Helper()
	o.Stopped = true
	r := kit.Start(t, o)
	path := filepath.Join(r.Dir, "thumbd.sock")
	aid.Must(t, os.Remove(path))
	l, err := net.Listen("unix", path)
	aid.Must(t, err, os.Chmod(path, 0o666))
	var serving sync.WaitGroup
	t.Cleanup(func() {
		// It ends the connections that are kept.
		aid.Must(t, l.Close(), r.StopNginx())
		serving.Wait()
	})
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { u.serve(c) })
		}
	})
	return r
}

func (u *upstream) serve(c net.Conn) {
	defer c.Close()
	u.mu.Lock()
	u.connections++
	u.mu.Unlock()
	in := bufio.NewReader(c)
	for nth := 1; ; nth++ {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		u.mu.Lock()
		u.headers = append(u.headers, r.Header)
		u.mu.Unlock()
		u.answer(c, r, nth)
	}
}

// redirect publishes something and answers as thumbd does.
func redirect(r *rig.Rig) func(net.Conn, *http.Request, int) {
	return func(c net.Conn, q *http.Request, _ int) {
		path := r.File("gallery", q.URL.Path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("picture"), 0o644)); err != nil {
			fmt.Fprint(c, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")
			return
		}
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nX-Accel-Redirect: %s\r\nContent-Length: 0\r\n\r\n", q.RequestURI)
	}
}

// Connections are kept across X-Accel-Redirect, and nothing of a client's is
// passed on but what the snippet names.
func TestWhatNginxAsks(t *testing.T) {
	u := &upstream{}
	r := startUpstream(t, u, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}, HTTP: "proxy_pass_request_headers on;"})
	u.answer = redirect(r)
	const misses, nginxProcesses = 20, 2
	for n := range misses {
		resp := kit.Get(t, r, fmt.Sprintf("/thumbs/%d.jpg", n),
			"Cookie: a=b", "Authorization: Basic YTpi", "Range: bytes=0-", "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT",
			"X-Accel-Redirect: /", "X-Thumbd-Variant: .avif", "Accept: image/webp", "Accept-Encoding: gzip")
		if resp.Status != 206 || string(resp.Body) != "picture" {
			t.Fatalf("status %d, %q", resp.Status, resp.Body)
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.connections > nginxProcesses {
		t.Errorf("%d connections for %d misses, want one of each nginx process", u.connections, misses)
	}
	for _, header := range u.headers {
		got := slices.Sorted(maps.Keys(header))
		if diff := cmp.Diff([]string{"X-Request-Id", "X-Thumbd-Variant", "X-Thumbd-Webp"}, got); diff != "" {
			t.Fatalf("headers (-want +got):\n%s", diff)
		}
		if got := header.Get("X-Thumbd-Variant"); got != ".webp" {
			t.Errorf("X-Thumbd-Variant %q, want nginx's own, .webp", got)
		}
	}
}

// A kept connection that is closed under a request costs nobody an answer,
// whatever the server says of retries for its own backends.
func TestKeptConnectionIsClosed(t *testing.T) {
	u := &upstream{}
	r := startUpstream(t, u, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}, HTTP: "proxy_next_upstream off;"})
	answer := redirect(r)
	u.answer = func(c net.Conn, q *http.Request, nth int) {
		if nth > 1 {
			c.Close()
			return
		}
		answer(c, q, nth)
	}
	for n := range 10 {
		if resp := kit.Get(t, r, fmt.Sprintf("/thumbs/%d.jpg", n)); resp.Status != 200 {
			t.Errorf("request %d: status %d", n, resp.Status)
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.headers) <= 10 {
		t.Error("no connection was used again: nothing is shown")
	}
}

// What thumbd sends as it is is kept by nobody, whatever the server keeps of its
// own backends' answers.
func TestNginxStoresNothing(t *testing.T) {
	u := &upstream{answer: func(c net.Conn, _ *http.Request, _ int) {
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\npicture")
	}}
	store := kit.Folder(t, nil)
	aid.Must(t, os.Chmod(store, 0o777))
	r := startUpstream(t, u, rig.Options{
		Sites:  []rig.Site{kit.Gallery(t, kit.JPGs(t))},
		HTTP:   "proxy_store " + store + "/stored;",
		Server: "location /other/ { proxy_pass http://thumbd; }",
	})
	for _, target := range []string{"/thumbs/a.jpg", "/other/a.jpg"} {
		if resp := kit.Get(t, r, target); resp.Status != 200 || string(resp.Body) != "picture" {
			t.Errorf("%s: status %d, %q", target, resp.Status, resp.Body)
		}
		_, err := os.Lstat(filepath.Join(store, "stored"))
		if stored, want := err == nil, target == "/other/a.jpg"; stored != want {
			t.Errorf("%s: stored: %v, want %v", target, stored, want)
		}
	}
}
