// SPDX-License-Identifier: MIT

package serve

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"thumbd/internal/fetch"
	"thumbd/internal/keep"
	"thumbd/internal/render"
	"thumbd/internal/test/keeptest"
	"thumbd/internal/thumb"
)

// origin has one original, or answers with a status.
type origin struct {
	asked  atomic.Int64
	status atomic.Int64 // 0: the original
}

func (o *origin) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	o.asked.Add(1)
	if code := o.status.Load(); code != 0 {
		w.WriteHeader(int(code))
		return
	}
	w.Header().Set("Last-Modified", "Sat, 01 Jan 2022 00:00:00 GMT")
	_, _ = io.WriteString(w, "\xff\xd8\xff and so on")
}

// newRemoteBench is a bench whose originals are those of an origin.
func newRemoteBench(t *testing.T, p *keeptest.Painter, h http.Handler) *bench {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	spool := fetch.NewSpool(filepath.Join(t.TempDir(), "spool"), 1<<20)
	t.Cleanup(spool.Close)
	return newBench(t, p, func(s *keep.Site) {
		s.Originals.Close()
		s.Lifetime = time.Hour
		s.Originals = fetch.New(fetch.Options{
			Site: "gallery", Base: base, Formats: []thumb.Format{thumb.JPEG},
			AllowAddresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
			ConnectTime:    time.Minute, HeaderTime: time.Minute, TotalTime: time.Minute, Rate: 1,
			Fetches: 2, Queue: 10, OriginalBytes: 1000,
		}, spool)
	})
}

func TestFetchedOriginalIsRendered(t *testing.T) {
	var o origin
	p := &keeptest.Painter{Before: func(_ context.Context, r render.Request) error {
		b, err := io.ReadAll(r.Original)
		if string(b) != "\xff\xd8\xff and so on" || r.Identity.Size != int64(len(b)) {
			t.Errorf("the original is %q, %d bytes", b, r.Identity.Size)
		}
		return err
	}}
	b := newRemoteBench(t, p, &o)
	uri := b.URL("a.jpg", "10x10")
	if w := b.get(uri); w.Header().Get("X-Accel-Redirect") != uri {
		t.Fatalf("got %d %v", w.Code, w.Header())
	}
	mtime, _, ok := b.Site.Tree.Stat(uri)
	if d := time.Date(2022, 1, 1, 0, 0, 1, 0, time.UTC).Sub(mtime); !ok || d < time.Second || d > 4097*time.Second {
		t.Errorf("mtime %v, want up to 4095 s before 2022", mtime)
	}
	// The file that was fetched is in the spool, and nobody changes it.
	if n := p.Calls.Load(); n != 1 {
		t.Errorf("%d renders", n)
	}
}

func TestThumbnailIsMadeAnewAfterItsLifetime(t *testing.T) {
	var o origin
	p := &keeptest.Painter{}
	b := newRemoteBench(t, p, &o)
	uri := b.URL("a.jpg", "10x10")
	expect := func(what string, asked, renders int64) {
		t.Helper()
		if w := b.get(uri); w.Header().Get("X-Accel-Redirect") != uri {
			t.Errorf("%s: %d %v", what, w.Code, w.Header())
		}
		if a, n := o.asked.Load(), p.Calls.Load(); a != asked || n != renders {
			t.Errorf("%s: the origin was asked %d times for %d renders, want %d for %d", what, a, n, asked, renders)
		}
	}
	expect("at first", 1, 1)
	expect("in its lifetime", 1, 1)
	b.Site.Lifetime = time.Nanosecond
	expect("after it", 2, 2)
	o.status.Store(http.StatusServiceUnavailable)
	expect("while the origin fails", 3, 2)
}

func TestWhatIsGoneAtTheOriginIsGone(t *testing.T) {
	var o origin
	b := newRemoteBench(t, &keeptest.Painter{}, &o)
	uri := b.URL("a.jpg", "10x10")
	b.get(uri)
	b.Site.Lifetime = time.Nanosecond
	o.status.Store(http.StatusGone)
	if w := b.get(uri); w.Code != http.StatusNotFound || w.Header().Get("X-Thumbd-Reason") != "no-original" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
	if !b.Site.Gone(uri) {
		t.Error("it does not count as gone")
	}
}

func TestOriginsTrouble(t *testing.T) {
	for code, want := range map[int]status{
		500: {http.StatusBadGateway, "origin"}, 403: {http.StatusBadGateway, "origin"}, 404: {http.StatusNotFound, "no-original"},
	} {
		var o origin
		o.status.Store(int64(code))
		p := &keeptest.Painter{}
		b := newRemoteBench(t, p, &o)
		w := b.get(b.URL("a.jpg", "10x10"))
		if got := (status{w.Code, w.Header().Get("X-Thumbd-Reason")}); got != want {
			t.Errorf("status %d: %v, want %v", code, got, want)
		}
		if p.Calls.Load() != 0 {
			t.Errorf("status %d: it was rendered", code)
		}
	}
}

// A worker is asked for when the original is there.
func TestNoRenderWaitsForAnOrigin(t *testing.T) {
	asked, goOn := make(chan struct{}), make(chan struct{})
	p := &keeptest.Painter{}
	var o origin
	b := newRemoteBench(t, p, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-goOn
		o.ServeHTTP(w, r)
	}))
	answered := make(chan *httptest.ResponseRecorder)
	uri := b.URL("a.jpg", "10x10")
	go func() { answered <- b.get(uri) }()
	<-asked
	if n := p.Calls.Load(); n != 0 {
		t.Errorf("%d renders before the original was there", n)
	}
	close(goOn)
	if w := <-answered; w.Header().Get("X-Accel-Redirect") != uri {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
}

func TestStopEndsFetches(t *testing.T) {
	asked := make(chan struct{})
	b := newRemoteBench(t, &keeptest.Painter{}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	}))
	answered := make(chan *httptest.ResponseRecorder)
	uri := b.URL("a.jpg", "10x10")
	go func() { answered <- b.get(uri) }()
	<-asked
	b.Site.Originals.(*fetch.Origin).Stop()
	if w := <-answered; w.Code != http.StatusServiceUnavailable || w.Header().Get("X-Thumbd-Reason") != "shutdown" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
}
