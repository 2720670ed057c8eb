// SPDX-License-Identifier: MIT

package serve

import (
	"context"
	"errors"
	"fmt"
	"image/jpeg"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thumbd/internal/keep"
	"thumbd/internal/originals"
	"thumbd/internal/publish"
	"thumbd/internal/render"
	"thumbd/internal/sign"
	"thumbd/internal/tell"
	"thumbd/internal/test/keeptest"
	"thumbd/internal/thumb"
)

// bench is a Handler of a keeptest.Bench.
type bench struct {
	*keeptest.Bench
	*Handler
}

func newBench(t *testing.T, renderer keep.Renderer, change func(*keep.Site)) *bench {
	t.Helper()
	b := keeptest.New(t, renderer, Judge, change)
	return &bench{b, New(Options{Keeper: b.Keeper, Log: b.Logger(), Health: func() error { return nil }})}
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

func TestMissIsRenderedPublishedAndRedirected(t *testing.T) {
	p := &keeptest.Painter{}
	b := newBench(t, p, nil)
	uri := b.URL("a.jpg", "10x10")
	w := b.get(uri)
	if w.Code != http.StatusOK || w.Header().Get("X-Accel-Redirect") != uri || w.Header().Get("Content-Length") != "0" {
		t.Errorf("got %d %v", w.Code, w.Header())
	}
	for _, name := range []string{"Content-Type", "Content-Disposition", "Cache-Control", "Expires", "Set-Cookie", "Accept-Ranges"} {
		if v := w.Header().Get(name); v != "" {
			t.Errorf("%s: %s would survive the redirect", name, v)
		}
	}
	if !b.Published(uri) {
		t.Error("nothing is published")
	}
	b.get(uri)
	if n := p.Calls.Load(); n != 1 {
		t.Errorf("%d renders of a thumbnail that was there; want 1", n)
	}
}

func TestRedirectIsEscaped(t *testing.T) {
	b := newBench(t, &keeptest.Painter{}, nil)
	b.WriteOriginal("ä b%?#.jpg", "x")
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	uri := b.URL("ä b%?#.jpg", "10x10")
	r.RequestURI = strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23", " ", "%20").Replace(uri)
	w := b.do(r)
	want := strings.NewReplacer("%", "%25", "?", "%3F", "#", "%23", " ", "%20", "ä", "%C3%A4").Replace(uri)
	if got := w.Header().Get("X-Accel-Redirect"); got != want {
		t.Errorf("got %q; want %q", got, want)
	}
}

func TestAnswers(t *testing.T) {
	b := newBench(t, &keeptest.Painter{}, nil)
	good := b.URL("a.jpg", "10x10")
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
		{"GET", b.URL("b.jpg", "10x10"), 404, "no-original", ""},
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
		if strings.Contains(w.Body.String(), b.Dir) {
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
	b := newBench(t, &keeptest.Painter{}, nil)
	// From now on any access to them is an error.
	b.Site.Originals.Close()
	b.Site.Tree.Close()
	uri := b.URL("a.jpg", "10x10")
	if w := b.get(uri); w.Code != http.StatusInternalServerError {
		t.Fatalf("a good signature: %d; want 500, or this test can't fail", w.Code)
	}
	if w := b.get(strings.Replace(uri, "10x10", "10x11", 1)); w.Code != http.StatusUnauthorized {
		t.Errorf("a bad signature: %d; want 401", w.Code)
	}
}

func TestTheSameRequestAgainGetsTheFile(t *testing.T) {
	b := newBench(t, &keeptest.Painter{}, nil)
	now := time.Now()
	b.lines.Now = func() time.Time { return now }
	uri := b.URL("a.jpg", "10x10")
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
	if n := b.Log.Count("nginx does not find"); n != 1 {
		t.Errorf("%d warnings in a minute; want 1", n)
	}
	now = now.Add(tell.Pause)
	b.get(uri, "X-Request-Id", "one")
	if n := b.Log.Count("nginx does not find"); n != 2 {
		t.Errorf("%d warnings after a minute; want 2", n)
	}
	if w := b.do(httptest.NewRequest("HEAD", uri, nil), "X-Request-Id", "one"); w.Body.Len() != 0 || w.Header().Get("Content-Length") == "0" {
		t.Errorf("HEAD: %v and %d bytes", w.Header(), w.Body.Len())
	}
}

func TestWhatCannotBePublishedIsSent(t *testing.T) {
	b := newBench(t, &keeptest.Painter{}, nil)
	// A file where the document root must be stops root as well.
	if err := os.WriteFile(filepath.Join(b.Dir, "root"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	w := b.get(b.URL("a.jpg", "10x10"))
	if _, err := jpeg.Decode(w.Body); err != nil || w.Code != 200 || w.Header().Get("Cache-Control") != "no-store" ||
		w.Header().Get("Content-Type") != "image/jpeg" || w.Header().Get("X-Accel-Redirect") != "" {
		t.Errorf("got %d %v, %v", w.Code, w.Header(), err)
	}
	if b.Log.Count("level=ERROR") != 1 {
		t.Errorf("no error in the log: %s", b.Log)
	}
}

func TestAPictureThatWasNotAskedForIsRefused(t *testing.T) {
	p := &keeptest.Painter{Width: 11}
	b := newBench(t, p, nil)
	uri := b.URL("a.jpg", "10x10")
	if w := b.get(uri); w.Code != 500 || b.Published(uri) || p.Distrusted.Load() != 1 {
		t.Errorf("got %d %v, published %v, distrusted %d", w.Code, w.Header(), b.Published(uri), p.Distrusted.Load())
	}
}

func TestAnOriginalThatChangesIsRenderedOnceMore(t *testing.T) {
	for changes, want := range map[int64]int{1: 200, 2: 503} {
		p := &keeptest.Painter{}
		b := newBench(t, p, nil)
		p.Before = func(context.Context, render.Request) error {
			if n := p.Calls.Load(); n <= changes {
				b.WriteOriginal("a.jpg", strings.Repeat("x", 10+int(n)))
			}
			return nil
		}
		uri := b.URL("a.jpg", "10x10")
		if w := b.get(uri); w.Code != want || b.Published(uri) != (want == 200) || p.Calls.Load() != 2 {
			t.Errorf("%d changes: %d %v after %d renders", changes, w.Code, w.Header(), p.Calls.Load())
		}
	}
}

// TestWatermarks has the image opened for each render, missed with a log line,
// and written over while it is read.
func TestWatermarks(t *testing.T) {
	p := &keeptest.Painter{}
	var mark string
	b := newBench(t, p, func(s *keep.Site) {
		s.Thumb.Watermarks = map[string]thumb.Watermark{"logo": {Name: "logo", Opacity: 50}}
		mark = filepath.Join(t.TempDir(), "logo.png")
		s.Watermarks, s.WatermarkBytes = map[string]string{"logo": mark}, 10
	})
	write := func(text string) {
		if err := os.WriteFile(mark, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.Before = func(_ context.Context, r render.Request) error {
		text, err := io.ReadAll(r.Watermark)
		if err != nil || string(text) != "logo" || r.Transform.Watermark.Opacity != 50 {
			t.Errorf("asked for %+v of %q, %v", r.Transform.Watermark, text, err)
		}
		if p.Calls.Load() == 1 {
			write("logo")
		}
		return nil
	}
	parsed, err := b.Site.Thumb.New(thumb.Wanted{Original: "a.jpg", Size: "10x10", Method: "fit_watermark=logo"})
	if err != nil {
		t.Fatal(err)
	}
	parsed.Signature = sign.Sign(parsed, keeptest.Key)
	if w := b.get(parsed.URI()); w.Code != 500 || w.Header().Get("X-Thumbd-Reason") != "watermark" || b.Log.Count(mark) == 0 {
		t.Errorf("without an image: %d %v; the log: %s", w.Code, w.Header(), b.Log)
	}
	if b.Site.CheckWatermarks() == nil {
		t.Error("the missing image is not told")
	}
	write("far too long")
	if w := b.get(parsed.URI()); w.Code != 500 || w.Header().Get("X-Thumbd-Reason") != "watermark" {
		t.Errorf("with one over the limit: %d %v", w.Code, w.Header())
	}
	write("logo")
	if w := b.get(parsed.URI()); w.Code != 200 || p.Calls.Load() != 2 {
		t.Errorf("with an image: %d %v after %d renders", w.Code, w.Header(), p.Calls.Load())
	}
	if err := b.Site.CheckWatermarks(); err != nil {
		t.Error(err)
	}
}

func TestRefusalsAreLoggedOnce(t *testing.T) {
	refusal := &render.Refusal{Err: render.ErrDamaged, Detail: "why"}
	b := newBench(t, &keeptest.Painter{Before: func(context.Context, render.Request) error { return refusal }}, nil)
	uri := b.URL("a.jpg", "10x10")
	for range 2 {
		if w := b.get(uri); w.Code != 422 || w.Header().Get("X-Thumbd-Reason") != "damaged" {
			t.Errorf("got %d %v", w.Code, w.Header())
		}
		refusal.Remembered = true
	}
	if n := b.Log.Count("refused"); n != 1 || b.Log.Count(filepath.Join(b.Dir, "media/a.jpg")) != 1 {
		t.Errorf("the log has %d refusals: %s", n, b.Log)
	}
}

func TestRefuseTellsTheCause(t *testing.T) {
	for cause, reason := range map[error]string{
		keep.ErrConfiguration: "configuration", keep.ErrNoWorker: "no-worker", render.ErrShutdown: "shutdown",
	} {
		b := newBench(t, &keeptest.Painter{}, nil)
		uri := b.URL("a.jpg", "10x10")
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
		b := newBench(t, &keeptest.Painter{Before: func(_ context.Context, r render.Request) error {
			asked = r
			return render.ErrInternal
		}}, func(s *keep.Site) { s.Thumb.Negotiate = tt.negotiate })
		b.get(b.URL("a.jpg", "10x10"), tt.header...)
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
		{keep.ErrChanged, 503, "original-changed"},
		{originals.ErrOrigin, 502, "origin"},
		{fmt.Errorf("%w: %w", originals.ErrSlow, os.ErrDeadlineExceeded), 504, "origin-slow"},
		{originals.ErrForbidden, 502, "origin-forbidden"},
		{originals.ErrType, 415, "unsupported"},
		{originals.ErrBusy, 503, "origin-busy"},
		{originals.ErrStopped, 503, "shutdown"},
		{originals.ErrSpool, 500, "spool"},
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
