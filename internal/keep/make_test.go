// SPDX-License-Identifier: MIT

package keep_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"thumbd/internal/access"
	"thumbd/internal/keep"
	"thumbd/internal/render"
	"thumbd/internal/tell"
	"thumbd/internal/test/aid"
	"thumbd/internal/test/keeptest"
	"thumbd/internal/thumb"
)

// A thumbnail that is of another version of its original is rendered again, and
// gets another modification time. A version is a time and a size.
func TestStaleThumbnailIsRenderedAnew(t *testing.T) {
	p := &keeptest.Painter{}
	b := newBench(t, p, nil)
	uri := b.URL("a.jpg", "10x10")
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
		b.WriteOriginal("a.jpg", version.text)
		if err := os.Chtimes(filepath.Join(b.Dir, "media/a.jpg"), time.Time{}, version.mtime); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			b.mustGet(uri)
		}
		mtime, _, ok := b.Site.Tree.Stat(uri)
		if before, again := seen[mtime]; !ok || again {
			t.Errorf("%s: mtime %v, as %q", version.name, mtime, before)
		}
		seen[mtime] = version.name
		if n := p.Calls.Load(); int(n) != i+1 {
			t.Errorf("%s: %d renders, want %d", version.name, n, i+1)
		}
	}
}

func TestConcurrentClientsShareOneRender(t *testing.T) {
	const clients = 50
	var b *bench
	p := &keeptest.Painter{Before: func(context.Context, render.Request) error {
		aid.Await(t, func() bool { return b.Waiting() == clients })
		return nil
	}}
	b = newBench(t, p, nil)
	uri := b.URL("a.jpg", "10x10")
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			b.mustGet(uri)
		})
	}
	wg.Wait()
	if n := p.Calls.Load(); n != 1 {
		t.Errorf("%d renders; want 1", n)
	}
}

func TestAClientThatGoesDoesNotStopTheOthers(t *testing.T) {
	release := make(chan struct{})
	p := &keeptest.Painter{Before: func(ctx context.Context, _ render.Request) error {
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	b := newBench(t, p, nil)
	uri := b.URL("a.jpg", "10x10")
	ctx, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = b.getUntil(ctx, uri) })
	aid.Await(t, func() bool { return b.Waiting() == 1 })
	wg.Go(func() { b.mustGet(uri) })
	aid.Await(t, func() bool { return b.Waiting() == 2 })
	leave()
	aid.Await(t, func() bool { return b.Waiting() == 1 })
	close(release)
	wg.Wait()
	if n := p.Calls.Load(); n != 1 {
		t.Errorf("%d renders; want 1", n)
	}
}

func TestWhenAllHaveGoneTheRenderIsCanceled(t *testing.T) {
	p := &keeptest.Painter{Before: func(ctx context.Context, _ render.Request) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	b := newBench(t, p, nil)
	uri := b.URL("a.jpg", "10x10")
	ctx, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = b.getUntil(ctx, uri) })
	aid.Await(t, func() bool { return p.Calls.Load() == 1 })
	leave()
	wg.Wait()
	b.Refuse(keep.ErrConfiguration)()
	if b.Published(uri) {
		t.Error("it is published")
	}
}

func TestOneWhoComesAfterAllHaveGoneGetsItAnew(t *testing.T) {
	gone := make(chan struct{})
	p := &keeptest.Painter{}
	var b *bench
	p.Before = func(ctx context.Context, _ render.Request) error {
		if p.Calls.Load() > 1 {
			return nil
		}
		<-ctx.Done()
		close(gone)
		aid.Await(t, func() bool { return b.Waiting() == 1 })
		return ctx.Err()
	}
	b = newBench(t, p, nil)
	uri := b.URL("a.jpg", "10x10")
	ctx, leave := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = b.getUntil(ctx, uri) })
	aid.Await(t, func() bool { return p.Calls.Load() == 1 })
	leave()
	<-gone
	if err := b.get(uri); err != nil || p.Calls.Load() != 2 {
		t.Errorf("%v after %d renders, want 2", err, p.Calls.Load())
	}
	wg.Wait()
}

func TestTroubleOfEveryRequestIsLoggedOnceAMinute(t *testing.T) {
	now := time.Now()
	for name, spoil := range map[string]func(*bench){
		"no root for the tree": func(b *bench) {
			b.BlockRoot()
		},
		"originals gone": func(b *bench) {
			if err := os.RemoveAll(filepath.Join(b.Dir, "media")); err != nil {
				t.Fatal(err)
			}
		},
		"too large": func(b *bench) { b.WriteOriginal("a.jpg", strings.Repeat("x", 1<<20+1)) },
	} {
		b := newBench(t, &keeptest.Painter{}, nil)
		b.SetClock(func() time.Time { return now })
		spoil(b)
		for range 5 {
			_ = b.get(b.URL("a.jpg", "10x10"))
		}
		if n := b.Log.Count("uri=") - b.Log.Count("msg=rendered"); n != 1 {
			t.Errorf("%s: %d lines; want 1: %s", name, n, b.Log)
		}
		now = now.Add(tell.Pause)
		_ = b.get(b.URL("a.jpg", "10x10"))
		if b.Log.Count("more=4") != 1 {
			t.Errorf("%s: a minute later: %s", name, b.Log)
		}
	}
}

func TestGone(t *testing.T) {
	b := newBench(t, &keeptest.Painter{}, func(s *keep.Site) { s.Thumb.Negotiate = []thumb.Format{thumb.WebP} })
	for uri, want := range map[string]bool{
		b.URL("a.jpg", "10x10"):           false,
		b.URL("b.jpg", "10x10"):           true,
		b.URL("b.jpg", "10x10") + ".webp": true,
		b.URL("a.jpg", "10x10") + ".webp": false,
		b.URL("b.jpg", "10x10") + ".avif": true,
		"/thumbs/unknown":                 false,
	} {
		if got := b.Site.Gone(uri); got != want {
			t.Errorf("Gone(%q) = %v; want %v", uri, got, want)
		}
	}
}

func TestAPictureInMemoryIsSharedAndClosed(t *testing.T) {
	release := make(chan struct{})
	p := &keeptest.Painter{Before: func(context.Context, render.Request) error { <-release; return nil }}
	b := newBench(t, p, nil)
	b.BlockRoot()
	uri := b.URL("a.jpg", "10x10")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			b.mustGet(uri)
		})
	}
	aid.Await(t, func() bool { return b.Waiting() == 20 })
	close(release)
	wg.Wait()
	if _, err := b.unpublished.Load().Stat(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the memfd: %v; want it closed", err)
	}
}

// TestSiblingsFollowInTheBackground asks for one preset of four, of which one
// is there already.
func TestSiblingsFollowInTheBackground(t *testing.T) {
	answered := make(chan struct{})
	var mu sync.Mutex
	var background []int
	p := &keeptest.Painter{Before: func(_ context.Context, r render.Request) error {
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
	b := newBench(t, p, func(s *keep.Site) {
		s.Thumb.Presets = map[string]thumb.Preset{}
		for i, name := range []string{"a", "b", "c", "d", "e"} {
			s.Thumb.Presets[name] = thumb.Preset{Transform: thumb.Transform{Width: 10 + i, Height: 10, Method: thumb.Fit}}
		}
	})
	b.mustGet(b.PresetURL("a.jpg", "c"))
	b.Site.Thumb.Together = []string{"a", "b", "c", "d"}
	b.mustGet(b.PresetURL("a.jpg", "b"))
	close(answered)
	b.Refuse(keep.ErrConfiguration)()
	slices.Sort(background)
	if !slices.Equal(background, []int{10, 13}) {
		t.Errorf("rendered in the background: %v", background)
	}
	for name, want := range map[string]bool{"a": true, "b": true, "c": true, "d": true, "e": false} {
		if b.Published(b.PresetURL("a.jpg", name)) != want {
			t.Errorf("%s: published %v", name, !want)
		}
	}
	if p.Calls.Load() != 4 {
		t.Errorf("%d renders", p.Calls.Load())
	}
}

// TestASiblingThatIsAskedForIsWanted asks for a thumbnail that is being made in
// the background; of the other nobody wants anything.
func TestASiblingThatIsAskedForIsWanted(t *testing.T) {
	asked, done := make(chan struct{}), make(chan struct{})
	p := &keeptest.Painter{Before: func(ctx context.Context, r render.Request) error {
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
	b := newBench(t, p, func(s *keep.Site) {
		s.Thumb.Presets = map[string]thumb.Preset{}
		for i, name := range []string{"a", "b", "c"} {
			s.Thumb.Presets[name] = thumb.Preset{Transform: thumb.Transform{Width: 10 + i, Height: 10, Method: thumb.Fit}}
		}
		s.Thumb.Together = []string{"a", "b", "c"}
	})
	for _, name := range []string{"a", "b"} {
		b.mustGet(b.PresetURL("a.jpg", name))
		<-asked
	}
	b.Refuse(keep.ErrConfiguration)()
}

// TestProtectedOriginalsAreRenderedApart tells the pool which originals are of
// protected sites.
func TestProtectedOriginalsAreRenderedApart(t *testing.T) {
	for _, gate := range []*access.Gate{nil, {}} {
		var got []bool
		p := &keeptest.Painter{Before: func(_ context.Context, r render.Request) error {
			got = append(got, r.Protected)
			return render.ErrShutdown
		}}
		b := newBench(t, p, func(s *keep.Site) { s.Access = gate })
		if err := b.get(b.URL("a.jpg", "10x10")); !errors.Is(err, render.ErrShutdown) {
			t.Fatal(err)
		}
		if want := []bool{gate != nil}; !slices.Equal(got, want) {
			t.Errorf("access %v: protected %v, want %v", gate != nil, got, want)
		}
	}
}
