// SPDX-License-Identifier: MIT

package serve

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"thumbd/internal/keep"
	"thumbd/internal/test/keeptest"
)

// startServer starts a Server without sites and returns how to connect to it.
func startServer(t *testing.T) (s *Server, connect func() (net.Conn, error)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	s = NewServer(New(Options{Log: log, Health: func() error { return nil }}), l, log)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// It ends with the test.
		_ = s.Serve()
	}()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		<-ended
	})
	return s, func() (net.Conn, error) { return net.Dial("unix", path) }
}

// exchange sends a request and reads its answer's status.
func exchange(c net.Conn) (int, error) {
	fmt.Fprint(c, "GET /_thumbd/health HTTP/1.1\r\nHost: a\r\n\r\n")
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return resp.StatusCode, nil
}

func TestShutdownAnswersNewConnections(t *testing.T) {
	s, connect := startServer(t)
	fresh, err := connect()
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	// Accepted after fresh, which so has been accepted too.
	kept, err := connect()
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	if status, err := exchange(kept); status != 200 {
		t.Fatalf("status %d, %v", status, err)
	}
	stopped := make(chan error)
	go func() { stopped <- s.Shutdown(t.Context()) }()
	for {
		c, err := connect()
		if err != nil {
			break
		}
		c.Close()
	}
	if n, err := kept.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Error("a kept connection is not closed")
	}
	if status, err := exchange(fresh); status != 200 {
		t.Errorf("over a connection of before the stop: status %d, %v", status, err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// It is nginx that closes a connection that both have kept.
func TestKeptConnectionsOutliveNginxs(t *testing.T) {
	conf, err := os.ReadFile("../../nginx/conf.d/thumbd.conf")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^\s*keepalive_timeout\s+(\S+);`).FindSubmatch(conf)
	if m == nil {
		t.Fatal("no keepalive_timeout")
	}
	kept, err := time.ParseDuration(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	// Of a connection with questions, see askedConn.renew.
	if least := idleTime - renewTime; least <= kept {
		t.Errorf("a silent connection is kept for %v, want more than nginx's %v", least, kept)
	}
	if s, _ := startServer(t); s.http.IdleTimeout <= kept {
		t.Errorf("IdleTimeout %v, want more than nginx's %v", s.http.IdleTimeout, kept)
	}
}

// deadlineRecorder records the deadline for writing an answer.
type deadlineRecorder struct {
	*httptest.ResponseRecorder
	deadline time.Time
}

func (r *deadlineRecorder) SetWriteDeadline(at time.Time) error {
	r.deadline = at
	return nil
}

// An answer may come as late as a queue and two renders allow, and is then
// still to be sent.
func TestWriteDeadlineIsAboveTheLongestRender(t *testing.T) {
	b := newBench(t, &keeptest.Painter{}, nil)
	const longest = time.Hour
	b.SetSites(keep.NewSites(&keeptest.Painter{}, longest, []*keep.Site{b.Site}))
	began := time.Now()
	w := &deadlineRecorder{ResponseRecorder: httptest.NewRecorder()}
	b.ServeHTTP(w, httptest.NewRequest(http.MethodGet, b.URL("a.jpg", "10x10"), nil))
	if w.Code != http.StatusOK || w.deadline.Before(began.Add(longest+sendTime)) {
		t.Errorf("status %d, to be written within %v, want %v or more", w.Code, w.deadline.Sub(began), longest+sendTime)
	}
}
