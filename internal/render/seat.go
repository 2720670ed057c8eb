// SPDX-License-Identifier: MIT

package render

import (
	"sync"
	"time"
)

// seats are the idle workers. Safe for concurrent use.
type seats struct {
	mu   sync.Mutex
	idle map[*seat]bool
}

// seat is an idle worker.
type seat struct {
	side  side          // that the worker has served
	since time.Time     // when the worker served its first original
	look  chan struct{} // has a token if there may be a job
}

func newSeats() *seats { return &seats{idle: make(map[*seat]bool)} }

// sit adds an idle worker.
func (all *seats) sit(w *worker) *seat {
	own := &seat{side: w.side, since: w.since, look: make(chan struct{}, 1)}
	all.mu.Lock()
	defer all.mu.Unlock()
	all.idle[own] = true
	return own
}

// leave removes a worker. The other workers look at the queue again: they may have left
// an output to this worker, but it has taken another output or has died.
func (all *seats) leave(own *seat) {
	all.mu.Lock()
	delete(all.idle, own)
	all.mu.Unlock()
	all.wake()
}

// wake lets all idle workers look for a job.
func (all *seats) wake() {
	all.mu.Lock()
	defer all.mu.Unlock()
	for other := range all.idle {
		select {
		case other.look <- struct{}{}:
		default:
		}
	}
}

// fitter reports whether another idle worker fits an output of side s better than
// own. Example: own has served open sites, another worker is new, and the output
// is of a protected site.
func (all *seats) fitter(own *seat, s side) bool {
	all.mu.Lock()
	defer all.mu.Unlock()
	for other := range all.idle {
		if other != own && other.side.misfit(s) < own.side.misfit(s) {
			return true
		}
	}
	return false
}
