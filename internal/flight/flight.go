// SPDX-License-Identifier: MIT

// Package flight runs an action once for any number of callers that ask for its result
// at the same time. For example, a hundred requests for one missing thumbnail wait for one
// render, and requests for one original wait for one fetch.
package flight

import (
	"context"
	"errors"
	"sync"
)

// Group is a set of flights: actions in progress, each with its callers. A is the
// callers' question, for example the request for a thumbnail, and R is the result.
//
// A flight has a context of its own, because its first caller may leave before the others.
// The context is canceled if the last caller leaves before the end, so that the action can
// end early. A caller that comes after that waits for the end. If the action has ended
// with [context.Canceled], it is run again for this caller. So the same action never runs
// twice at once, except after Forget.
//
// The methods are safe for concurrent use.
type Group[A, R any] struct {
	all     context.Context
	key     func(A) string
	discard func(R)

	mu      sync.Mutex
	current map[string]*flight[A, R]
	running sync.WaitGroup
}

// flight is one action in progress.
type flight[A, R any] struct {
	asked   A
	done    chan struct{} // closed once result and err are set
	wanted  chan struct{} // closed once a caller of Do waits
	cancel  context.CancelFunc
	callers int // under the Group's lock
	result  R
	err     error
}

// Func is an action. If no caller waits for it any more, ctx is canceled. wanted is closed
// as soon as a caller of Do waits for it: until then all callers are callers of Accompany.
type Func[R any] func(ctx context.Context, wanted <-chan struct{}) (R, error)

// New returns a Group without flights. If all ends, the contexts of all flights end with
// its cause, and no action is run again.
//
// Questions with the same key share a flight. discard is called with each result, also one
// that came with an error, when no caller uses it any more; it must return soon and must
// not call the Group.
func New[A, R any](all context.Context, key func(A) string, discard func(R)) *Group[A, R] {
	return &Group[A, R]{all: all, key: key, discard: discard, current: make(map[string]*flight[A, R])}
}

// Do returns the result of the flight for a. If there is none, Do calls begin for the
// action of a new one. begin must return soon and must not call the Group. If ctx is done
// first, Do returns its error, and the flight goes on for the other callers. The caller
// calls release after the use of the result, also after an error.
func (g *Group[A, R]) Do(ctx context.Context, a A, begin func() Func[R]) (result R, release func(), err error) {
	return g.wait(ctx, a, begin, g.want)
}

// Accompany is Do for a caller in the background: the flight counts as wanted only if
// another caller comes by Do. It calls joined whenever it begins to wait for a flight: more
// than once if an action is run again.
func (g *Group[A, R]) Accompany(ctx context.Context, a A, begin func() Func[R], joined func()) (result R, release func(), err error) {
	return g.wait(ctx, a, begin, func(*flight[A, R]) { joined() })
}

func (g *Group[A, R]) wait(ctx context.Context, a A, begin func() Func[R], joined func(*flight[A, R])) (result R, release func(), err error) {
	for {
		fl := g.join(a, begin)
		joined(fl)
		select {
		case <-fl.done:
		case <-ctx.Done():
			g.leave(fl)
			return result, func() {}, ctx.Err()
		}
		if !errors.Is(fl.err, context.Canceled) || g.all.Err() != nil {
			return fl.result, func() { g.leave(fl) }, fl.err
		}
		// All others had left before this caller came.
		g.leave(fl)
	}
}

// join returns a's flight, a new one if there is none.
func (g *Group[A, R]) join(a A, begin func() Func[R]) *flight[A, R] {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := g.key(a)
	if fl, ok := g.current[key]; ok {
		fl.callers++
		return fl
	}
	ctx, cancel := context.WithCancel(g.all)
	fl := &flight[A, R]{asked: a, done: make(chan struct{}), wanted: make(chan struct{}), cancel: cancel, callers: 1}
	g.current[key] = fl
	run := begin()
	g.running.Go(func() {
		fl.result, fl.err = run(ctx, fl.wanted)
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.current[key] == fl {
			delete(g.current, key)
		}
		close(fl.done)
		g.endUnused(fl)
	})
	return fl
}

// want notes that a caller of Do waits for fl.
func (g *Group[A, R]) want(fl *flight[A, R]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-fl.wanted:
	default:
		close(fl.wanted)
	}
}

func (g *Group[A, R]) leave(fl *flight[A, R]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	fl.callers--
	g.endUnused(fl)
}

// endUnused cancels a flight without callers, or discards its result if it has ended. The
// lock is held.
func (g *Group[A, R]) endUnused(fl *flight[A, R]) {
	if fl.callers > 0 {
		return
	}
	fl.cancel()
	select {
	case <-fl.done:
		g.discard(fl.result)
	default:
	}
}

// Forget closes each flight for whose question covers reports true: a later caller does not
// join it, but has the action run anew, even while the closed flight lasts. Callers that
// wait already get the closed flight's result. covers must return soon and must not call
// the Group.
func (g *Group[A, R]) Forget(covers func(A) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for key, fl := range g.current {
		if covers(fl.asked) {
			delete(g.current, key)
		}
	}
}

// Wait returns when all actions have ended, also forgotten ones. Do and Accompany must not
// be called during or after it.
func (g *Group[A, R]) Wait() { g.running.Wait() }

// Callers returns the number of flights that a caller can still join, and the number of
// their callers.
func (g *Group[A, R]) Callers() (flights, callers int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, fl := range g.current {
		callers += fl.callers
	}
	return len(g.current), callers
}
