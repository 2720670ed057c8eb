// SPDX-License-Identifier: MIT

package fetch

import (
	"context"
	"sync"
)

// flights has each original fetched once for all who wait for it. Safe for
// concurrent use.
type flights struct {
	mu      sync.Mutex
	current map[string]*flight
	running sync.WaitGroup
	all     context.Context // of all flights
	stop    context.CancelCauseFunc
}

// flight is one fetch.
type flight struct {
	done    chan struct{} // closed once err is set
	cancel  context.CancelFunc
	waiters int // under flights' lock
	err     error
}

func newFlights() *flights {
	f := &flights{current: make(map[string]*flight)}
	// Not of the first who asks: that may go away before the others.
	f.all, f.stop = context.WithCancelCause(context.Background())
	return f
}

// do returns what run returns, once for all who ask for key while it runs. Its
// context is canceled when ctx is done for all of them; whoever asks after
// that has it run anew.
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

// forget lets the next who asks for key begin anew. The lock is held.
func (f *flights) forget(key string, fl *flight) {
	if f.current[key] == fl {
		delete(f.current, key)
	}
}

// wait returns when nothing runs.
func (f *flights) wait() { f.running.Wait() }
