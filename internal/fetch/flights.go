// SPDX-License-Identifier: MIT

package fetch

import (
	"context"
	"sync"
)

// flights lets concurrent requests for one original share one fetch. Its methods
// are safe for concurrent use.
type flights struct {
	mu      sync.Mutex
	current map[string]*flight
	running sync.WaitGroup
	all     context.Context // of all flights
	stop    context.CancelCauseFunc
}

// flight is one fetch in progress.
type flight struct {
	done    chan struct{} // closed once err is set
	cancel  context.CancelFunc
	waiters int // under flights' lock
	err     error
}

func newFlights() *flights {
	f := &flights{current: make(map[string]*flight)}
	// The first caller may go away before the others: the fetch has a context of
	// its own.
	f.all, f.stop = context.WithCancelCause(context.Background())
	return f
}

// do calls run, and returns its result to all callers with the same key that
// come while run is in progress. It cancels run's context when the contexts of
// all these callers are done; a caller that comes later starts run again.
func (f *flights) do(ctx context.Context, key string, run func(context.Context) error) error {
	fl := f.join(key, run)
	select {
	case <-fl.done:
		return fl.err
	case <-ctx.Done():
		f.leave(key, fl)
		return ctx.Err()
	}
}

func (f *flights) join(key string, run func(context.Context) error) *flight {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl, ok := f.current[key]; ok {
		fl.waiters++
		return fl
	}
	ctx, cancel := context.WithCancel(f.all)
	fl := &flight{done: make(chan struct{}), cancel: cancel, waiters: 1}
	f.current[key] = fl
	f.running.Go(func() {
		defer cancel()
		fl.err = run(ctx)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.forget(key, fl)
		close(fl.done)
	})
	return fl
}

func (f *flights) leave(key string, fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl.waiters--; fl.waiters == 0 {
		fl.cancel()
		f.forget(key, fl)
	}
}

// forget lets the next caller with this key start a new flight. The lock is
// held.
func (f *flights) forget(key string, fl *flight) {
	if f.current[key] == fl {
		delete(f.current, key)
	}
}

// wait returns when no flight is in progress.
func (f *flights) wait() { f.running.Wait() }
