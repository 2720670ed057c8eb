// SPDX-License-Identifier: MIT

package keep_test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"thumbd/internal/admin"
	"thumbd/internal/fetch"
	"thumbd/internal/keep"
	"thumbd/internal/originals"
	"thumbd/internal/purge"
	"thumbd/internal/render"
	"thumbd/internal/s3"
	"thumbd/internal/test/aid"
	"thumbd/internal/test/keeptest"
	"thumbd/internal/test/store"
	"thumbd/internal/thumb"
)

// The versions of the original d/a.jpg. They have one size and one modification time, so
// that a file server can't tell them apart.
const (
	older = "\xff\xd8\xffold"
	newer = "\xff\xd8\xffnew"
)

// hold stops one answer in its middle, or before its header.
type hold struct {
	mu   sync.Mutex
	next *held
}

// held is an answer that is stopped: reached is closed when its first half is sent, or
// nothing if silent is set, and the rest follows after goOn.
type held struct {
	reached, goOn chan struct{}
	silent        bool
}

// arm stops the next answer. It goes on at the end of the test at the latest.
func (h *hold) arm(t *testing.T) *held {
	return h.armWith(t, &held{})
}

// armSilent is arm for an answer of which the header says all.
func (h *hold) armSilent(t *testing.T) *held { return h.armWith(t, &held{silent: true}) }

func (h *hold) armWith(t *testing.T, one *held) *held {
	one.reached, one.goOn = make(chan struct{}), make(chan struct{})
	t.Cleanup(one.release)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.next = one
	return one
}

func (h *held) release() {
	select {
	case <-h.goOn:
	default:
		close(h.goOn)
	}
}

func (h *hold) take() *held {
	h.mu.Lock()
	defer h.mu.Unlock()
	one := h.next
	h.next = nil
	return one
}

// serve answers as inner does, or in two halves.
func (h *hold) serve(w http.ResponseWriter, r *http.Request, inner http.Handler) {
	one := h.take()
	if one == nil {
		inner.ServeHTTP(w, r)
		return
	}
	answer := httptest.NewRecorder()
	inner.ServeHTTP(answer, r)
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", fmt.Sprint(answer.Body.Len()))
	body, half := answer.Body.Bytes(), 0
	if !one.silent {
		w.WriteHeader(answer.Code)
		half = len(body) / 2
		// Less than the first half is no header of an answer.
		_, _ = w.Write(body[:half])
		_ = http.NewResponseController(w).Flush()
	}
	close(one.reached)
	<-one.goOn
	if one.silent {
		w.WriteHeader(answer.Code)
	}
	_, _ = w.Write(body[half:])
}

// place is where the originals are.
type place struct {
	source func(t *testing.T, folder string, h *hold) (s originals.Source, put func(name, content string))
	remote bool
}

var places = map[string]place{
	"folder": {source: func(t *testing.T, folder string, _ *hold) (originals.Source, func(string, string)) {
		return originals.Folder{Dir: originals.New(folder, 1<<20)}, putFile(t, folder)
	}},
	"origin": {remote: true, source: func(t *testing.T, folder string, h *hold) (originals.Source, func(string, string)) {
		files := http.FileServer(http.Dir(folder))
		endpoint := store.Serve(t, func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, files) })
		return remote(t, fetchOptions(t, endpoint+"/")), putFile(t, folder)
	}},
	"bucket": {remote: true, source: func(t *testing.T, _ string, h *hold) (originals.Source, func(string, string)) {
		s := store.Start(t, "media")
		endpoint, err := url.Parse(s.Through(h.serve))
		if err != nil {
			t.Fatal(err)
		}
		b := s3.New(s3.Options{
			Bucket: "media", Prefix: "photos/", Endpoint: endpoint, Region: store.Region, PathStyle: true,
			AccessKey: store.AccessKey, SecretKey: store.SecretKey,
		}, fetchOptions(t, ""), spool(t))
		return b, func(name, content string) {
			if content == "" {
				s.Delete("media/photos/" + name)
				return
			}
			s.Put("media/photos/"+name, []byte(content))
		}
	}},
}

// putFile returns a function that replaces a file or, without a content, removes it.
func putFile(t *testing.T, folder string) func(name, content string) {
	return func(name, content string) {
		t.Helper()
		path := filepath.Join(folder, name)
		if content == "" {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			return
		}
		at := time.Unix(1_600_000_000, 0)
		err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path+".new", []byte(content), 0o644),
			os.Chtimes(path+".new", at, at), os.Rename(path+".new", path))
		if err != nil {
			t.Fatal(err)
		}
	}
}

func fetchOptions(t *testing.T, base string) fetch.Options {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	return fetch.Options{
		Site: "gallery", Base: u, Formats: []thumb.Format{thumb.JPEG},
		AllowAddresses: []netip.Prefix{netip.MustParsePrefix(store.Address + "/32")},
		ConnectTime:    time.Minute, HeaderTime: time.Minute, TotalTime: time.Minute, Rate: 1, Fetches: 4, Queue: 10,
		OriginalBytes: 1 << 20, Lifetime: time.Hour,
	}
}

func spool(t *testing.T) *fetch.Spool {
	s := fetch.NewSpool(filepath.Join(t.TempDir(), "spool"), 1<<30)
	t.Cleanup(s.Close)
	return s
}

func remote(t *testing.T, o fetch.Options) *fetch.Origin { return fetch.New(o, spool(t)) }

// purgeBench is a bench with one original, d/a.jpg, whose thumbnails tell its version.
type purgeBench struct {
	*bench
	hold    hold
	put     func(name, content string)
	refused sync.Map // names of originals, that the painter remembers
}

func newPurgeBench(t *testing.T, p place) *purgeBench {
	t.Helper()
	b := &purgeBench{}
	painter := &keeptest.Painter{Gray: func(r render.Request) uint8 {
		content := make([]byte, len(newer))
		// A short original is none of the two.
		_, _ = r.Original.ReadAt(content, 0)
		return map[string]uint8{older: 50, newer: 200}[string(content)]
	}}
	// The painter refuses originals as the pool of workers does, but it can't tell the
	// versions of an original apart.
	painter.Forgotten = func(_ string, covers func(string) bool) {
		b.refused.Range(func(name, _ any) bool {
			if covers(name.(string)) {
				b.refused.Delete(name)
			}
			return true
		})
	}
	refuse := func(r render.Request) error {
		first := make([]byte, 1)
		_, _ = r.Original.ReadAt(first, 0)
		if first[0] != newer[0] {
			b.refused.Store(r.Identity.Name, true)
		}
		if _, is := b.refused.Load(r.Identity.Name); is {
			return &render.Refusal{Err: render.ErrUnsupported}
		}
		return nil
	}
	painter.Before = func(_ context.Context, r render.Request) error { return refuse(r) }
	if !p.remote {
		painter.Before = func(_ context.Context, r render.Request) error {
			if one := b.hold.take(); one != nil {
				close(one.reached)
				<-one.goOn
			}
			return refuse(r)
		}
	}
	b.bench = newBench(t, painter, func(s *keep.Site) {
		keeptest.WithPresets("p", "q", "r")(s)
		s.Originals.Close()
		s.Originals, b.put = p.source(t, filepath.Join(filepath.Dir(s.Thumb.DocumentRoot), "media"), &b.hold)
		if p.remote {
			s.Lifetime = time.Hour
		}
	})
	b.put("d/a.jpg", older)
	return b
}

// ask requests a preset's thumbnail for a client that leaves when ctx is done. The answer
// is "old", "new" or an error.
func (b *purgeBench) ask(ctx context.Context, preset string) <-chan string {
	sites, err := b.Sites()
	if err != nil {
		b.T.Fatal(err)
	}
	return b.askOf(ctx, sites, preset)
}

// askOf is like ask, for a request that has sites, and releases them.
func (b *purgeBench) askOf(ctx context.Context, sites *keep.Sites, preset string) <-chan string {
	uri := b.PresetURL("d/a.jpg", preset)
	answer := make(chan string, 1)
	go func() {
		defer sites.Release()
		picture, err := b.picture(ctx, sites, uri)
		switch {
		case err != nil:
			answer <- err.Error()
		case picture == nil:
			answer <- "purged"
		default:
			answer <- version(picture)
		}
	}()
	return answer
}

// version returns the version of the original that a thumbnail tells.
func version(picture image.Image) string {
	switch y := color.GrayModel.Convert(picture.At(1, 1)).(color.Gray).Y; {
	case y > 150:
		return "new"
	case y > 20:
		return "old"
	}
	return "neither"
}

// replace replaces the original and purges.
func (b *purgeBench) replace(scope purge.Scope) {
	b.T.Helper()
	b.put("d/a.jpg", newer)
	if _, err := b.Purge(b.T.Context(), "gallery", scope, false); err != nil {
		b.T.Fatal(err)
	}
}

// await returns an answer, unless it does not come before the rest of a held answer.
func (b *purgeBench) await(answer <-chan string) string {
	select {
	case got := <-answer:
		return got
	case <-time.After(aid.Patience):
		return "waiting for a fetch or render of before"
	}
}

// expectNew reports an error unless a preset's thumbnail is new.
func (b *purgeBench) expectNew(preset string) {
	b.T.Helper()
	if got := b.await(b.ask(b.T.Context(), preset)); got != "new" {
		b.T.Errorf("after the purge, the request for %s is answered: %s", preset, got)
	}
}

var whole = purge.Scope{Originals: []string{"d/a.jpg"}}

// No state of before a purge outlives it, wherever the originals are.
func TestNothingOfBeforeOutlivesAPurge(t *testing.T) {
	scopes := map[string]purge.Scope{"originals": whole, "under": {Under: "d"}, "preset": {Preset: "p"}, "all": {All: true}}
	for where, p := range places {
		run := func(name string, f func(*purgeBench)) {
			t.Run(where+"/"+name, func(t *testing.T) { f(newPurgeBench(t, p)) })
		}
		for name, scope := range scopes {
			run("a picture, with a copy of the original, purged by "+name, func(b *purgeBench) {
				<-b.ask(t.Context(), "p")
				b.replace(scope)
				if where == "origin" && name == "preset" {
					// The copy is kept, and the origin says that it is good.
					if got := b.await(b.ask(t.Context(), "p")); got != "old" {
						b.T.Errorf("after the purge of a preset: %q; want the copy", got)
					}
					return
				}
				b.expectNew("p")
			})
			run("a fetch or render whose client waits, purged by "+name, func(b *purgeBench) {
				one := b.hold.arm(b.T)
				before := b.ask(b.T.Context(), "p")
				<-one.reached
				b.replace(scope)
				b.expectNew("p")
				one.release()
				if got := <-before; got != "new" {
					b.T.Errorf("after the end of the request of before, the published thumbnail is %q", got)
				}
				if name != "preset" {
					b.expectNew("q") // from no copy of before
				}
			})
		}
		run("a fetch or render whose client leaves", func(b *purgeBench) {
			one := b.hold.arm(b.T)
			ctx, leave := context.WithCancel(b.T.Context())
			before := b.ask(ctx, "p")
			<-one.reached
			b.replace(whole)
			after := b.ask(b.T.Context(), "p")
			leave()
			<-before
			one.release()
			if got := <-after; got != "new" {
				b.T.Errorf("after the purge: %q", got)
			}
			b.expectNew("p")
		})
		run("a fetch or render of another thumbnail", func(b *purgeBench) {
			one := b.hold.arm(b.T)
			before := b.ask(b.T.Context(), "q")
			<-one.reached
			b.replace(whole)
			b.expectNew("p")
			one.release()
			<-before
			b.expectNew("q")
		})
		run("a warm in progress", func(b *purgeBench) {
			one := b.hold.arm(b.T)
			warmed := make(chan error, 1)
			go func() {
				_, err := b.Warm(b.T.Context(), "gallery", admin.Selection{}, "d/a.jpg")
				warmed <- err
			}()
			<-one.reached
			b.replace(whole)
			b.expectNew("p")
			one.release()
			if err := <-warmed; err != nil {
				b.T.Error(err)
			}
			for _, preset := range []string{"p", "q", "r"} {
				b.expectNew(preset)
			}
		})
		for name, content := range map[string]string{
			"that there is no original": "", "that it is too large": newer + strings.Repeat(" ", 1<<20), "that it is no picture": "text",
		} {
			for by, scope := range scopes {
				run(name+", purged by "+by, func(b *purgeBench) {
					b.put("d/a.jpg", content)
					if got := <-b.ask(b.T.Context(), "p"); got == "new" || got == "old" {
						b.T.Errorf("before the purge: %q", got)
					}
					b.replace(scope)
					b.expectNew("p")
				})
			}
		}
		if !p.remote {
			continue
		}
		run("the answer on its way that there is no original", func(b *purgeBench) {
			b.put("d/a.jpg", "")
			one := b.hold.armSilent(b.T)
			before := b.ask(b.T.Context(), "q")
			<-one.reached
			b.replace(whole)
			one.release()
			if got := <-before; got != "new" {
				b.T.Errorf("the request of before: %q", got)
			}
			b.expectNew("p")
		})
	}
}

// A request of an earlier configuration, after a purge, joins no fetch of before it.
func TestPurgeReachesTheSourcesOfAnEarlierConfiguration(t *testing.T) {
	b := newPurgeBench(t, places["origin"])
	earlier, err := b.Sites()
	if err != nil {
		t.Fatal(err)
	}
	one := b.hold.arm(t)
	before := b.ask(t.Context(), "p")
	<-one.reached
	next := *b.Site
	next.Originals = remote(t, fetchOptions(t, "http://"+store.Address+":1/"))
	t.Cleanup(next.Originals.Close)
	b.SetSites(keep.NewSites(&keeptest.Painter{}, time.Minute, []*keep.Site{&next}))
	b.replace(whole)
	if got := b.await(b.askOf(t.Context(), earlier, "q")); got != "new" {
		t.Errorf("a request of the earlier configuration after the purge: %q", got)
	}
	one.release()
	<-before
}

// early is a source that gives older until Forget has returned, and calls forget in it.
type early struct {
	originals.Folder
	forget    func()
	forgotten atomic.Bool
}

func (e *early) Open(ctx context.Context, _ string) (*os.File, originals.Info, error) {
	name := "older.jpg"
	if e.forgotten.Load() {
		name = "d/a.jpg"
	}
	return e.Folder.Open(ctx, name)
}

func (e *early) Forget(originals.Forgotten) {
	e.forget()
	e.forgotten.Store(true)
}

// A render that a source gives an original of before, in the last moment of Forget, does
// not publish it.
func TestSourcesForgetBeforeAPurgeCounts(t *testing.T) {
	b := newPurgeBench(t, places["folder"])
	b.put("older.jpg", older)
	one := b.hold.arm(t)
	var before <-chan string
	e := &early{Folder: b.Site.Originals.(originals.Folder)}
	e.forget = func() {
		before = b.ask(t.Context(), "p")
		<-one.reached
	}
	b.Site.Originals = e
	b.replace(whole)
	one.release()
	if got := <-before; got != "new" {
		t.Errorf("the request of before the purge: %q", got)
	}
	b.expectNew("p")
}

// slow is a source whose first Forget does not return before during does.
type slow struct {
	originals.Folder
	during func()
	begun  atomic.Bool
}

func (s *slow) Forget(originals.Forgotten) {
	if !s.begun.Swap(true) {
		s.during()
	}
}

// If a source with a large spool takes long to forget, no other purge waits for it.
func TestPurgesForgetAtTheSameTime(t *testing.T) {
	b := newPurgeBench(t, places["folder"])
	s := &slow{Folder: b.Site.Originals.(originals.Folder)}
	s.during = func() {
		ended := make(chan error, 1)
		go func() {
			_, err := b.Purge(t.Context(), "gallery", whole, false)
			ended <- err
		}()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(aid.Patience):
			t.Error("a purge waits for the other one")
		}
	}
	b.Site.Originals = s
	b.replace(purge.Scope{All: true})
	if !s.begun.Load() {
		t.Error("the source was not asked to forget")
	}
}

// Purges that are applied in any order, and some of them twice, give the same: each
// thumbnail that one of them covers is gone or made anew, and each other one is untouched.
func TestPurgesInAnyOrder(t *testing.T) {
	names := []string{"a.jpg", "d/a.jpg", "d/e/b.jpg", "e/c.jpg"}
	presets := []string{"p", "q", "r"}
	type step struct {
		scope  purge.Scope
		render bool
	}
	for _, tt := range []struct {
		name  string
		steps []step
		left  map[string]bool // NAME of PRESET
	}{
		{"parts", []step{
			{purge.Scope{Originals: []string{"a.jpg"}}, false}, {purge.Scope{Originals: []string{"a.jpg", "d/a.jpg"}}, true},
			{purge.Scope{Under: "d"}, true}, {purge.Scope{Under: "d/e"}, false}, {purge.Scope{Preset: "r"}, true},
		}, map[string]bool{"e/c.jpg p": true, "e/c.jpg q": true}},
		{"all", []step{
			{purge.Scope{All: true}, false}, {purge.Scope{Originals: []string{"a.jpg"}}, true}, {purge.Scope{Preset: "q"}, true}, {purge.Scope{All: true}, true},
		}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 10 {
				b := newPurgeBench(t, places["folder"])
				for _, name := range names {
					b.put(name, older)
					for _, preset := range presets {
						b.mustGet(b.PresetURL(name, preset))
					}
					b.put(name, newer)
				}
				steps := append(slices.Clone(tt.steps), tt.steps[rand.N(len(tt.steps))])
				rand.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
				for _, s := range steps {
					if _, err := b.Purge(t.Context(), "gallery", s.scope, s.render); err != nil {
						t.Fatal(err)
					}
				}
				// The renders in the background end.
				aid.Await(t, func() bool { return b.Idle() > 0 })
				for _, name := range names {
					for _, preset := range presets {
						got, want := b.published(b.PresetURL(name, preset)), "new"
						if tt.left[name+" "+preset] {
							want = "old"
						}
						if got != want && (want == "old" || got != "gone") {
							t.Errorf("%s of %s is %s after %+v", preset, name, got, steps)
						}
					}
				}
			}
		})
	}
}

// published returns the version that a published file tells, or "gone".
func (b *purgeBench) published(uri string) string {
	f, err := os.Open(filepath.Join(b.Dir, "root", uri))
	if err != nil {
		return "gone"
	}
	defer f.Close()
	picture, err := jpeg.Decode(f)
	if err != nil {
		return err.Error()
	}
	return version(picture)
}
