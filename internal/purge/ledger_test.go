// SPDX-License-Identifier: MIT

package purge

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"thumbd/internal/route"
	"thumbd/internal/thumb"
)

// of covers one original.
func of(original string) Covers {
	return func(_ string, t thumb.Thumb) bool { return t.Original == original }
}

// try returns what r's publishing of an original's thumbnail comes to.
func try(r Render, original string) error {
	placed := false
	err := r.Publish("/t/"+original, thumb.Thumb{Original: original}, func() error {
		placed = true
		return nil
	})
	if placed != (err == nil) {
		panic("placed though refused, or the reverse")
	}
	return err
}

func TestPurgesCountForRendersThatBeganBefore(t *testing.T) {
	l := NewLedger()
	before := l.Begin()
	l.Add(of("a"), 1)
	between := l.Begin()
	l.Add(of("b"), 1)
	after := l.Begin()
	for _, tt := range []struct {
		name     string
		render   Render
		original string
		want     error
	}{
		{"before the purge of a", before, "a", ErrPurged},
		{"after the purge of a", between, "a", nil},
		{"before the purge of b", between, "b", ErrPurged},
		{"before both", before, "b", ErrPurged},
		{"after both", after, "b", nil},
		{"of another", before, "c", nil},
	} {
		if err := try(tt.render, tt.original); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v; want %v", tt.name, err, tt.want)
		}
	}
	l.Taken()
	if before := l.Count(); before == l.Count() {
		t.Error("b is still being taken, and nothing tells")
	}
	l.Taken()
	if before := l.Count(); before != l.Count() {
		t.Error("nothing is being taken any more, and something seems to be")
	}
}

// Purges are remembered as long as they must be, and no longer.
func TestPurgesAreForgotten(t *testing.T) {
	l := NewLedger()
	l.Add(of("a"), 1)
	if n := len(l.purges); n != 0 {
		t.Errorf("%d remembered for nobody", n)
	}
	first, twin := l.Begin(), l.Begin()
	l.Add(of("a"), 1)
	second := l.Begin()
	l.Add(of("b"), 1)
	for _, step := range []struct {
		end  Render
		want int
	}{{first, 2}, {twin, 1}, {second, 0}} {
		step.end.End()
		if n := len(l.purges); n != step.want {
			t.Errorf("%d remembered; want %d", n, step.want)
		}
	}
	if len(l.running) != 0 || l.held != 0 {
		t.Errorf("%d run, %d bytes are held", len(l.running), l.held)
	}
}

// A younger render that ends first takes nothing from an older one.
func TestTheOldestRenderCounts(t *testing.T) {
	l := NewLedger()
	old := l.Begin()
	l.Add(of("a"), 1)
	l.Begin().End()
	if err := try(old, "a"); !errors.Is(err, ErrPurged) {
		t.Errorf("%v; want %v", err, ErrPurged)
	}
}

func TestSupersededSitesPublishNothingThatHasChanged(t *testing.T) {
	l := NewLedger()
	before, now := new(thumb.Site), new(thumb.Site)
	l.Supersede(before, of("a"))
	for _, tt := range []struct {
		site     *thumb.Site
		original string
		want     error
	}{{before, "a", ErrSuperseded}, {before, "b", nil}, {now, "a", nil}} {
		// However late it begins: its site is of before.
		r := l.Begin()
		err := r.Publish("", thumb.Thumb{Site: tt.site, Original: tt.original}, func() error { return nil })
		if !errors.Is(err, tt.want) {
			t.Errorf("%q: %v; want %v", tt.original, err, tt.want)
		}
		r.End()
	}
	l.Forget(before)
	if len(l.superseded) != 0 {
		t.Error("a site is not forgotten")
	}
}

// TestRememberedPurgesAreBounded has purges without end during one render, as
// one of many originals is many.
func TestRememberedPurgesAreBounded(t *testing.T) {
	site := &thumb.Site{Route: route.Route{Prefix: "/t/"}, Scheme: thumb.PresetScheme, Presets: thumb.DefaultPresets()}
	l := NewLedger()
	before := l.Begin()
	for _, scope := range []Scope{{Originals: []string{strings.Repeat("long/", 500) + "a"}}, {Under: "a"}} {
		p, err := scope.Of(site)
		if err != nil {
			t.Fatal(err)
		}
		if err := try(before, "other"); err != nil {
			t.Errorf("a purge of few names covers another: %v", err)
		}
		for range 2*mostHeld/p.Bytes() + 1 {
			l.Add(p.Covers, p.Bytes())
			if most := mostHeld / p.Bytes(); len(l.purges) > most+1 {
				t.Fatalf("%d purges of %d bytes are remembered, want at most %d", len(l.purges), p.Bytes(), most)
			}
		}
		after := l.Begin()
		if err := try(before, "other"); !errors.Is(err, ErrPurged) {
			t.Errorf("before too many purges: %v; want %v", err, ErrPurged)
		}
		if err := try(after, "other"); err != nil {
			t.Errorf("after them: %v", err)
		}
		before.End()
		before = after
	}
}

// Whoever comes when, a render that began before a purge does not publish after
// it, and nothing is remembered in the end.
func TestLedgerUnderLoad(t *testing.T) {
	l := NewLedger()
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for range 500 {
				r := l.Begin()
				if err := try(r, "a"); err != nil && !errors.Is(err, ErrPurged) {
					t.Error(err)
				}
				r.End()
			}
		})
	}
	for range 500 {
		late := l.Begin()
		l.Add(of("a"), 1)
		if err := try(late, "a"); !errors.Is(err, ErrPurged) {
			t.Errorf("%v; want %v", err, ErrPurged)
		}
		late.End()
	}
	running.Wait()
	if len(l.purges) != 0 || len(l.running) != 0 {
		t.Errorf("%d purges and %d renders are remembered", len(l.purges), len(l.running))
	}
}
