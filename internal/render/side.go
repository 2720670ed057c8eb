// SPDX-License-Identifier: MIT

package render

import (
	"slices"
	"time"
)

// side is the kind of sites that a worker serves. If a hostile file controls a worker, it
// could read the worker's later originals, and carry them into a thumbnail that
// everybody may see. So if a process has seen an original of an open site, it sees none
// of a protected site, and the reverse.
type side uint8

const (
	neither side = iota // of a worker that has had no job
	open
	protected
)

// patience is how long outputs of the other side wait for a worker that has
// work of its own side, and how long such a worker serves before it is changed:
// a change with each job would cost a start each. Example: starts take two
// seconds, so all outputs wait longer than patience. One worker still makes
// outputs of its side for a second.
const patience = time.Second

func sideOf(o *output) side {
	if o.Protected {
		return protected
	}
	return open
}

// misfit returns how badly a worker that has served side have fits an output of
// side want: 0 is well, 1 binds a new worker to a side, and 2 costs the start of
// another worker.
func (have side) misfit(want side) int {
	switch have {
	case want:
		return 0
	case neither:
		return 1
	}
	return 2
}

// serve notes that w is handed an original of side s.
func (w *worker) serve(s side) {
	if w.side == neither {
		w.side, w.since = s, time.Now()
	}
}

// unfitFor returns why w can't be given a job of side s, if it can't.
func (w *worker) unfitFor(s side) end {
	if w.side != neither && w.side != s {
		return end{"site", "has served the other of open and protected sites"}
	}
	return w.unfit()
}

// prefer returns the index of the waiting output that an idle worker takes next. This is
// usually at, the first one that may run. If at is of the other side than the worker, prefer
// returns another output of the worker's own side, until the output at at has waited for
// longer than patience, and the worker has served its side for as long: so workers need not
// be replaced for each change of sides. q.mu is held.
func (q *queue) prefer(at int, idle *seat) int {
	first, s := q.waiting[at], idle.side
	waited := time.Since(first.queued) > patience && time.Since(idle.since) > patience
	if s == neither || sideOf(first) == s || waited {
		return at
	}
	own := slices.IndexFunc(q.waiting, func(o *output) bool {
		return !o.Background && sideOf(o) == s && q.strikes(o.Identity) == 0 && q.mayRun(o.Identity)
	})
	if own < 0 {
		return at
	}
	return own
}
