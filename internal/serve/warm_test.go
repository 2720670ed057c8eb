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
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/admin"
	"thumbd/internal/render"
	"thumbd/internal/thumb"
)

// withPresets gives a site the presets of those names, each of another size.
func withPresets(names ...string) func(*Site) {
	return func(s *Site) {
		s.OriginalFormats = []thumb.Format{thumb.JPEG, thumb.PNG}
		s.Thumb.Presets = make(map[string]thumb.Preset)
		for i, name := range names {
			s.Thumb.Presets[name] = thumb.Preset{Transform: thumb.Transform{Width: 9 + i, Height: 9, Method: thumb.Fit}}
		}
	}
}

// warm has an original of the gallery made ahead of time.
func (b *bench) warm(ctx context.Context, selection admin.Selection, original string) admin.Warmed {
	b.t.Helper()
	w, err := b.Warm(ctx, "gallery", selection, original)
	if err != nil {
		b.t.Error(err)
	}
	return w
}

// All that is made of one original is one job in the background.
func TestWarmedTogetherInTheBackground(t *testing.T) {
	var mu sync.Mutex
	companies := make(map[*render.Company]int)
	p := &painter{before: func(_ context.Context, r render.Request) error {
		mu.Lock()
		defer mu.Unlock()
		companies[r.Company]++
		if !r.Background {
			t.Error("a client waits for no thumbnail that is made ahead of time")
		}
		return nil
	}}
	b := newBench(t, p, withPresets("a", "b", "c"))
	want := admin.Warmed{Made: 3}
	if diff := cmp.Diff(want, b.warm(t.Context(), admin.Selection{}, "a.jpg")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(companies) != 1 || p.calls.Load() != 3 {
		t.Errorf("%d renders in %d jobs", p.calls.Load(), len(companies))
	}
	for _, name := range []string{"a", "b", "c"} {
		if !b.published(b.presetURL("a.jpg", name)) {
			t.Errorf("%s is not there", name)
		}
	}
	want = admin.Warmed{There: 3}
	if diff := cmp.Diff(want, b.warm(t.Context(), admin.Selection{}, "a.jpg")); diff != "" || p.calls.Load() != 3 {
		t.Errorf("again (-want +got), %d renders:\n%s", p.calls.Load(), diff)
	}
}

// A newer original is another one.
func TestWarmMakesStaleThumbnailsAnew(t *testing.T) {
	b := newBench(t, &painter{}, withPresets("a", "b"))
	b.warm(t.Context(), admin.Selection{}, "a.jpg")
	b.age(b.presetURL("a.jpg", "a"))
	if diff := cmp.Diff(admin.Warmed{Made: 1, There: 1}, b.warm(t.Context(), admin.Selection{}, "a.jpg")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWarmTellsWhyAThumbnailIsNotThere(t *testing.T) {
	var fault atomic.Pointer[error]
	b := newBench(t, &painter{before: func(context.Context, render.Request) error { return *fault.Load() }}, withPresets("a"))
	for reason, err := range map[string]error{
		"damaged":  &render.Refusal{Err: render.ErrDamaged},
		"deadline": &render.Refusal{Err: render.ErrDeadline},
		"shutdown": render.ErrShutdown,
	} {
		fault.Store(&err)
		want := admin.Warmed{Failed: []admin.Failure{{Name: b.presetURL("a.jpg", "a"), Reason: reason}}}
		if diff := cmp.Diff(want, b.warm(t.Context(), admin.Selection{}, "a.jpg")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestWarmTellsWhatCouldNotBePublished(t *testing.T) {
	b := newBench(t, &painter{}, withPresets("a"))
	tree := filepath.Join(b.dir, "root/thumbs")
	if err := os.MkdirAll(filepath.Dir(tree), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(tree, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	want := admin.Warmed{Failed: []admin.Failure{{Name: b.presetURL("a.jpg", "a"), Reason: "unpublished"}}}
	if diff := cmp.Diff(want, b.warm(t.Context(), admin.Selection{}, "a.jpg")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Where clients leave no place, what is made ahead of time waits for one.
func TestWarmWaitsForAPlaceInTheQueue(t *testing.T) {
	var full atomic.Int64
	p := &painter{before: func(context.Context, render.Request) error {
		switch full.Add(1) {
		case 1:
			return render.ErrQueueFull
		case 2:
			return render.ErrQueueTime
		}
		return nil
	}}
	b := newBench(t, p, withPresets("a"))
	if diff := cmp.Diff(admin.Warmed{Made: 1}, b.warm(t.Context(), admin.Selection{}, "a.jpg")); diff != "" || full.Load() != 3 {
		t.Errorf("after %d attempts (-want +got):\n%s", full.Load(), diff)
	}
}

// Who has thumbnails made ahead of time gives them up, and what is queued goes.
func TestWarmIsGivenUp(t *testing.T) {
	begun := make(chan struct{}, 2)
	b := newBench(t, &painter{before: func(ctx context.Context, _ render.Request) error {
		begun <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}}, withPresets("a", "b"))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-begun
		<-begun
		cancel()
	}()
	if _, err := b.Warm(ctx, "gallery", admin.Selection{}, "a.jpg"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	b.Refuse(ErrConfiguration)()
	if b.published(b.presetURL("a.jpg", "a")) {
		t.Error("published all the same")
	}
}

// Two that warm the same originals, in whatever order, do not wait for each
// other for ever, and make each thumbnail once.
func TestWarmedByTwo(t *testing.T) {
	p := &painter{}
	b := newBench(t, p, withPresets("a", "b", "c"))
	const originals = 20
	for n := range originals {
		b.writeOriginal(fmt.Sprintf("%d.jpg", n), "x")
	}
	var both sync.WaitGroup
	var made atomic.Int64
	for _, order := range [][]string{{"a", "b", "c"}, {"c", "b", "a"}} {
		both.Go(func() {
			for n := range originals {
				w := b.warm(t.Context(), admin.Selection{Presets: order}, fmt.Sprintf("%d.jpg", n))
				made.Add(int64(w.Made))
				if w.Made+w.There != 3 {
					t.Errorf("%d.jpg: %+v", n, w)
				}
			}
		})
	}
	both.Wait()
	if made.Load() != 3*originals || p.calls.Load() != 3*originals {
		t.Errorf("%d made, of %d renders", made.Load(), p.calls.Load())
	}
}

// No more originals at once than find a worker soon.
func TestWarmTakesFewOriginalsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		p := &painter{before: func(context.Context, render.Request) error {
			<-end
			return nil
		}}
		b := newBench(t, p, withPresets("a"))
		var all sync.WaitGroup
		for n := range 5 * cap(b.warming) {
			name := fmt.Sprintf("%d.jpg", n)
			b.writeOriginal(name, "x")
			all.Go(func() { b.warm(t.Context(), admin.Selection{}, name) })
		}
		synctest.Wait()
		if n := p.calls.Load(); n != int64(cap(b.warming)) {
			t.Errorf("%d at once, want %d", n, cap(b.warming))
		}
		close(end)
		all.Wait()
		if n := p.calls.Load(); n != int64(5*cap(b.warming)) {
			t.Errorf("%d in all, want %d", n, 5*cap(b.warming))
		}
	})
}

// What another configuration makes otherwise is to be asked for again.
func TestWarmTellsWhatAReloadHasSuperseded(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	p := &painter{before: func(context.Context, render.Request) error {
		close(begun)
		<-end
		return nil
	}}
	b := newBench(t, p, withPresets("a"))
	sites := func(width int) *Sites {
		s := *b.site
		of := *s.Thumb
		of.Presets = map[string]thumb.Preset{"a": {Transform: thumb.Transform{Width: width, Height: 9, Method: thumb.Fit}}}
		s.Thumb = &of
		all := NewSites(p, time.Minute, []*Site{&s})
		if err := all.Prepare(); err != nil {
			t.Fatal(err)
		}
		return all
	}
	b.SetSites(sites(9))()
	done := make(chan admin.Warmed)
	go func() { done <- b.warm(t.Context(), admin.Selection{}, "a.jpg") }()
	<-begun
	wait := b.SetSites(sites(10))
	close(end)
	want := admin.Warmed{Failed: []admin.Failure{{Name: b.presetURL("a.jpg", "a"), Reason: admin.Superseded}}}
	if diff := cmp.Diff(want, <-done); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	wait()
}

// nginx looks for what it negotiates behind a name.
func TestSelectedNames(t *testing.T) {
	both := []thumb.Format{thumb.AVIF, thumb.WebP}
	for _, tt := range []struct {
		scheme    thumb.Scheme
		negotiate []thumb.Format
		selection admin.Selection
		original  string
		want      []string // without signatures
	}{
		{thumb.Signed, nil, admin.Selection{}, "a.png", []string{"a.png/p_.jpg", "a.png/q_.jpg"}},
		{thumb.Signed, both, admin.Selection{Presets: []string{"q"}}, "d/a.jpg", []string{"d/a.jpg/q_.jpg", "d/a.jpg/q_.jpg.avif", "d/a.jpg/q_.jpg.webp"}},
		{thumb.Signed, both[1:], admin.Selection{Presets: []string{"q"}}, "a.jpg", []string{"a.jpg/q_.jpg", "a.jpg/q_.jpg.webp"}},
		{thumb.Signed, both, admin.Selection{Specs: []string{"9x_fit_q=7"}, Formats: []string{"gif", "webp", "avif"}}, "a.jpg",
			[]string{"a.jpg/9x_fit_q=7_.gif", "a.jpg/9x_fit_q=7_.gif.webp", "a.jpg/9x_fit_q=7_.webp", "a.jpg/9x_fit_q=7_.avif"}},
		{thumb.Signed, both[1:], admin.Selection{Presets: []string{"q", "q"}, Specs: []string{"9x_fit", "9x_fit"}, Formats: []string{"", "jpg"}}, "a.jpg",
			[]string{"a.jpg/q_.jpg", "a.jpg/q_.jpg.webp", "a.jpg/9x_fit_.jpg", "a.jpg/9x_fit_.jpg.webp"}},
		{thumb.PresetScheme, both, admin.Selection{}, "a.JPG", []string{"p/a.JPG", "p/a.JPG.avif", "p/a.JPG.webp", "q/a.JPG", "q/a.JPG.avif", "q/a.JPG.webp"}},
		// The maps do not have it.
		{thumb.PresetScheme, both, admin.Selection{Presets: []string{"p"}}, "a.jpe", []string{"p/a.jpe"}},
		{thumb.RestThumbnails, nil, admin.Selection{Specs: []string{"9x9_crop"}}, "a.jpg", []string{"a.jpg/9x9/crop/.jpg"}},
	} {
		s := &Site{Thumb: &thumb.Site{
			Negotiate: tt.negotiate,
			Prefix:    "/t/", Scheme: tt.scheme, Keys: [][]byte{key}, MaxWidth: 99, MaxHeight: 99,
			Formats: []thumb.Format{thumb.JPEG, thumb.WebP, thumb.AVIF, thumb.GIF},
		}}
		withPresets("p", "q")(s)
		list, err := s.selected(tt.selection, tt.original)
		if err != nil {
			t.Error(err)
		}
		var got []string
		for _, a := range list {
			got = append(got, strings.Replace(strings.TrimPrefix(a.name, "/t/"), a.thumb.Signature, "", 1))
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%v of %s (-want +got):\n%s", tt.selection, tt.original, diff)
		}
	}
}

// askAdmin posts a form to the administrators' handler behind a real connection.
func (b *bench) askAdmin(path string, form url.Values) (code int, reason, body, unread string, err error) {
	server := httptest.NewServer(b.Admin())
	defer server.Close()
	resp, err := http.PostForm(server.URL+path, form)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header.Get("X-Thumbd-Reason"), string(text), resp.Trailer.Get(admin.UnreadTrailer), err
}

func TestAdministratorsWarm(t *testing.T) {
	b := newBench(t, &painter{}, withPresets("s"))
	for _, tt := range []struct {
		path, form string
		status     int
		reason     string
		want       string
	}{
		{"/warm", "site=gallery", 200, "", `{"made":0,"there":0}`},
		{"/warm", "site=gallery&original=a.jpg", 200, "", `{"made":1,"there":0}`},
		{"/warm", "site=gallery&original=./a.jpg&preset=s", 200, "", `{"made":0,"there":1}`},
		{"/warm", "site=gallery&original=" + url.QueryEscape(b.dir+"/media/a.jpg"), 200, "", `{"made":0,"there":1}`},
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
	for _, path := range []string{"/warm", "/originals"} {
		w := httptest.NewRecorder()
		b.Admin().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != http.StatusMethodNotAllowed {
			t.Errorf("GET %s: %d", path, w.Code)
		}
	}
}

func TestNothingIsWarmedWithoutAPresetOrASpec(t *testing.T) {
	b := newBench(t, &painter{}, nil)
	if err := b.CheckSelection("gallery", admin.Selection{}); !errors.Is(err, errSelection) {
		t.Errorf("got %v, want %v", err, errSelection)
	}
	if err := b.CheckSelection("gallery", admin.Selection{Specs: []string{"9x9_fit"}}); err != nil {
		t.Error(err)
	}
}

// A scheme without presets says so, whatever else is wanted.
func TestNoPresetIsWarmedOfRestThumbnails(t *testing.T) {
	b := newBench(t, &painter{}, func(s *Site) { s.Thumb.Scheme, s.Thumb.Keys = thumb.RestThumbnails, [][]byte{key} })
	for _, presets := range [][]string{nil, {"s"}} {
		err := b.CheckSelection("gallery", admin.Selection{Presets: presets, Specs: []string{"9x9_crop"}})
		if got, want := errors.Is(err, errSelection), presets != nil; got != want || !want && err != nil {
			t.Errorf("presets %q: %v", presets, err)
		}
	}
}

// Names are listed to the byte, and those alone that can be originals.
func TestListOfOriginals(t *testing.T) {
	b := newBench(t, &painter{}, withPresets("s"))
	for _, name := range []string{"b.PNG", "c.gif", "d", "e.txt", "%41 ä\n\xff.jpg", strings.Repeat("l", 251) + ".jpg"} {
		b.writeOriginal(name, "x")
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
	b := newBench(t, &painter{}, withPresets("s"))
	for n := range 100 {
		b.writeOriginal(fmt.Sprintf("%100d.jpg", n), "x")
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

// thumbd does not end for being idle while it warms.
func TestWarmingIsNotIdle(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	b := newBench(t, &painter{before: func(context.Context, render.Request) error {
		close(begun)
		<-end
		return nil
	}}, withPresets("s"))
	b.last.Store(time.Now().Add(-time.Hour).UnixNano())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.warm(t.Context(), admin.Selection{}, "a.jpg")
	}()
	<-begun
	if idle := b.Idle(); idle != 0 {
		t.Errorf("idle for %v", idle)
	}
	close(end)
	<-done
}
