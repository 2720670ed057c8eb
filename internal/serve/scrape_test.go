// SPDX-License-Identifier: MIT

package serve

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"thumbd/internal/keep"
)

// scraped returns a handler for Prometheus, and fails for each event that is
// counted.
func scraped(t *testing.T) *Handler {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	return New(Options{
		Keeper: keep.New(keep.Options{Log: log, Judge: Judge}),
		Log:    log,
		Health: func() error { return nil },
		Count:  func(e keep.Event) { t.Errorf("counted: %+v", e) },
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, "metrics of "+r.URL.Path)
		}),
	})
}

// The socket for Prometheus has two routes, and no route of administrators.
func TestScrapeHasTwoRoutes(t *testing.T) {
	h := scraped(t)
	for _, tt := range []struct {
		method, target string
		status         int
		reason         string
	}{
		{"GET", "/metrics", 200, ""},
		{"HEAD", "/metrics", 200, ""},
		{"GET", "/metrics?name[]=a", 200, ""},
		// There are no sites yet.
		{"GET", "/health", 503, "configuration"},
		{"GET", "/status", 404, "no-service"},
		{"GET", "/report", 404, "no-service"},
		{"GET", "/readyz", 404, "no-service"},
		{"GET", "/_thumbd/health", 404, "no-service"},
		{"GET", "/thumbs/a.jpg/20x20_crop_.jpg", 404, "no-service"},
		{"POST", "/purge", 405, "method"},
		{"POST", "/warm", 405, "method"},
		{"POST", "/originals", 405, "method"},
		{"POST", "/metrics", 405, "method"},
		{"GET", "/purge", 404, "no-service"},
	} {
		w := httptest.NewRecorder()
		h.Scrape().ServeHTTP(w, httptest.NewRequest(tt.method, tt.target, nil))
		if reason := w.Header().Get("X-Thumbd-Reason"); w.Code != tt.status || reason != tt.reason {
			t.Errorf("%s %s: status %d, reason %q; want %d, %q", tt.method, tt.target, w.Code, reason, tt.status, tt.reason)
		}
	}
	h.keeper.SetSites(&keep.Sites{})
	w := httptest.NewRecorder()
	h.Scrape().ServeHTTP(w, httptest.NewRequest("GET", "/health", nil))
	if w.Code != 200 || w.Body.String() != "ready\n" {
		t.Errorf("health: status %d: %s", w.Code, w.Body)
	}
}

// A scrape is no request: it does not make the handler less idle.
func TestScrapesLeaveTheHandlerIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := scraped(t)
		time.Sleep(time.Hour)
		h.Scrape().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil))
		if idle := h.keeper.Idle(); idle < time.Hour {
			t.Errorf("idle for %v", idle)
		}
	})
}

// countingListener knows how many of its connections were open at once, at most.
type countingListener struct {
	net.Listener
	open, most atomic.Int64
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	// One goroutine accepts.
	l.most.Store(max(l.most.Load(), l.open.Add(1)))
	return &fewConn{Conn: c, leave: func() { l.open.Add(-1) }}, nil
}

// Of many clients that say nothing, few are connected at once.
func TestScrapeConnectionsAreFew(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	counting := &countingListener{Listener: l}
	few := newFewListener(counting, scrapes)
	const clients = 5 * scrapes
	accepted := make(chan net.Conn, clients+1)
	go func() {
		defer close(accepted)
		for {
			c, err := few.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	for range clients + 1 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	var open []net.Conn
	for range clients {
		if len(open) == scrapes {
			open[0].Close()
			open = open[1:]
		}
		open = append(open, <-accepted)
	}
	// The last client still waits, and the listener ends all the same.
	if err := few.Close(); err != nil {
		t.Error(err)
	}
	if c, ok := <-accepted; ok {
		t.Errorf("accepted %v after Close", c.RemoteAddr())
	}
	if n := counting.most.Load(); n != scrapes {
		t.Errorf("%d connections at once, want %d", n, scrapes)
	}
	for _, c := range open {
		c.Close()
	}
}

// A connection ends with its answer, so that none is kept without a request.
func TestScrapeConnectionsHaveOneRequest(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := NewScrapeServer(scraped(t).Scrape(), l, slog.New(slog.DiscardHandler))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// It ends with the test.
		_ = s.Serve()
	}()
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		<-ended
	}()
	resp, err := http.Get("http://" + l.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || string(body) != "metrics of /metrics" || !resp.Close {
		t.Errorf("%s, %v; closed: %v", body, err, resp.Close)
	}
	for name, limit := range map[string]time.Duration{
		"header": s.http.ReadHeaderTimeout, "request": s.http.ReadTimeout, "answer": s.http.WriteTimeout,
	} {
		if limit <= 0 || limit > time.Minute {
			t.Errorf("%s: %v", name, limit)
		}
	}
}
