// SPDX-License-Identifier: MIT

package flight

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// bench is a Group of the questions "a", "b" and so on. Its results are the numbers of the
// runs, from 1.
type bench struct {
	*Group[string, int]
	runs      atomic.Int64
	discarded []int // under the Group's lock
}

func newBench(ctx context.Context) *bench {
	b := &bench{}
	b.Group = New(ctx, func(a string) string { return a }, func(n int) { b.discarded = append(b.discarded, n) })
	return b
}

// outcome is the answer to one caller.
type outcome struct {
	n       int
	release func()
	err     error
}

// ask calls Do in the background with an action that ends as end says.
func (b *bench) ask(ctx context.Context, a string, end func(context.Context) error) <-chan outcome {
	c := make(chan outcome, 1)
	go func() {
		n, release, err := b.Do(ctx, a, b.action(end))
		c <- outcome{n, release, err}
	}()
	return c
}

func (b *bench) action(end func(context.Context) error) func() Func[int] {
	return func() Func[int] {
		return func(ctx context.Context, _ <-chan struct{}) (int, error) {
			n := int(b.runs.Add(1))
			return n, end(ctx)
		}
	}
}

// until returns an end of an action: when c is closed. It heeds no context.
func until(c <-chan struct{}) func(context.Context) error {
	return func(context.Context) error { <-c; return nil }
}

// canceled is the end of an action that ends early if nobody waits for it.
func canceled(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

func at(t *testing.T, c <-chan outcome, run int, err error) outcome {
	t.Helper()
	got := <-c
	if got.n != run || !errors.Is(got.err, err) {
		t.Errorf("run %d, %v; want run %d, %v", got.n, got.err, run, err)
	}
	return got
}

func TestCallersShareARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, end := newBench(t.Context()), make(chan struct{})
		failed := errors.New("failed")
		fail := func(context.Context) error { <-end; return failed }
		first, second, other := b.ask(t.Context(), "a", fail), b.ask(t.Context(), "a", fail), b.ask(t.Context(), "b", canceled)
		synctest.Wait()
		if flights, callers := b.Callers(); flights != 2 || callers != 3 {
			t.Errorf("%d callers of %d flights, want 3 of 2", callers, flights)
		}
		close(end)
		one, two := <-first, <-second
		if one.n != two.n || !errors.Is(one.err, failed) || !errors.Is(two.err, failed) || b.runs.Load() != 2 {
			t.Errorf("%v, %v after %d runs; want equal results after 2", one, two, b.runs.Load())
		}
		if again := <-b.ask(t.Context(), "a", fail); again.n != 3 {
			t.Errorf("a caller after the end gets run %d, want a run of its own", again.n)
		}
		select {
		case <-other:
			t.Error("another question was answered too")
		default:
		}
	})
}

// The result is discarded once, after its last user.
func TestResultIsDiscardedAfterItsLastUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, end := newBench(t.Context()), make(chan struct{})
		first, second := b.ask(t.Context(), "a", until(end)), b.ask(t.Context(), "a", until(end))
		synctest.Wait()
		close(end)
		at(t, first, 1, nil).release()
		if len(b.discarded) != 0 {
			t.Error("discarded in use")
		}
		at(t, second, 1, nil).release()
		if len(b.discarded) != 1 {
			t.Errorf("discarded %d times, want once", len(b.discarded))
		}
	})
}

func TestFirstCallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, end := newBench(t.Context()), make(chan struct{})
		ctx, leave := context.WithCancel(t.Context())
		run := func(ctx context.Context) error { <-end; return ctx.Err() }
		first := b.ask(ctx, "a", run)
		synctest.Wait()
		second := b.ask(t.Context(), "a", run)
		synctest.Wait()
		leave()
		at(t, first, 0, context.Canceled)
		close(end)
		at(t, second, 1, nil).release()
	})
}

func TestLastCallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t.Context())
		ctx, leave := context.WithCancel(t.Context())
		first, second := b.ask(ctx, "a", canceled), b.ask(ctx, "a", canceled)
		synctest.Wait()
		leave()
		at(t, first, 0, context.Canceled)
		at(t, second, 0, context.Canceled)
		b.Wait()
		if flights, _ := b.Callers(); flights != 0 || len(b.discarded) != 1 {
			t.Errorf("%d flights are left, and %d results were discarded; want 0 and 1", flights, len(b.discarded))
		}
	})
}

// late has the only caller of a run leave, and then another one come, while the run still
// lasts. The run ends as end says when goOn is closed.
func late(t *testing.T, b *bench, end func(context.Context) error) (c <-chan outcome, goOn chan struct{}) {
	t.Helper()
	goOn = make(chan struct{})
	ctx, leave := context.WithCancel(t.Context())
	slow := func(ctx context.Context) error { <-goOn; return end(ctx) }
	first := b.ask(ctx, "a", slow)
	synctest.Wait()
	leave()
	at(t, first, 0, context.Canceled)
	c = b.ask(t.Context(), "a", slow)
	synctest.Wait()
	if n := b.runs.Load(); n != 1 {
		t.Errorf("%d runs at once, want 1", n)
	}
	return c, goOn
}

func TestCallerAfterTheLastHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t.Context())
		c, goOn := late(t, b, func(ctx context.Context) error { return ctx.Err() })
		close(goOn)
		at(t, c, 2, nil).release()
		if len(b.discarded) != 2 {
			t.Errorf("%d results were discarded, want 2", len(b.discarded))
		}
	})
}

func TestResultInSpiteOfTheCancellation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t.Context())
		c, goOn := late(t, b, func(context.Context) error { return nil })
		close(goOn)
		at(t, c, 1, nil).release()
	})
}

func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, end := newBench(t.Context()), make(chan struct{})
		before, other := b.ask(t.Context(), "a", until(end)), b.ask(t.Context(), "b", until(end))
		synctest.Wait()
		b.Forget(func(a string) bool { return a == "a" })
		after, otherAfter := b.ask(t.Context(), "a", until(end)), b.ask(t.Context(), "b", until(end))
		synctest.Wait()
		if n := b.runs.Load(); n != 3 {
			t.Errorf("%d runs, want 3: of a, of b, and of a again", n)
		}
		close(end)
		if x, y := <-before, <-after; x.n == y.n || x.err != nil || y.err != nil {
			t.Errorf("%v and %v, want two runs", x, y)
		}
		if x, y := <-other, <-otherAfter; x.n != y.n {
			t.Errorf("runs %d and %d, want one", x.n, y.n)
		}
		b.Wait()
	})
}

// A flight that was begun in the background is wanted when another caller comes by Do.
func TestWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, joined := newBench(t.Context()), 0
		var isWanted atomic.Bool
		begin := func() Func[int] {
			return func(_ context.Context, wanted <-chan struct{}) (int, error) {
				<-wanted
				isWanted.Store(true)
				return 7, nil
			}
		}
		background := make(chan outcome, 1)
		go func() {
			n, release, err := b.Accompany(t.Context(), "a", begin, func() { joined++ })
			background <- outcome{n, release, err}
		}()
		synctest.Wait()
		if isWanted.Load() || joined != 1 {
			t.Errorf("wanted: %v, joined %d times; want a background flight, joined once", isWanted.Load(), joined)
		}
		at(t, b.ask(t.Context(), "a", canceled), 7, nil).release()
		at(t, background, 7, nil).release()
		at(t, b.ask(t.Context(), "b", func(context.Context) error { return nil }), 1, nil).release()
	})
}

// If the context of all flights ends, callers get its cause, and nothing is run again.
func TestEndOfAllFlights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stopped := errors.New("stopped")
		for name, end := range map[string]func(context.Context) error{
			"cause": func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) },
			"plain": canceled,
		} {
			all, stop := context.WithCancelCause(t.Context())
			b := newBench(all)
			c := b.ask(t.Context(), "a", end)
			synctest.Wait()
			stop(stopped)
			want := map[string]error{"cause": stopped, "plain": context.Canceled}[name]
			at(t, c, 1, want).release()
			at(t, b.ask(t.Context(), "a", end), 2, want).release()
			b.Wait()
		}
	})
}
