// SPDX-License-Identifier: MIT

package render

import (
	"context"
	"slices"
	"sync"
	"time"

	"thumbd/internal/render/wire"
)

// output is a Request on its way. It is held by the queue, then by a job.
type output struct {
	Request
	// alone outputs came back from a job of several that failed: each is tried
	// by itself.
	alone     bool
	abandoned bool          // nobody waits for it; under the queue's lock
	done      chan struct{} // closed once picture or err is set
	queued    time.Time     // since when it waits
	decoded   bool          // the worker says that a decoder in C has seen the original
	picture   *Picture
	err       error
}

// finish lets Render return o.picture and o.err.
func (o *output) finish() { close(o.done) }

func (o *output) fail(err error) {
	o.err = err
	o.finish()
}

// Company is a number of background outputs of one original that are to be one
// job: none of them is taken before all are there, or have left. Safe for
// concurrent use.
type Company struct {
	mu      sync.Mutex
	missing int
	whole   func() // called, if set, once nothing is missing
}

// NewCompany returns a Company of n outputs.
func NewCompany(n int) *Company { return &Company{missing: n} }

// Leave says that one output less will come.
func (c *Company) Leave() { c.arrive(nil) }

func (c *Company) arrive(whole func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.missing--
	if whole != nil {
		c.whole = whole
	}
	if c.missing == 0 && c.whole != nil {
		c.whole()
	}
}

// complete reports whether nothing is missing; nil is never incomplete.
func (c *Company) complete() bool {
	if c == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.missing <= 0
}

// queue holds the outputs that wait, foreground before background, each first
// in first out. Safe for concurrent use.
type queue struct {
	limit int // of each: what is in the background takes nobody's place
	// strikes tells how many deadlines and crashes an original has cost.
	strikes func(Identity) int

	mu      sync.Mutex
	closed  bool
	waiting []*output
	running map[Identity]int // jobs of each original
	seats   *seats
}

func newQueue(limit int, strikes func(Identity) int) *queue {
	return &queue{limit: limit, strikes: strikes, running: make(map[Identity]int), seats: newSeats()}
}

// add queues o, or returns ErrQueueFull or ErrShutdown.
func (q *queue) add(o *output) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return ErrShutdown
	case q.count(o.Background) >= q.limit:
		return ErrQueueFull
	}
	q.waiting = append(q.waiting, o)
	if o.Company != nil {
		o.Company.arrive(q.seats.wake)
	}
	q.seats.wake()
	return nil
}

// count returns how many wait in the background, or in the foreground.
func (q *queue) count(background bool) int {
	n := 0
	for _, o := range q.waiting {
		if o.Background == background {
			n++
		}
	}
	return n
}

// again queues the outputs of a failed job behind all waiting outputs. Each is then tried
// alone. If no client waits for an output, it ends here.
func (q *queue) again(outputs []*output) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var kept []*output
	for _, o := range outputs {
		switch {
		case q.closed:
			o.fail(ErrShutdown)
		case o.abandoned:
			o.fail(context.Canceled)
		default:
			o.alone = true
			kept = append(kept, o)
		}
	}
	q.waiting = append(q.waiting, kept...)
	q.seats.wake()
}

// withdraw takes o out of the queue. If o did not wait any more, because it is being
// rendered or is done, withdraw reports false.
func (q *queue) withdraw(o *output) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, o)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}

// hurry moves o from the outputs of the background to those that a client waits for.
func (q *queue) hurry(o *output) {
	q.mu.Lock()
	defer q.mu.Unlock()
	o.Background = false
	q.seats.wake()
}

// abandon withdraws o. If o is being rendered, abandon notes that no client waits for it.
func (q *queue) abandon(o *output) bool {
	if q.withdraw(o) {
		return true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	o.abandoned = true
	return false
}

// next waits for outputs of one original and takes them out: the first in
// line and all others of its original, at most wire.MaxOutputs, or one alone.
// It returns nil when w has ended. Outputs of the side that w has served go before
// others for a while, and an output that another idle worker fits better is left to
// that one. The caller calls release when the job is done.
func (q *queue) next(ctx context.Context, w *worker) ([]*output, error) {
	own := q.seats.sit(w)
	defer q.seats.leave(own)
	for {
		if job := q.take(own); job != nil {
			return job, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-w.gone:
			return nil, nil
		case <-own.look:
		}
	}
}

func (q *queue) take(own *seat) []*output {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return nil
	}
	may := func(o *output) bool { return q.mayRun(o.Identity) && !q.seats.fitter(own, sideOf(o)) }
	at := slices.IndexFunc(q.waiting, func(o *output) bool { return !o.Background && q.strikes(o.Identity) == 0 && may(o) })
	if at < 0 {
		at = slices.IndexFunc(q.waiting, func(o *output) bool { return !o.Background && may(o) })
	}
	if at < 0 {
		at = slices.IndexFunc(q.waiting, func(o *output) bool { return o.Company.complete() && may(o) })
	}
	if at < 0 {
		return nil
	}
	first := q.waiting[q.prefer(at, own)]
	job := []*output{first}
	for _, o := range q.waiting {
		if o != first && !o.alone && !first.alone && o.Identity == first.Identity && sideOf(o) == sideOf(first) && len(job) < wire.MaxOutputs {
			job = append(job, o)
		}
	}
	q.waiting = slices.DeleteFunc(q.waiting, func(o *output) bool { return slices.Contains(job, o) })
	q.running[first.Identity]++
	return job
}

// mayRun reports whether one more job of an original can be begun: if all that
// run hang, it has not cost more than mostStrikes. Outputs of one that has cost
// as much are refused by their job, once the last one that ran has said why.
// q.mu is held.
func (q *queue) mayRun(original Identity) bool {
	n, running := q.strikes(original), q.running[original]
	return n >= mostStrikes && running == 0 || n+running < mostStrikes
}

// mayRetry reports whether a job of an original that has crashed may be tried
// once more.
func (q *queue) mayRetry(original Identity) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.strikes(original)+q.running[original] <= mostStrikes
}

// release says that a job that next has returned is done.
func (q *queue) release(original Identity) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.running[original]--; q.running[original] == 0 {
		delete(q.running, original)
	}
	q.seats.wake()
}

// close refuses all that waits and all that comes, with ErrShutdown.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for _, o := range q.waiting {
		o.fail(ErrShutdown)
	}
	q.waiting = nil
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}
