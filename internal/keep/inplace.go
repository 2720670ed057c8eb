// SPDX-License-Identifier: MIT

package keep

import (
	"errors"
	"sync"
	"time"

	"thumbd/internal/originals"
	"thumbd/internal/purge"
	"thumbd/internal/render"
	"thumbd/internal/stamp"
	"thumbd/internal/tell"
	"thumbd/internal/thumb"
)

// original names an original of a site.
type original struct{ site, name string }

// behind are the originals with missing variants that clients have asked for, but do not
// wait for. Each original is in it once. Safe for concurrent use.
type behind struct {
	most int // made at once

	mu      sync.Mutex
	known   map[original]bool // those that wait, and those being made
	waiting []original
	running int // makers
}

func newBehind(most int) *behind { return &behind{most: most, known: make(map[original]bool)} }

// add has o wait, unless it is known or limit others wait, and reports whether a
// maker has to be started.
func (b *behind) add(o original, limit int) (start bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.known[o] || len(b.waiting) >= limit {
		return false
	}
	b.known[o] = true
	b.waiting = append(b.waiting, o)
	if b.running >= b.most {
		return false
	}
	b.running++
	return true
}

// next returns the next original for a maker, after it has made the variants of before.
// If there is none, the maker ends.
func (b *behind) next(before original) (o original, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.known, before)
	if len(b.waiting) == 0 {
		b.running--
		return original{}, false
	}
	o = b.waiting[0]
	b.waiting = b.waiting[1:]
	return o, true
}

// MakeBehind has the variants of a's original made in the background, unless
// Sites.Behind originals wait already: then a later request asks again.
func (k *Keeper) MakeBehind(sites *Sites, a Request) {
	if !k.behind.add(original{a.Thumb.Name, a.thumb.Original}, sites.Behind) {
		return
	}
	k.purges.start(func() {
		defer k.Busy()()
		for o, ok := k.behind.next(original{}); ok; o, ok = k.behind.next(o) {
			if k.purges.ctx.Err() == nil {
				k.makeVariants(o)
			}
		}
	})
}

// makeVariants makes the variants of an original that are missing, of one decode.
func (k *Keeper) makeVariants(o original) {
	sites, err := k.sites.acquire()
	if err != nil {
		return
	}
	defer sites.users.Done()
	s := sites.named(o.site)
	if s == nil || s.Thumb.Scheme != thumb.InPlace {
		return
	}
	t, err := s.Thumb.New(thumb.Wanted{Original: o.name})
	if err != nil {
		return
	}
	k.background(k.purges.ctx, sites, s.ask(t), func(Request, Outcome, error) {})
}

// isMarked reports whether a is a variant that the original of info does not have.
func (a Request) isMarked(info originals.Info) bool {
	if !a.transform.Variant {
		return false
	}
	mtime, ok := a.Tree.Marker(a.Name)
	return ok && stamp.Same(mtime, a.marker(info))
}

// note marks that there is no variant a of the original of info because of err, if
// that is so until the original, the configuration or the worker is another one.
func (k *Keeper) note(a Request, run purge.Render, info originals.Info, err error) {
	_, refused := errors.AsType[*render.Refusal](err)
	passes := errors.Is(err, render.ErrDeadline) || errors.Is(err, render.ErrCrashed) || errors.Is(err, render.ErrQuarantined)
	if !a.transform.Variant || !refused || passes {
		return
	}
	err = a.Tree.Mark(a.Name, a.marker(info), func(place func() error) error { return run.Publish(a.Name, a.published(), place) })
	if err == nil {
		k.removeStale(a, info)
	}
	if err == nil || errors.Is(err, purge.ErrPurged) || errors.Is(err, purge.ErrSuperseded) {
		return
	}
	if more, due := k.lines.Due("mark "+a.Thumb.Name, tell.Pause); due {
		k.options.Log.Error("not marked: each request has a worker find out again that there is no variant", "site", a.Thumb.Name, "err", err, "more", more)
	}
}

// unmark removes a's marker, because it was of another version of the original.
func (k *Keeper) unmark(a Request) {
	if !a.transform.Variant {
		return
	}
	if err := a.Tree.Unmark(a.Name); err != nil {
		k.options.Log.Debug("a marker is left", "site", a.Thumb.Name, "name", a.Name, "err", err)
	}
}

// marker returns the modification time of a's marker for the original of info.
func (a Request) marker(info originals.Info) time.Time {
	return a.settings.Marker(a.Name, info.Version(), a.Limits)
}
