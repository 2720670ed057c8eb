// SPDX-License-Identifier: MIT

package keep

import (
	"context"
	"errors"
	"sync"
)

// flights has each thumbnail made once for any number of requests. Safe for
// concurrent use.
type flights struct {
	mu      sync.Mutex
	current map[string]*flight
}

// flight is one making of a thumbnail, and its waiting requests.
type flight struct {
	asked   Request
	done    chan struct{} // closed once outcome and err are set
	wanted  chan struct{} // closed once a client waits
	cancel  context.CancelFunc
	waiters int // under flights' lock
	outcome Outcome
	err     error
}

func newFlights() *flights { return &flights{current: make(map[string]*flight)} }

// makeFunc makes a thumbnail. If no request waits for it any more, ctx is canceled. If a
// client begins to wait for it, wanted is closed.
type makeFunc func(ctx context.Context, wanted <-chan struct{}) (Outcome, error)

// do returns the outcome of one flight to all requests for the same thumbnail while
// the flight runs. If no flight runs, begin is called for the function of a new flight. If
// ctx is done, the request leaves, and the flight goes on for the others. The caller
// calls release after the use of the outcome.
func (f *flights) do(ctx context.Context, a Request, begin func() makeFunc) (out Outcome, release func(), err error) {
	return f.wait(ctx, a, begin, f.want)
}

// wait is do, and calls joined with each flight that it waits for.
func (f *flights) wait(ctx context.Context, a Request, begin func() makeFunc, joined func(*flight)) (out Outcome, release func(), err error) {
	for {
		fl := f.join(a, begin)
		joined(fl)
		select {
		case <-fl.done:
		case <-ctx.Done():
			f.leave(fl)
			return Outcome{}, func() {}, ctx.Err()
		}
		if !errors.Is(fl.err, context.Canceled) {
			return fl.outcome, func() { f.leave(fl) }, fl.err
		}
		// All others had left before this one came: it is made anew.
		f.leave(fl)
	}
}

// join returns a's flight, a new one if there is none.
func (f *flights) join(a Request, begin func() makeFunc) *flight {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := a.key()
	if fl, ok := f.current[key]; ok {
		fl.waiters++
		return fl
	}
	// Not of the first request: that may go away before the others.
	ctx, cancel := context.WithCancel(context.Background())
	fl := &flight{asked: a, done: make(chan struct{}), wanted: make(chan struct{}), cancel: cancel, waiters: 1}
	f.current[key] = fl
	run := begin()
	// Sites.users waits for it before the sites are closed.
	go func() {
		fl.outcome, fl.err = run(ctx, fl.wanted)
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.current[key] == fl {
			delete(f.current, key)
		}
		close(fl.done)
		fl.closeUnused()
	}()
	return fl
}

// want notes that a client waits for fl.
func (f *flights) want(fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	select {
	case <-fl.wanted:
	default:
		close(fl.wanted)
	}
}

// forget keeps new requests from joining a flight if covers is true for it: for a request
// from now on, the thumbnail is made anew. Waiting requests go on to wait.
func (f *flights) forget(covers func(Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, fl := range f.current {
		if covers(fl.asked) {
			delete(f.current, key)
		}
	}
}

func (f *flights) leave(fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl.waiters--
	fl.closeUnused()
}

// closeUnused gives up a flight if no request waits for it. flights' lock is held.
func (fl *flight) closeUnused() {
	if fl.waiters > 0 {
		return
	}
	fl.cancel()
	select {
	case <-fl.done:
		fl.outcome.close()
	default:
	}
}
