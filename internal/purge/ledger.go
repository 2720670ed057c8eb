// SPDX-License-Identifier: MIT

// Package purge takes thumbnails out of a tree so that nobody gets them any
// more, and keeps renders that began before from bringing them back.
package purge

import (
	"errors"
	"sync"

	"thumbd/internal/thumb"
)

// Why a thumbnail is not published.
var (
	// ErrPurged is a purge since the render began: its original may have been
	// an older one.
	ErrPurged = errors.New("purged while it was made")
	// ErrSuperseded is a configuration since then that makes it otherwise.
	ErrSuperseded = errors.New("the configuration has changed while it was made")
)

// Covers reports whether a purge is of the thumbnail that is published, or
// would be, under name.
type Covers func(name string, t thumb.Thumb) bool

// Ledger numbers the purges of one tree and the renders that run between
// them. It remembers a purge for as long as a render runs that began before.
// Safe for concurrent use.
type Ledger struct {
	// mu is held for reading while a thumbnail gets its name.
	mu         sync.RWMutex
	last       uint64
	taking     int            // purges
	running    map[uint64]int // renders, by the last purge before they began
	purges     []numbered
	superseded map[*thumb.Site]Covers
}

type numbered struct {
	number uint64
	covers Covers
}

// Render is one that has begun.
type Render struct {
	ledger *Ledger
	after  uint64
}

// NewLedger returns a Ledger without purges.
func NewLedger() *Ledger {
	return &Ledger{running: make(map[uint64]int), superseded: make(map[*thumb.Site]Covers)}
}

// Begin notes a render that has not opened its original yet. The caller calls
// End when it is published or given up.
func (l *Ledger) Begin() Render {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running[l.last]++
	return Render{l, l.last}
}

// End forgets r, and the purges that only r could have undone.
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
		kept++
	}
	l.purges = l.purges[kept:]
	if len(l.purges) == 0 {
		l.purges = nil
	}
}

// Publish calls place, which gives a thumbnail its name, unless it has been
// purged since r began: then it returns ErrPurged or ErrSuperseded. No purge
// begins before place has returned.
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

// Add notes a purge. When it returns, no render that began before publishes
// what it covers, and those that begin now find the originals as they are. The
// caller takes away what it covers, and then calls Taken.
func (l *Ledger) Add(covers Covers) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	l.taking++
	if len(l.running) > 0 {
		l.purges = append(l.purges, numbered{l.last, covers})
	}
}

// Taken notes that all that the purge is of which was added has been taken away,
// or as much as could be.
func (l *Ledger) Taken() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taking--
	l.last++
}

// Count returns a number that grows with every purge: where it is the same twice,
// nothing was taken away in between. While something is, what was made anew
// among it, it is never the same.
func (l *Ledger) Count() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taking > 0 {
		l.last++
	}
	return l.last
}

// Supersede notes that nothing of what covers says is to be published any more
// for site, which is that of an older configuration, until Forget.
func (l *Ledger) Supersede(site *thumb.Site, covers Covers) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	l.superseded[site] = covers
}

// Forget forgets a site that nothing is rendered for any more.
func (l *Ledger) Forget(site *thumb.Site) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.superseded, site)
}
