// SPDX-License-Identifier: MIT

// Package purge removes thumbnails from a tree, and keeps renders that began
// before the purge from publishing them again.
package purge

import (
	"errors"
	"sync"

	"thumbd/internal/thumb"
)

// The reasons not to publish a thumbnail.
var (
	// ErrPurged means that the thumbnail was purged after the render began: the
	// render may have read an older original.
	ErrPurged = errors.New("purged while it was made")
	// ErrSuperseded means that a configuration was loaded after the render began
	// and renders this thumbnail differently.
	ErrSuperseded = errors.New("the configuration has changed while it was made")
)

// Covers reports whether a purge includes the thumbnail with the published name
// name.
type Covers func(name string, t thumb.Thumb) bool

// mostHeld is the most bytes of the names of the purges that a Ledger remembers.
const mostHeld = 16 << 20

// Ledger numbers the purges of one tree and the renders in flight. It remembers
// a purge as long as a render is in flight that began before it. If their names
// take more than mostHeld, it remembers instead that everything was purged: the
// renders in flight are then made again. Its methods are safe for concurrent use.
type Ledger struct {
	// mu is held for reading while a thumbnail gets its name.
	mu         sync.RWMutex
	last       uint64
	taking     int            // purges
	running    map[uint64]int // renders, by the last purge before they began
	purges     []numbered
	held       int // bytes of purges
	superseded map[*thumb.Site]Covers
}

type numbered struct {
	number uint64
	covers Covers
	bytes  int
}

// Render is a render in flight.
type Render struct {
	ledger *Ledger
	after  uint64
}

// NewLedger returns a Ledger without purges.
func NewLedger() *Ledger {
	return &Ledger{running: make(map[uint64]int), superseded: make(map[*thumb.Site]Covers)}
}

// Begin registers a render, before it opens its original. The caller calls End
// after the thumbnail was published or given up.
func (l *Ledger) Begin() Render {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running[l.last]++
	return Render{l, l.last}
}

// End removes r, and the purges that only r could have undone.
func (r Render) End() {
	l := r.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running[r.after]--; l.running[r.after] > 0 {
		return
	}
	delete(l.running, r.after)
	oldest := l.last
	for n := range l.running {
		oldest = min(oldest, n)
	}
	kept := 0
	for kept < len(l.purges) && l.purges[kept].number <= oldest {
		l.held -= l.purges[kept].bytes
		kept++
	}
	l.purges = l.purges[kept:]
	if len(l.purges) == 0 {
		l.purges = nil
	}
}

// Publish calls place, a function that gives a thumbnail its name. If the thumbnail was
// purged after r began, Publish returns ErrPurged or ErrSuperseded instead. No
// purge begins before place has returned.
func (r Render) Publish(name string, t thumb.Thumb, place func() error) error {
	l := r.ledger
	l.mu.RLock()
	defer l.mu.RUnlock()
	if covers := l.superseded[t.Site]; covers != nil && covers(name, t) {
		return ErrSuperseded
	}
	for _, p := range l.purges {
		if p.number > r.after && p.covers(name, t) {
			return ErrPurged
		}
	}
	return place()
}

// Add registers a purge. After it has returned, no render that began before
// publishes a thumbnail that the purge covers, and renders that begin now read
// the present originals. The caller then removes the thumbnails that the purge
// covers, and calls Taken. bytes is the memory that covers takes.
func (l *Ledger) Add(covers Covers, bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	l.taking++
	if len(l.running) == 0 {
		return
	}
	l.purges = append(l.purges, numbered{l.last, covers, bytes})
	if l.held += bytes; l.held > mostHeld {
		l.purges, l.held = []numbered{{number: l.last, covers: everything}}, 0
	}
}

func everything(string, thumb.Thumb) bool { return true }

// Taken marks the purge that was added as done: its thumbnails were removed, as
// far as possible.
func (l *Ledger) Taken() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taking--
	l.last++
}

// Count returns a number that changes with every purge. If two calls return the
// same number, no thumbnail was removed between them.
func (l *Ledger) Count() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taking > 0 {
		l.last++
	}
	return l.last
}

// Supersede keeps renders for site, a site of an older configuration, from publishing a
// thumbnail if covers includes it, until Forget.
func (l *Ledger) Supersede(site *thumb.Site, covers Covers) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	l.superseded[site] = covers
}

// Forget ends Supersede for a site that has no renders any more.
func (l *Ledger) Forget(site *thumb.Site) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.superseded, site)
}
