// SPDX-License-Identifier: MIT

package keep_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/admin"
	"thumbd/internal/keep"
	"thumbd/internal/render"
	"thumbd/internal/test/keeptest"
	"thumbd/internal/thumb"
)

// warm has an original of the gallery made ahead of time.
func (b *bench) warm(ctx context.Context, selection admin.Selection, original string) admin.Warmed {
	b.T.Helper()
	w, err := b.Warm(ctx, "gallery", selection, original)
	if err != nil {
		b.T.Error(err)
	}
	return w
}

// All that is made of one original is one job in the background.
func TestWarmedTogetherInTheBackground(t *testing.T) {
	var mu sync.Mutex
	companies := make(map[*render.Company]int)
	p := &keeptest.Painter{Before: func(_ context.Context, r render.Request) error {
		mu.Lock()
		defer mu.Unlock()
		companies[r.Company]++
		if !r.Background {
			t.Error("a client waits for no thumbnail that is made ahead of time")
		}
		return nil
	}}
	b := newBench(t, p, keeptest.WithPresets("a", "b", "c"))
	want := admin.Warmed{Made: 3}
	if diff := cmp.Diff(want, b.warm(t.Context(), admin.Selection{}, "a.jpg")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(companies) != 1 || p.Calls.Load() != 3 {
		t.Errorf("%d renders in %d jobs", p.Calls.Load(), len(companies))
	}
	for _, name := range []string{"a", "b", "c"} {
		if !b.Published(b.PresetURL("a.jpg", name)) {
			t.Errorf("%s is not there", name)
		}
	}
	want = admin.Warmed{There: 3}
	if diff := cmp.Diff(want, b.warm(t.Context(), admin.Selection{}, "a.jpg")); diff != "" || p.Calls.Load() != 3 {
		t.Errorf("again (-want +got), %d renders:\n%s", p.Calls.Load(), diff)
	}
}

// A newer original is another one.
func TestWarmMakesStaleThumbnailsAnew(t *testing.T) {
	b := newBench(t, &keeptest.Painter{}, keeptest.WithPresets("a", "b"))
	b.warm(t.Context(), admin.Selection{}, "a.jpg")
	b.Age(b.PresetURL("a.jpg", "a"))
	if diff := cmp.Diff(admin.Warmed{Made: 1, There: 1}, b.warm(t.Context(), admin.Selection{}, "a.jpg")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWarmTellsWhyAThumbnailIsNotThere(t *testing.T) {
	var fault atomic.Pointer[error]
	b := newBench(t, &keeptest.Painter{Before: func(context.Context, render.Request) error { return *fault.Load() }}, keeptest.WithPresets("a"))
	for reason, err := range map[string]error{
		"damaged":  &render.Refusal{Err: render.ErrDamaged},
		"deadline": &render.Refusal{Err: render.ErrDeadline},
		"shutdown": render.ErrShutdown,
	} {
		fault.Store(&err)
		want := admin.Warmed{Failed: []admin.Failure{{Name: b.PresetURL("a.jpg", "a"), Reason: reason}}}
		if diff := cmp.Diff(want, b.warm(t.Context(), admin.Selection{}, "a.jpg")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestWarmTellsWhatCouldNotBePublished(t *testing.T) {
	b := newBench(t, &keeptest.Painter{}, keeptest.WithPresets("a"))
	tree := filepath.Join(b.Dir, "root/thumbs")
	if err := os.MkdirAll(filepath.Dir(tree), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(tree, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	want := admin.Warmed{Failed: []admin.Failure{{Name: b.PresetURL("a.jpg", "a"), Reason: "unpublished"}}}
	if diff := cmp.Diff(want, b.warm(t.Context(), admin.Selection{}, "a.jpg")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Where clients leave no place, what is made ahead of time waits for one.
func TestWarmWaitsForAPlaceInTheQueue(t *testing.T) {
	var full atomic.Int64
	p := &keeptest.Painter{Before: func(context.Context, render.Request) error {
		switch full.Add(1) {
		case 1:
			return render.ErrQueueFull
		case 2:
			return render.ErrQueueTime
		}
		return nil
	}}
	b := newBench(t, p, keeptest.WithPresets("a"))
	if diff := cmp.Diff(admin.Warmed{Made: 1}, b.warm(t.Context(), admin.Selection{}, "a.jpg")); diff != "" || full.Load() != 3 {
		t.Errorf("after %d attempts (-want +got):\n%s", full.Load(), diff)
	}
}

// Who has thumbnails made ahead of time gives them up, and what is queued goes.
func TestWarmIsGivenUp(t *testing.T) {
	begun := make(chan struct{}, 2)
	b := newBench(t, &keeptest.Painter{Before: func(ctx context.Context, _ render.Request) error {
		begun <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}}, keeptest.WithPresets("a", "b"))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-begun
		<-begun
		cancel()
	}()
	if _, err := b.Warm(ctx, "gallery", admin.Selection{}, "a.jpg"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	b.Refuse(keep.ErrConfiguration)()
	if b.Published(b.PresetURL("a.jpg", "a")) {
		t.Error("published all the same")
	}
}

// Two that warm the same originals, in whatever order, do not wait for each
// other for ever, and make each thumbnail once.
func TestWarmedByTwo(t *testing.T) {
	p := &keeptest.Painter{}
	b := newBench(t, p, keeptest.WithPresets("a", "b", "c"))
	const originals = 20
	for n := range originals {
		b.WriteOriginal(fmt.Sprintf("%d.jpg", n), "x")
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
	if made.Load() != 3*originals || p.Calls.Load() != 3*originals {
		t.Errorf("%d made, of %d renders", made.Load(), p.Calls.Load())
	}
}

// No more originals at once than find a worker soon.
func TestWarmTakesFewOriginalsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		p := &keeptest.Painter{Before: func(context.Context, render.Request) error {
			<-end
			return nil
		}}
		b := newBench(t, p, keeptest.WithPresets("a"))
		var all sync.WaitGroup
		for n := range 5 * b.WarmPlaces() {
			name := fmt.Sprintf("%d.jpg", n)
			b.WriteOriginal(name, "x")
			all.Go(func() { b.warm(t.Context(), admin.Selection{}, name) })
		}
		synctest.Wait()
		if n := p.Calls.Load(); n != int64(b.WarmPlaces()) {
			t.Errorf("%d at once, want %d", n, b.WarmPlaces())
		}
		close(end)
		all.Wait()
		if n := p.Calls.Load(); n != int64(5*b.WarmPlaces()) {
			t.Errorf("%d in all, want %d", n, 5*b.WarmPlaces())
		}
	})
}

// What another configuration makes otherwise is to be asked for again.
func TestWarmTellsWhatAReloadHasSuperseded(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	p := &keeptest.Painter{Before: func(context.Context, render.Request) error {
		close(begun)
		<-end
		return nil
	}}
	b := newBench(t, p, keeptest.WithPresets("a"))
	sites := func(width int) *keep.Sites {
		s := *b.Site
		of := *s.Thumb
		of.Presets = map[string]thumb.Preset{"a": {Transform: thumb.Transform{Width: width, Height: 9, Method: thumb.Fit}}}
		s.Thumb = &of
		all := keep.NewSites(p, time.Minute, []*keep.Site{&s})
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
	want := admin.Warmed{Failed: []admin.Failure{{Name: b.PresetURL("a.jpg", "a"), Reason: admin.Superseded}}}
	if diff := cmp.Diff(want, <-done); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	wait()
}

// thumbd does not end for being idle while it warms.
func TestWarmingIsNotIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, end := make(chan struct{}), make(chan struct{})
		b := newBench(t, &keeptest.Painter{Before: func(context.Context, render.Request) error {
			close(begun)
			<-end
			return nil
		}}, keeptest.WithPresets("s"))
		time.Sleep(time.Hour)
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
	})
}
