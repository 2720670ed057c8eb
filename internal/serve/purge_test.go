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
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/admin"
	"thumbd/internal/journal"
	"thumbd/internal/keep"
	"thumbd/internal/test/keeptest"
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
	b := newBench(t, &keeptest.Painter{}, func(s *keep.Site) {
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
		{"GET", "/nodes", 404, ""}, {"POST", "/nodes", 404, ""}, {"DELETE", "/nodes", 405, "GET, HEAD, POST"},
	} {
		w := httptest.NewRecorder()
		b.Admin().ServeHTTP(w, httptest.NewRequest(tt.method, tt.path, nil))
		if w.Code != tt.status || w.Header().Get("Allow") != tt.allow {
			t.Errorf("%s %s: %d, Allow %q, want %d, %q", tt.method, tt.path, w.Code, w.Header().Get("Allow"), tt.status, tt.allow)
		}
	}
	b.Refuse(keep.ErrConfiguration)()
	if w := b.post("site=gallery&all=1"); w.Code != 503 {
		t.Errorf("without a configuration: %d", w.Code)
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
	b := newBench(t, &keeptest.Painter{}, func(s *keep.Site) { s.Thumb.Scheme, s.Thumb.Presets = thumb.PresetScheme, thumb.DefaultPresets() })
	var files []string
	for _, i := range []int{0, admin.PurgeNames - 1, admin.PurgeNames, n - 1} {
		for _, name := range []string{"thumb/%s", "icon/%s", "icon/%s.webp"} {
			file := filepath.Join(b.Dir, "root/thumbs", fmt.Sprintf(name, fmt.Sprintf("2026/11/gallery-%05d/photograph-%06d.jpg", i/50, i)))
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
	b := newBench(t, &keeptest.Painter{}, nil)
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

// thumbd-admin(7) has every route of the sockets for administrators and Prometheus, with
// its method, and no other.
func TestEveryAdminRouteIsInTheManual(t *testing.T) {
	page, err := os.ReadFile("../../packaging/man/thumbd-admin.7")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"GET " + healthRoute: true}
	for _, r := range adminRoutes {
		want[r.methods[0]+" "+r.path] = true
	}
	got := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^\.It Li ([A-Z]+ /\S+)$`).FindAllStringSubmatch(string(page), -1) {
		got[m[1]] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// once is a store of a journal that takes one entry.
type once struct {
	*journal.Folder
	taken atomic.Bool
}

func (o *once) Put(ctx context.Context, name string, data []byte) (time.Time, error) {
	if strings.HasPrefix(name, "journal/") && o.taken.Swap(true) {
		return time.Time{}, errors.New("no space left")
	}
	return o.Folder.Put(ctx, name, data)
}

// noTrees are the trees of a node without sites.
type noTrees struct{}

func (noTrees) Sites() []string                            { return nil }
func (noTrees) Empty(string) bool                          { return true }
func (noTrees) Purge(context.Context, journal.Entry) error { return nil }
func (noTrees) Progress(string) ([]byte, error)            { return nil, nil }
func (noTrees) SetProgress(string, []byte) error           { return nil }

// If a later part of a purge fails, the error tells of the parts before it: how much is
// purged here, and which nodes may not have purged it.
func TestPurgeThatFailsInTheMiddle(t *testing.T) {
	b := newBench(t, &keeptest.Painter{}, nil)
	options := func(name string, s journal.Store) journal.Options {
		return journal.Options{
			Store: s, Keys: [][]byte{keeptest.Key}, Name: name, Trees: noTrees{}, Poll: time.Hour, Lag: 2 * time.Hour, Keep: 24 * time.Hour,
			Tell: func(journal.Event) {},
		}
	}
	store := &once{Folder: journal.NewFolder(t.TempDir())}
	// Another node, which has stopped.
	ctx, stop := context.WithCancel(t.Context())
	other, ended := journal.New(options("n2", store)), make(chan struct{})
	go func() {
		defer close(ended)
		other.Run(ctx)
	}()
	<-other.Caught()
	stop()
	<-ended
	p := purging{handler: b.Handler, node: &Node{Node: journal.New(options("n1", store)), Wait: time.Second}}
	part := func(name string) error {
		return p.part(t.Context(), admin.Purge{Site: "gallery", Originals: []string{name}})
	}
	if err := part("a.jpg"); err != nil {
		t.Fatal(err)
	}
	err := p.explain(t.Context(), part("b.jpg"))
	if !errors.Is(err, journal.ErrUnwritten) {
		t.Errorf("got %v, want %v", err, journal.ErrUnwritten)
	}
	for _, want := range []string{"no space left", "the first 1 originals are purged on this node", "\nn2: "} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%q does not have %q", err, want)
		}
	}
}
