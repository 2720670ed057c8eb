// SPDX-License-Identifier: MIT

package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"thumbd/internal/admin"
	"thumbd/internal/publish"
	"thumbd/internal/purge"
	"thumbd/internal/render"
	"thumbd/internal/thumb"
)

// post sends a form to the administrators' handler.
func (b *bench) post(form string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/purge", strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	b.Admin().ServeHTTP(w, r)
	return w
}

func TestAdministratorsAreAnswered(t *testing.T) {
	b := newBench(t, &painter{}, func(s *Site) {
		s.Thumb.Presets = map[string]thumb.Preset{"s": {Transform: thumb.Transform{Width: 9, Height: 9, Method: thumb.Fit}}}
	})
	for _, tt := range []struct {
		form   string
		status int
		reason string
	}{
		{"site=gallery&original=a.jpg&original=b.jpg", 200, ""},
		{"site=gallery&under=d", 200, ""},
		{"site=gallery&preset=s", 200, ""},
		{"site=gallery&all=1&render=true", 200, ""},
		{"site=gallery&all=0&original=a.jpg", 200, ""},
		{"site=gallery", 400, "scope"},
		{"site=gallery&all=1&preset=s", 400, "scope"},
		{"site=gallery&original=../a.jpg", 400, "scope"},
		{"site=gallery&under=" + url.QueryEscape("d//e"), 400, "scope"},
		{"site=gallery&all=maybe", 400, "form"},
		{"site=gallery&site=other&all=1", 400, "form"},
		{"site=gallery&everything=1", 400, "form"},
		{"site=gallery&all=%zz", 400, "form"},
		{"site=gallery&preset=t", 404, "unknown-preset"},
		{"site=other&all=1", 404, "no-site"},
		{"all=1", 404, "no-site"},
	} {
		w := b.post(tt.form)
		if got := w.Header().Get("X-Thumbd-Reason"); w.Code != tt.status || got != tt.reason {
			t.Errorf("%s: %d %q, want %d %q: %s", tt.form, w.Code, got, tt.status, tt.reason, w.Body)
		}
	}
	for _, tt := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/readyz", 200, ""}, {"HEAD", "/readyz", 200, ""}, {"GET", "/thumbs/a.jpg", 404, ""}, {"POST", "/health", 404, ""},
		{"GET", "/purge", 405, "POST"}, {"PUT", "/warm", 405, "POST"}, {"GET", "/originals", 405, "POST"},
		{"POST", "/readyz", 405, "GET, HEAD"}, {"DELETE", "/report", 405, "GET, HEAD"}, {"POST", "/status", 405, "GET, HEAD"}, {"PUT", "/metrics", 405, "GET, HEAD"},
	} {
		w := httptest.NewRecorder()
		b.Admin().ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, nil))
		if w.Code != tt.status || w.Header().Get("Allow") != tt.allow {
			t.Errorf("%s %s: %d, Allow %q, want %d, %q", tt.method, tt.path, w.Code, w.Header().Get("Allow"), tt.status, tt.allow)
		}
	}
	b.Refuse(ErrConfiguration)()
	if w := b.post("site=gallery&all=1"); w.Code != 503 {
		t.Errorf("without a configuration: %d", w.Code)
	}
}

// age gives what is published under uri another mtime than its original's.
func (b *bench) age(uri string) {
	b.t.Helper()
	old := time.Unix(1_000_000_000, 0)
	if err := os.Chtimes(filepath.Join(b.dir, "root", uri), old, old); err != nil {
		b.t.Fatal(err)
	}
}

// A miss of one thumbnail of an original removes its others that are of
// another version of it, and no others.
func TestAMissRemovesStaleThumbnailsOfItsOriginal(t *testing.T) {
	for _, scheme := range []thumb.Scheme{thumb.Signed, thumb.PresetScheme} {
		t.Run(scheme.String(), func(t *testing.T) {
			b := newBench(t, &painter{}, func(s *Site) {
				s.Thumb.Scheme = scheme
				s.Thumb.Presets = map[string]thumb.Preset{}
				for _, name := range []string{"p", "q", "r"} {
					s.Thumb.Presets[name] = thumb.Preset{Transform: thumb.Transform{Width: 9, Height: 9, Method: thumb.Fit}}
				}
			})
			b.writeOriginal("b.jpg", "two")
			uri := func(original, preset string) string {
				if scheme == thumb.PresetScheme {
					return "/thumbs/" + preset + "/" + original
				}
				return b.presetURL(original, preset)
			}
			for _, of := range [][2]string{{"a.jpg", "p"}, {"a.jpg", "q"}, {"b.jpg", "p"}} {
				if w := b.get(uri(of[0], of[1])); w.Code != 200 {
					t.Fatalf("%v: %d", of, w.Code)
				}
			}
			// Another version, and a miss.
			b.age(uri("a.jpg", "p"))
			b.age(uri("b.jpg", "p"))
			now := time.Now().Add(time.Hour)
			if err := os.Chtimes(filepath.Join(b.dir, "media/a.jpg"), now, now); err != nil {
				t.Fatal(err)
			}
			b.get(uri("a.jpg", "r"))
			for _, tt := range []struct {
				original, preset string
				want             bool
			}{{"a.jpg", "p", false}, {"a.jpg", "q", false}, {"a.jpg", "r", true}, {"b.jpg", "p", true}} {
				if b.published(uri(tt.original, tt.preset)) != tt.want {
					t.Errorf("%s of %s is published: %v", tt.preset, tt.original, !tt.want)
				}
			}
		})
	}
}

// A wrong upload that is taken back leaves no other size wrong, although the version
// that returns was looked at before.
func TestAnEarlierVersionReturns(t *testing.T) {
	b := newBench(t, &painter{}, nil)
	first, second := time.Unix(1_500_000_000, 0), time.Unix(1_600_000_000, 0)
	small, large := b.url("a.jpg", "10x10"), b.url("a.jpg", "20x20")
	for _, step := range []struct {
		version time.Time
		uri     string
		gone    string
	}{{first, small, large}, {second, large, small}, {first, small, large}, {second, large, small}} {
		if err := os.Chtimes(filepath.Join(b.dir, "media/a.jpg"), step.version, step.version); err != nil {
			t.Fatal(err)
		}
		b.get(step.uri)
		if !b.published(step.uri) || b.published(step.gone) {
			t.Errorf("version of %v: %v and %v are published", step.version.Year(), b.published(step.uri), b.published(step.gone))
		}
	}
}

// again returns sites as a reload makes them, which make other pictures.
func (b *bench) again(renderer Renderer, width int) *Sites {
	b.t.Helper()
	site := *b.site
	site.Thumb = new(thumb.Site)
	*site.Thumb = *b.site.Thumb
	site.Thumb.Presets = map[string]thumb.Preset{
		"s": {Transform: thumb.Transform{Width: width, Height: 10, Method: thumb.Fit}},
		"l": {Transform: thumb.Transform{Width: 30, Height: 10, Method: thumb.Fit}},
	}
	site.Tree = publish.New(site.Thumb.DocumentRoot, site.Thumb.Prefix, site.Gone)
	b.t.Cleanup(site.Tree.Close)
	sites := NewSites(renderer, time.Minute, []*Site{&site})
	if err := sites.Prepare(); err != nil {
		b.t.Fatal(err)
	}
	return sites
}

// What a configuration of before has begun is not published by it where the
// one of now makes it otherwise.
func TestRendersOfAnotherConfigurationAreNotPublished(t *testing.T) {
	begun, release := make(chan struct{}, 2), make(chan struct{})
	slow := &painter{before: func(context.Context, render.Request) error {
		begun <- struct{}{}
		<-release
		return nil
	}}
	b := newBench(t, &painter{}, func(s *Site) { s.Thumb.Quality = map[thumb.Format]int{thumb.JPEG: 80} })
	b.SetSites(b.again(slow, 20))
	preset := func(name string) string {
		b.site.Thumb.Presets = map[string]thumb.Preset{name: {}}
		return b.presetURL("a.jpg", name)
	}
	s, l := preset("s"), preset("l")
	answers := make(chan *httptest.ResponseRecorder, 2)
	for _, uri := range []string{s, l} {
		go func() { answers <- b.get(uri) }()
	}
	<-begun
	<-begun
	b.SetSites(b.again(&painter{}, 25))
	if err := b.Follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Who asks from now on does not wait for that of before.
	if w := b.get(s); w.Code != 200 || w.Header().Get("X-Accel-Redirect") == "" {
		t.Errorf("of now: %d %v", w.Code, w.Header())
	}
	if err := os.Remove(filepath.Join(b.dir, "root", s)); err != nil {
		t.Fatal(err)
	}
	close(release)
	for range 2 {
		if w := <-answers; w.Code != 200 {
			t.Errorf("of before: %d", w.Code)
		}
	}
	if b.published(s) {
		t.Error("a preset of before is published")
	}
	if !b.published(l) {
		t.Error("a preset that has not changed is not published")
	}
}

// A picture in memory of before a purge is not for those who ask after it.
func TestAPictureInMemoryIsNotForThoseWhoAskAfterAPurge(t *testing.T) {
	entered, release := make(chan struct{}, 2), make(chan struct{}, 2)
	p := &painter{before: func(context.Context, render.Request) error {
		entered <- struct{}{}
		<-release
		return nil
	}}
	b := newBench(t, p, nil)
	// It can't be published.
	if err := os.WriteFile(filepath.Join(b.dir, "root"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	answers := make(chan *httptest.ResponseRecorder, 2)
	ask := func() { answers <- b.get(b.url("a.jpg", "10x10")) }
	go ask()
	<-entered
	// The tree is a folder in a file: there is nothing to take, and no error
	// that says more than that.
	_, _ = b.Purge(t.Context(), "gallery", purge.Scope{Originals: []string{"a.jpg"}}, false)
	go ask()
	select {
	case <-entered:
	case <-time.After(10 * time.Second):
		t.Error("who asked after the purge gets what was made before")
	}
	release <- struct{}{}
	release <- struct{}{}
	for range 2 {
		if w := <-answers; w.Code != 200 {
			t.Errorf("%d", w.Code)
		}
	}
}

// What a thumbd before has purged and not deleted is deleted.
func TestLeftoversOfPurgesAreDeleted(t *testing.T) {
	b := newBench(t, &painter{}, nil)
	left := filepath.Join(b.dir, "root/thumbs/.thumbd/DEAD.bin/0")
	if err := os.MkdirAll(left, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := b.Follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool {
		_, err := os.Stat(filepath.Dir(left))
		return os.IsNotExist(err)
	})
}

// Until what another configuration has made is gone, the tree tells of both: a
// thumbd that is killed on the way leaves some of each.
func TestTreesTellByWhatTheyWereMade(t *testing.T) {
	b := newBench(t, &painter{}, func(s *Site) { s.Thumb.Quality = map[thumb.Format]int{thumb.JPEG: 80} })
	made := func() int {
		t.Helper()
		data, err := b.site.Tree.Settings()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(data), `"scheme"`)
	}
	for i, width := range []int{20, 25, 25, 30} {
		sites := b.again(&painter{}, width)
		want := 1
		if i == 1 || i == 3 {
			want = 2
		}
		if got := made(); got != want {
			t.Errorf("width %d: %d configurations before Follow, want %d", width, got, want)
		}
		b.SetSites(sites)
		if err := b.Follow(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := made(); got != 1 {
			t.Errorf("width %d: %d configurations after it, want 1", width, got)
		}
	}
}

// names is a form that purges originals without end, until there were n.
type names struct {
	n, next int
	left    []byte
	most    uint64 // of the heap, when it was looked at
}

func (r *names) Read(p []byte) (int, error) {
	for len(r.left) == 0 {
		if r.next == r.n {
			return 0, io.EOF
		}
		if r.next%admin.PurgeNames == admin.PurgeNames-1 {
			r.most = max(r.most, heap())
		}
		r.left = fmt.Appendf(nil, "&original=2026%%2F11%%2Fgallery-%05d%%2Fphotograph-%06d.jpg", r.next/50, r.next)
		r.next++
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

// heap returns the bytes of what is in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A purge of any number of originals, in the default presets, has all of them
// taken away and needs no more memory than one of some.
func TestAPurgeOfManyOriginalsIsBounded(t *testing.T) {
	const n, limit = 2*admin.PurgeNames + 10, 32 << 20
	b := newBench(t, &painter{}, func(s *Site) { s.Thumb.Scheme, s.Thumb.Presets = thumb.PresetScheme, thumb.DefaultPresets() })
	var files []string
	for _, i := range []int{0, admin.PurgeNames - 1, admin.PurgeNames, n - 1} {
		for _, name := range []string{"thumb/%s", "icon/%s", "icon/%s.webp"} {
			file := filepath.Join(b.dir, "root/thumbs", fmt.Sprintf(name, fmt.Sprintf("2026/11/gallery-%05d/photograph-%06d.jpg", i/50, i)))
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o644)); err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
	}
	form := &names{n: n}
	before := heap()
	r := httptest.NewRequest(http.MethodPost, "/purge?site=gallery", form)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	b.Admin().ServeHTTP(w, r)
	if w.Code != 200 || form.next != n {
		t.Fatalf("status %d, %s, after %d originals", w.Code, w.Body, form.next)
	}
	t.Logf("%d originals: %d KiB of memory", n, (form.most-before)>>10)
	if form.most > before+limit {
		t.Errorf("%d MiB of memory, want at most %d", (form.most-before)>>20, limit>>20)
	}
	for _, file := range files {
		if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", file, err)
		}
	}
}

// Fields that come too late are refused, and so is a name without end.
func TestLargeFormsAreRefused(t *testing.T) {
	b := newBench(t, &painter{}, nil)
	many := strings.Repeat("original=a.jpg&", admin.PurgeNames)
	for name, form := range map[string]string{
		"the site after the originals":   many + "site=gallery",
		"another scope after them":       "site=gallery&" + many + "all=1",
		"render after them":              "site=gallery&" + many + "render=1",
		"a name that is longer than any": "site=gallery&original=" + strings.Repeat("a", admin.MaxField),
	} {
		w := b.post(form)
		if got := w.Header().Get("X-Thumbd-Reason"); w.Code != 400 || got != "form" {
			t.Errorf("%s: %d %q: %s", name, w.Code, got, w.Body)
		}
	}
	if w := b.post("site=gallery&render=1&" + many + "original=b.jpg"); w.Code != 200 {
		t.Errorf("many originals: %d: %s", w.Code, w.Body)
	}
}
