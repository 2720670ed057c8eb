// SPDX-License-Identifier: MIT

package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thumbd/internal/fetch"
	"thumbd/internal/originals"
	"thumbd/internal/publish"
	"thumbd/internal/render"
	"thumbd/internal/sign"
	"thumbd/internal/thumb"
)

var key = []byte("thumbd-test-key-0123456789abcdef")

// painter is a Renderer without workers: what it paints is real.
type painter struct {
	calls      atomic.Int64
	distrusted atomic.Int64
	// before is called with the request before it is answered, if not nil.
	before func(ctx context.Context, r render.Request) error
	width  int // of what is painted, where not the one asked for
}

func (p *painter) Render(ctx context.Context, r render.Request) (*render.Picture, error) {
	p.calls.Add(1)
	if p.before != nil {
		if err := p.before(ctx, r); err != nil {
			return nil, err
		}
	}
	fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "memfd")
	width, height := r.Transform.Box()
	painted := width
	if p.width != 0 {
		painted = p.width
	}
	if err := jpeg.Encode(f, image.NewGray(image.Rect(0, 0, painted, height)), nil); err != nil {
		return nil, err
	}
	return render.NewPicture(f, width, height, func() { p.distrusted.Add(1) }), nil
}

// bench is a Handler with one site, gallery, and one original, a.jpg.
type bench struct {
	*Handler
	t    *testing.T
	dir  string
	site *Site
	log  *logBuffer
}

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

func newBench(t *testing.T, renderer Renderer, change func(*Site)) *bench {
	t.Helper()
	dir := t.TempDir()
	b := &bench{t: t, dir: dir, log: &logBuffer{}}
	media := filepath.Join(dir, "media")
	if err := os.Mkdir(media, 0o755); err != nil {
		t.Fatal(err)
	}
	b.writeOriginal("a.jpg", "one")
	b.site = &Site{
		Thumb: &thumb.Site{
			Name: "gallery", Prefix: "/thumbs/", DocumentRoot: filepath.Join(dir, "root"), Scheme: thumb.Signed,
			Keys: [][]byte{key}, Formats: []thumb.Format{thumb.JPEG, thumb.WebP}, MaxWidth: 100, MaxHeight: 100,
		},
		Originals: Folder{originals.New(media, 1<<20)},
	}
	if change != nil {
		change(b.site)
	}
	b.site.Tree = publish.New(b.site.Thumb.DocumentRoot, b.site.Thumb.Prefix, b.site.Gone)
	b.Handler = New(Options{
		Log:    slog.New(slog.NewTextHandler(b.log, nil)),
		Health: func() error { return nil },
	})
	b.SetSites(NewSites(renderer, time.Minute, []*Site{b.site}))
	t.Cleanup(func() {
		b.Close()
		b.Refuse(ErrConfiguration)()
		b.site.Tree.Close()
		b.site.Originals.Close()
	})
	return b
}

func (b *bench) writeOriginal(name, text string) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, "media", name), []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// url returns the signed request URI of a thumbnail.
func (b *bench) url(original, size string) string {
	b.t.Helper()
	t, err := b.site.Thumb.New(thumb.Wanted{Original: original, Size: size, Method: "fit"})
	if err != nil {
		b.t.Fatal(err)
	}
	t.Signature = sign.Sign(t, key)
	return t.URI()
}

func (b *bench) get(uri string, header ...string) *httptest.ResponseRecorder {
	return b.do(httptest.NewRequest(http.MethodGet, uri, nil), header...)
}

func (b *bench) do(r *http.Request, header ...string) *httptest.ResponseRecorder {
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	b.ServeHTTP(w, r)
	return w
}

func (b *bench) published(uri string) bool {
	_, err := os.Stat(filepath.Join(b.dir, "root", uri))
	return err == nil
}

func TestMissIsRenderedPublishedAndRedirected(t *testing.T) {
	p := &painter{}
	b := newBench(t, p, nil)
	uri := b.url("a.jpg", "10x10")
	w := b.get(uri)
	if w.Code != http.StatusOK || w.Header().Get("X-Accel-Redirect") != uri || w.Header().Get("Content-Length") != "0" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
	for _, name := range []string{"Content-Type", "Content-Disposition", "Cache-Control", "Expires", "Set-Cookie", "Accept-Ranges"} {
		if v := w.Header().Get(name); v != "" {
			t.Errorf("%s: %s would survive the redirect", name, v)
		}
	}
	if !b.published(uri) {
		t.Error("nothing is published")
	}
	b.get(uri)
	if n := p.calls.Load(); n != 1 {
		t.Errorf("%d renders of a thumbnail that was there; want 1", n)
	}
}

// A thumbnail that is of another version of its original is rendered again, and
// gets another modification time. A version is a time and a size.
func TestStaleThumbnailIsRenderedAnew(t *testing.T) {
	p := &painter{}
	b := newBench(t, p, nil)
	uri := b.url("a.jpg", "10x10")
	seen := make(map[time.Time]string)
	for i, version := range []struct {
		name, text string
		mtime      time.Time
	}{
		{"the first", "one", time.Unix(1_600_000_000, 5)},
		{"another time", "one", time.Unix(1_600_000_001, 5)},
		{"another size", "three", time.Unix(1_600_000_001, 5)},
		{"before 1970", "one", time.Unix(-10_000, 5)},
		{"after 2262", "one", time.Unix(9_999_999_999, 5)},
	} {
		b.writeOriginal("a.jpg", version.text)
		if err := os.Chtimes(filepath.Join(b.dir, "media/a.jpg"), time.Time{}, version.mtime); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			b.get(uri)
		}
		mtime, _, ok := b.site.Tree.Stat(uri)
		if before, again := seen[mtime]; !ok || again {
			t.Errorf("%s: mtime %v, as %q", version.name, mtime, before)
		}
		seen[mtime] = version.name
		if n := p.calls.Load(); int(n) != i+1 {
			t.Errorf("%s: %d renders, want %d", version.name, n, i+1)
		}
	}
}

func TestRedirectIsEscaped(t *testing.T) {
	b := newBench(t, &painter{}, nil)
	b.writeOriginal("ä b%?#.jpg", "x")
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	uri := b.url("ä b%?#.jpg", "10x10")
	r.RequestURI = strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23", " ", "%20").Replace(uri)
	w := b.do(r)
	want := strings.NewReplacer("%", "%25", "?", "%3F", "#", "%23", " ", "%20", "ä", "%C3%A4").Replace(uri)
	if got := w.Header().Get("X-Accel-Redirect"); got != want {
		t.Errorf("got %q; want %q", got, want)
	}
}

func TestAnswers(t *testing.T) {
	b := newBench(t, &painter{}, nil)
	good := b.url("a.jpg", "10x10")
	for _, tt := range []struct {
		method, uri string
		code        int
		reason      string
		header      string
	}{
		{"GET", "/other/a.jpg", 404, "no-site", ""},
		{"GET", "/thumbs/.a/10x10_fit.jpg", 404, "bad-name", ""},
		{"GET", "/thumbs/../../x", 404, "bad-name", ""},
		{"GET", "/thumbs/%zz", 400, "bad-escape", ""},
		{"GET", "/thumbs/a.jpg/10x10_fit.jpg", 401, "no-signature", "Www-Authenticate"},
		{"GET", "/thumbs/a.jpg/10x10_fit.tif", 400, "extension", ""},
		{"GET", strings.Replace(good, "10x10", "10x010", 1), 400, "malformed", ""},
		{"GET", strings.Replace(good, "10x10", "10x1000", 1), 400, "size", ""},
		{"GET", strings.Replace(good, "10x10", "10x11", 1), 401, "signature", "Www-Authenticate"},
		{"GET", b.url("b.jpg", "10x10"), 404, "no-original", ""},
		{"POST", good, 405, "method", "Allow"},
		{"DELETE", "/_thumbd/health", 405, "method", "Allow"},
		{"GET", "/_thumbd/other", 404, "no-service", ""},
		{"HEAD", "/other/a.jpg", 404, "no-site", ""},
	} {
		r := httptest.NewRequest(tt.method, "/", nil)
		r.RequestURI = tt.uri
		w := b.do(r)
		h := w.Header()
		if w.Code != tt.code || h.Get("X-Thumbd-Reason") != tt.reason || h.Get("Cache-Control") != "no-store" ||
			!strings.HasPrefix(h.Get("Content-Type"), "text/plain") || strings.Count(w.Body.String(), "\n") != 1 {
			t.Errorf("%s %s: %d %v %q; want %d %s", tt.method, tt.uri, w.Code, h, w.Body, tt.code, tt.reason)
		}
		if tt.header != "" && h.Get(tt.header) == "" {
			t.Errorf("%s %s: no %s", tt.method, tt.uri, tt.header)
		}
		if strings.Contains(w.Body.String(), b.dir) {
			t.Errorf("%s %s: %q has a path of the machine", tt.method, tt.uri, w.Body)
		}
	}
	if w := b.get("/_thumbd/health"); w.Code != http.StatusOK || w.Body.String() != "ok\n" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("health: %d %q %v", w.Code, w.Body, w.Header())
	}
	b.options.Health = func() error { return errors.New("no worker starts") }
	if w := b.get("/_thumbd/health"); w.Code != 503 || w.Header().Get("X-Thumbd-Reason") != "unwell" || !strings.Contains(w.Body.String(), "no worker starts") {
		t.Errorf("unwell: %d %q %v", w.Code, w.Body, w.Header())
	}
}

func TestABadSignatureCostsNoDiskAccess(t *testing.T) {
	b := newBench(t, &painter{}, nil)
	// From now on any access to them is an error.
	b.site.Originals.Close()
	b.site.Tree.Close()
	uri := b.url("a.jpg", "10x10")
	if w := b.get(uri); w.Code != http.StatusInternalServerError {
		t.Fatalf("a good signature: %d; want 500, or this test can't fail", w.Code)
	}
	if w := b.get(strings.Replace(uri, "10x10", "10x11", 1)); w.Code != http.StatusUnauthorized {
		t.Errorf("a bad signature: %d; want 401", w.Code)
	}
}

func TestConcurrentClientsShareOneRender(t *testing.T) {
	const clients = 50
	var b *bench
	p := &painter{before: func(context.Context, render.Request) error {
		await(t, func() bool { return b.waiting() == clients })
		return nil
	}}
	b = newBench(t, p, nil)
	uri := b.url("a.jpg", "10x10")
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			if w := b.get(uri); w.Header().Get("X-Accel-Redirect") != uri {
				t.Errorf("got %d %v", w.Code, w.Header())
			}
		})
	}
	wg.Wait()
	if n := p.calls.Load(); n != 1 {
		t.Errorf("%d renders; want 1", n)
	}
}

// waiting counts those who wait for any flight.
func (b *bench) waiting() int {
	b.flights.mu.Lock()
	defer b.flights.mu.Unlock()
	n := 0
	for _, fl := range b.flights.current {
		n += fl.waiters
	}
	return n
}

func await(t *testing.T, so func() bool) {
	t.Helper()
	for !so() {
		if t.Context().Err() != nil {
			t.Fatal("it never was")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestAClientThatGoesDoesNotStopTheOthers(t *testing.T) {
	release := make(chan struct{})
	p := &painter{before: func(ctx context.Context, _ render.Request) error {
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	b := newBench(t, p, nil)
	uri := b.url("a.jpg", "10x10")
	ctx, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { b.do(httptest.NewRequest("GET", uri, nil).WithContext(ctx)) })
	await(t, func() bool { return b.waiting() == 1 })
	wg.Go(func() {
		if w := b.get(uri); w.Code != http.StatusOK {
			t.Errorf("the one who stayed: %d %v", w.Code, w.Header())
		}
	})
	await(t, func() bool { return b.waiting() == 2 })
	leave()
	await(t, func() bool { return b.waiting() == 1 })
	close(release)
	wg.Wait()
	if n := p.calls.Load(); n != 1 {
		t.Errorf("%d renders; want 1", n)
	}
}

func TestWhenAllHaveGoneTheRenderIsCanceled(t *testing.T) {
	p := &painter{before: func(ctx context.Context, _ render.Request) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	b := newBench(t, p, nil)
	uri := b.url("a.jpg", "10x10")
	ctx, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { b.do(httptest.NewRequest("GET", uri, nil).WithContext(ctx)) })
	await(t, func() bool { return p.calls.Load() == 1 })
	leave()
	wg.Wait()
	b.Refuse(ErrConfiguration)()
	if b.published(uri) {
		t.Error("it is published")
	}
}

func TestOneWhoComesAfterAllHaveGoneGetsItAnew(t *testing.T) {
	gone := make(chan struct{})
	p := &painter{}
	var b *bench
	p.before = func(ctx context.Context, _ render.Request) error {
		if p.calls.Load() > 1 {
			return nil
		}
		<-ctx.Done()
		close(gone)
		await(t, func() bool { return b.waiting() == 1 })
		return ctx.Err()
	}
	b = newBench(t, p, nil)
	uri := b.url("a.jpg", "10x10")
	ctx, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { b.do(httptest.NewRequest("GET", uri, nil).WithContext(ctx)) })
	await(t, func() bool { return p.calls.Load() == 1 })
	leave()
	<-gone
	if w := b.get(uri); w.Code != http.StatusOK || p.calls.Load() != 2 {
		t.Errorf("got %d after %d renders; want 200 after 2", w.Code, p.calls.Load())
	}
	wg.Wait()
}

func TestTheSameRequestAgainGetsTheFile(t *testing.T) {
	b := newBench(t, &painter{}, nil)
	now := time.Now()
	b.telling.now = func() time.Time { return now }
	uri := b.url("a.jpg", "10x10")
	for i, want := range []bool{true, false, false} {
		w := b.get(uri, "X-Request-Id", "one")
		if redirected := w.Header().Get("X-Accel-Redirect") != ""; redirected != want {
			t.Errorf("call %d: %d %v; want redirect %v", i, w.Code, w.Header(), want)
		}
		if want {
			continue
		}
		if _, err := jpeg.Decode(w.Body); err != nil || w.Header().Get("Content-Type") != "image/jpeg" || w.Header().Get("Content-Length") == "" {
			t.Errorf("call %d: %v, %v", i, w.Header(), err)
		}
	}
	if w := b.get(uri, "X-Request-Id", "two"); w.Header().Get("X-Accel-Redirect") == "" {
		t.Errorf("another request: %v; want a redirect", w.Header())
	}
	if n := b.log.count("nginx does not find"); n != 1 {
		t.Errorf("%d warnings in a minute; want 1", n)
	}
	now = now.Add(tellPause)
	b.get(uri, "X-Request-Id", "one")
	if n := b.log.count("nginx does not find"); n != 2 {
		t.Errorf("%d warnings after a minute; want 2", n)
	}
	if w := b.do(httptest.NewRequest("HEAD", uri, nil), "X-Request-Id", "one"); w.Body.Len() != 0 || w.Header().Get("Content-Length") == "0" {
		t.Errorf("HEAD: %v and %d bytes", w.Header(), w.Body.Len())
	}
}

func TestWhatCannotBePublishedIsSent(t *testing.T) {
	b := newBench(t, &painter{}, nil)
	// A file where the document root must be stops root as well.
	if err := os.WriteFile(filepath.Join(b.dir, "root"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	w := b.get(b.url("a.jpg", "10x10"))
	if _, err := jpeg.Decode(w.Body); err != nil || w.Code != 200 || w.Header().Get("Cache-Control") != "no-store" ||
		w.Header().Get("Content-Type") != "image/jpeg" || w.Header().Get("X-Accel-Redirect") != "" {
		t.Errorf("got %d %v, %v", w.Code, w.Header(), err)
	}
	if b.log.count("level=ERROR") != 1 {
		t.Errorf("no error in the log: %s", &b.log.b)
	}
}

func TestAPictureThatWasNotAskedForIsRefused(t *testing.T) {
	p := &painter{width: 11}
	b := newBench(t, p, nil)
	uri := b.url("a.jpg", "10x10")
	if w := b.get(uri); w.Code != 500 || b.published(uri) || p.distrusted.Load() != 1 {
		t.Errorf("got %d %v, published %v, distrusted %d", w.Code, w.Header(), b.published(uri), p.distrusted.Load())
	}
}

func TestAnOriginalThatChangesIsRenderedOnceMore(t *testing.T) {
	for changes, want := range map[int64]int{1: 200, 2: 503} {
		p := &painter{}
		b := newBench(t, p, nil)
		p.before = func(context.Context, render.Request) error {
			if n := p.calls.Load(); n <= changes {
				b.writeOriginal("a.jpg", strings.Repeat("x", 10+int(n)))
			}
			return nil
		}
		uri := b.url("a.jpg", "10x10")
		if w := b.get(uri); w.Code != want || b.published(uri) != (want == 200) || p.calls.Load() != 2 {
			t.Errorf("%d changes: %d %v after %d renders", changes, w.Code, w.Header(), p.calls.Load())
		}
	}
}

// TestWatermarks has the image opened for each render, missed with a log line,
// and written over while it is read.
func TestWatermarks(t *testing.T) {
	p := &painter{}
	var mark string
	b := newBench(t, p, func(s *Site) {
		s.Thumb.Watermarks = map[string]thumb.Watermark{"logo": {Name: "logo", Opacity: 50}}
		mark = filepath.Join(t.TempDir(), "logo.png")
		s.Watermarks, s.WatermarkBytes = map[string]string{"logo": mark}, 10
	})
	write := func(text string) {
		if err := os.WriteFile(mark, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.before = func(_ context.Context, r render.Request) error {
		text, err := io.ReadAll(r.Watermark)
		if err != nil || string(text) != "logo" || r.Transform.Watermark.Opacity != 50 {
			t.Errorf("asked for %+v of %q, %v", r.Transform.Watermark, text, err)
		}
		if p.calls.Load() == 1 {
			write("logo")
		}
		return nil
	}
	parsed, err := b.site.Thumb.New(thumb.Wanted{Original: "a.jpg", Size: "10x10", Method: "fit_watermark=logo"})
	if err != nil {
		t.Fatal(err)
	}
	parsed.Signature = sign.Sign(parsed, key)
	if w := b.get(parsed.URI()); w.Code != 500 || w.Header().Get("X-Thumbd-Reason") != "watermark" || b.log.count(mark) == 0 {
		t.Errorf("without an image: %d %v; the log: %s", w.Code, w.Header(), &b.log.b)
	}
	if b.site.CheckWatermarks() == nil {
		t.Error("the missing image is not told")
	}
	write("far too long")
	if w := b.get(parsed.URI()); w.Code != 500 || w.Header().Get("X-Thumbd-Reason") != "watermark" {
		t.Errorf("with one over the limit: %d %v", w.Code, w.Header())
	}
	write("logo")
	if w := b.get(parsed.URI()); w.Code != 200 || p.calls.Load() != 2 {
		t.Errorf("with an image: %d %v after %d renders", w.Code, w.Header(), p.calls.Load())
	}
	if err := b.site.CheckWatermarks(); err != nil {
		t.Error(err)
	}
}

func TestRefusalsAreLoggedOnce(t *testing.T) {
	refusal := &render.Refusal{Err: render.ErrDamaged, Detail: "why"}
	b := newBench(t, &painter{before: func(context.Context, render.Request) error { return refusal }}, nil)
	uri := b.url("a.jpg", "10x10")
	for range 2 {
		if w := b.get(uri); w.Code != 422 || w.Header().Get("X-Thumbd-Reason") != "damaged" {
			t.Errorf("got %d %v", w.Code, w.Header())
		}
		refusal.Remembered = true
	}
	if n := b.log.count("refused"); n != 1 || b.log.count(filepath.Join(b.dir, "media/a.jpg")) != 1 {
		t.Errorf("the log has %d refusals: %s", n, &b.log.b)
	}
}

func TestTroubleOfEveryRequestIsLoggedOnceAMinute(t *testing.T) {
	now := time.Now()
	for name, spoil := range map[string]func(*bench){
		"no root for the tree": func(b *bench) {
			if err := os.WriteFile(filepath.Join(b.dir, "root"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		},
		"originals gone": func(b *bench) {
			if err := os.RemoveAll(filepath.Join(b.dir, "media")); err != nil {
				t.Fatal(err)
			}
		},
		"too large": func(b *bench) { b.writeOriginal("a.jpg", strings.Repeat("x", 1<<20+1)) },
	} {
		b := newBench(t, &painter{}, nil)
		b.telling.now = func() time.Time { return now }
		spoil(b)
		for range 5 {
			b.get(b.url("a.jpg", "10x10"))
		}
		if n := b.log.count("uri=") - b.log.count("msg=rendered"); n != 1 {
			t.Errorf("%s: %d lines; want 1: %s", name, n, &b.log.b)
		}
		now = now.Add(tellPause)
		b.get(b.url("a.jpg", "10x10"))
		if b.log.count("more=4") != 1 {
			t.Errorf("%s: a minute later: %s", name, &b.log.b)
		}
	}
}

func TestRefuseTellsTheCause(t *testing.T) {
	for cause, reason := range map[error]string{
		ErrConfiguration: "configuration", ErrNoWorker: "no-worker", render.ErrShutdown: "shutdown",
	} {
		b := newBench(t, &painter{}, nil)
		uri := b.url("a.jpg", "10x10")
		b.Refuse(cause)()
		w := b.get(uri)
		if h := w.Header(); w.Code != 503 || h.Get("X-Thumbd-Reason") != reason || h.Get("Retry-After") == "" {
			t.Errorf("%v: %d %v; want 503 %s", cause, w.Code, h, reason)
		}
	}
}

func TestNegotiation(t *testing.T) {
	both := []string{"X-Thumbd-Variant", ".avif", "X-Thumbd-Webp", ".webp"}
	for _, tt := range []struct {
		negotiate []thumb.Format
		header    []string
		want      string
	}{
		{nil, both, ""},
		{[]thumb.Format{thumb.WebP}, both, ".webp"},
		{[]thumb.Format{thumb.AVIF, thumb.WebP}, both, ".avif"},
		{[]thumb.Format{thumb.AVIF, thumb.WebP}, []string{"X-Thumbd-Variant", ".webp"}, ".webp"},
		{[]thumb.Format{thumb.AVIF, thumb.WebP}, []string{"X-Thumbd-Webp", ".webp"}, ""},
		{[]thumb.Format{thumb.WebP}, []string{"X-Thumbd-Webp", ".avif"}, ""},
		{[]thumb.Format{thumb.WebP}, []string{"X-Thumbd-Webp", "/../x.webp"}, ""},
		{[]thumb.Format{thumb.WebP}, []string{"Accept", "image/webp"}, ""},
	} {
		var asked render.Request
		b := newBench(t, &painter{before: func(_ context.Context, r render.Request) error {
			asked = r
			return render.ErrInternal
		}}, func(s *Site) { s.Thumb.Negotiate = tt.negotiate })
		b.get(b.url("a.jpg", "10x10"), tt.header...)
		want := thumb.JPEG
		if tt.want != "" {
			if err := want.UnmarshalText([]byte(tt.want[1:])); err != nil {
				t.Fatal(err)
			}
		}
		if asked.Transform.Format != want {
			t.Errorf("negotiate %v, %v: %v; want %v", tt.negotiate, tt.header, asked.Transform.Format, want)
		}
	}
}

func TestGone(t *testing.T) {
	b := newBench(t, &painter{}, func(s *Site) { s.Thumb.Negotiate = []thumb.Format{thumb.WebP} })
	for uri, want := range map[string]bool{
		b.url("a.jpg", "10x10"):           false,
		b.url("b.jpg", "10x10"):           true,
		b.url("b.jpg", "10x10") + ".webp": true,
		b.url("a.jpg", "10x10") + ".webp": false,
		b.url("b.jpg", "10x10") + ".avif": true,
		"/thumbs/unknown":                 false,
	} {
		if got := b.site.Gone(uri); got != want {
			t.Errorf("Gone(%q) = %v; want %v", uri, got, want)
		}
	}
}

func TestEveryErrorHasItsStatus(t *testing.T) {
	for _, tt := range []struct {
		err    error
		code   int
		reason string
	}{
		{thumb.ErrNoSite, 404, "no-site"},
		{thumb.ErrName, 404, "bad-name"},
		{thumb.ErrExtension, 400, "extension"},
		{thumb.ErrNoSignature, 401, "no-signature"},
		{thumb.ErrMalformed, 400, "malformed"},
		{thumb.ErrTooLarge, 400, "size"},
		{thumb.ErrUnknownPreset, 404, "unknown-preset"},
		{thumb.ErrNoOriginal, 404, "no-original"},
		{thumb.ErrEscape, 400, "bad-escape"},
		{sign.ErrSignature, 401, "signature"},
		{originals.ErrNotRegular, 404, "no-original"},
		{originals.ErrOutside, 404, "no-original"},
		{fmt.Errorf("%w: %w", originals.ErrOutside, originals.ErrAbsoluteLink), 404, "absolute-link"},
		{originals.ErrTooLarge, 422, "original-bytes"},
		{originals.ErrUnreadable, 500, "original-unreadable"},
		{os.ErrNotExist, 404, "no-original"},
		{errChanged, 503, "original-changed"},
		{fetch.ErrOrigin, 502, "origin"},
		{fmt.Errorf("%w: %w", fetch.ErrSlow, os.ErrDeadlineExceeded), 504, "origin-slow"},
		{fetch.ErrForbidden, 502, "origin-forbidden"},
		{fetch.ErrType, 415, "unsupported"},
		{fetch.ErrBusy, 503, "origin-busy"},
		{fetch.ErrStopped, 503, "shutdown"},
		{fetch.ErrSpool, 500, "spool"},
		{&render.Refusal{Err: render.ErrUnsupported}, 415, "unsupported"},
		{&render.Refusal{Err: render.ErrDamaged}, 422, "damaged"},
		{&render.Refusal{Err: render.ErrTooManyPixels}, 422, "original-pixels"},
		{&render.Refusal{Err: render.ErrTooManyFrames}, 422, "original-frames"},
		{&render.Refusal{Err: render.ErrThumbnailTooLarge}, 422, "thumbnail-too-large"},
		{&render.Refusal{Err: render.ErrThumbnailBytes}, 422, "thumbnail-bytes"},
		{&render.Refusal{Err: render.ErrQuarantined}, 422, "quarantined"},
		{&render.Refusal{Err: render.ErrCrashed}, 500, "crashed"},
		{&render.Refusal{Err: render.ErrDeadline}, 504, "deadline"},
		{render.ErrInternal, 500, "render"},
		{fmt.Errorf("%w: %w", render.ErrWatermark, os.ErrNotExist), 500, "watermark"},
		{publish.ErrPicture, 500, "render"},
		{render.ErrQueueFull, 503, "queue-full"},
		{render.ErrQueueTime, 503, "queue-time"},
		{render.ErrShutdown, 503, "shutdown"},
		{context.Canceled, 503, "canceled"},
		{errors.New("news"), 500, "internal"},
	} {
		if got := statusOf(fmt.Errorf("wrapped: %w", tt.err)); got != (status{tt.code, tt.reason}) {
			t.Errorf("statusOf(%v) = %v; want %d %s", tt.err, got, tt.code, tt.reason)
		}
	}
}

func TestAPictureInMemoryIsSharedAndClosed(t *testing.T) {
	release := make(chan struct{})
	p := &painter{before: func(context.Context, render.Request) error { <-release; return nil }}
	b := newBench(t, p, nil)
	if err := os.WriteFile(filepath.Join(b.dir, "root"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	uri := b.url("a.jpg", "10x10")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			w := b.get(uri)
			if _, err := jpeg.Decode(w.Body); err != nil {
				t.Error(err)
			}
			_, _ = io.Copy(io.Discard, w.Body)
		})
	}
	await(t, func() bool { return b.waiting() == 20 })
	var fl *flight
	for _, fl = range b.flights.current {
	}
	close(release)
	wg.Wait()
	if _, err := fl.outcome.unpublished.Stat(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the memfd: %v; want it closed", err)
	}
}

// presetURL returns the signed request URI of a preset's thumbnail.
func (b *bench) presetURL(original, preset string) string {
	b.t.Helper()
	t, err := b.site.Thumb.New(thumb.Wanted{Original: original, Preset: preset})
	if err != nil {
		b.t.Fatal(err)
	}
	t.Signature = sign.Sign(t, key)
	return t.URI()
}

// TestSiblingsFollowInTheBackground asks for one preset of four, of which one
// is there already.
func TestSiblingsFollowInTheBackground(t *testing.T) {
	answered := make(chan struct{})
	var mu sync.Mutex
	var background []int
	p := &painter{before: func(_ context.Context, r render.Request) error {
		if r.Background != (r.Company != nil) {
			t.Errorf("a request in the background: %v, with others: %v", r.Background, r.Company != nil)
		}
		if r.Background {
			// The answer does not wait for it.
			<-answered
			mu.Lock()
			defer mu.Unlock()
			background = append(background, r.Transform.Width)
		}
		return nil
	}}
	b := newBench(t, p, func(s *Site) {
		s.Thumb.Presets = map[string]thumb.Preset{}
		for i, name := range []string{"a", "b", "c", "d", "e"} {
			s.Thumb.Presets[name] = thumb.Preset{Transform: thumb.Transform{Width: 10 + i, Height: 10, Method: thumb.Fit}}
		}
	})
	if w := b.get(b.presetURL("a.jpg", "c")); w.Code != 200 {
		t.Fatal(w.Code)
	}
	b.site.Thumb.Together = []string{"a", "b", "c", "d"}
	if w := b.get(b.presetURL("a.jpg", "b")); w.Code != 200 {
		t.Fatal(w.Code)
	}
	close(answered)
	b.Refuse(ErrConfiguration)()
	slices.Sort(background)
	if !slices.Equal(background, []int{10, 13}) {
		t.Errorf("rendered in the background: %v", background)
	}
	for name, want := range map[string]bool{"a": true, "b": true, "c": true, "d": true, "e": false} {
		if b.published(b.presetURL("a.jpg", name)) != want {
			t.Errorf("%s: published %v", name, !want)
		}
	}
	if p.calls.Load() != 4 {
		t.Errorf("%d renders", p.calls.Load())
	}
}

// TestASiblingThatIsAskedForIsWanted asks for a thumbnail that is being made in
// the background; of the other nobody wants anything.
func TestASiblingThatIsAskedForIsWanted(t *testing.T) {
	asked, done := make(chan struct{}), make(chan struct{})
	p := &painter{before: func(ctx context.Context, r render.Request) error {
		switch r.Transform.Width {
		case 11:
			close(asked)
			select {
			case <-r.Wanted:
			case <-ctx.Done():
				t.Error("it was given up")
			}
			close(done)
		case 12:
			<-done
			select {
			case <-r.Wanted:
				t.Error("another is wanted, too")
			default:
			}
		}
		return nil
	}}
	b := newBench(t, p, func(s *Site) {
		s.Thumb.Presets = map[string]thumb.Preset{}
		for i, name := range []string{"a", "b", "c"} {
			s.Thumb.Presets[name] = thumb.Preset{Transform: thumb.Transform{Width: 10 + i, Height: 10, Method: thumb.Fit}}
		}
		s.Thumb.Together = []string{"a", "b", "c"}
	})
	for _, name := range []string{"a", "b"} {
		if w := b.get(b.presetURL("a.jpg", name)); w.Code != 200 {
			t.Fatal(w.Code)
		}
		<-asked
	}
	b.Refuse(ErrConfiguration)()
}
