// SPDX-License-Identifier: MIT

package render

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"thumbd/internal/test/aid"
)

// reasons returns why workers were replaced, in their order.
func (b *bench) reasons() (got []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.events {
		if e.Text == "worker replaced" {
			got = append(got, e.Reason)
		}
	}
	return got
}

// expectReasons waits until as many workers were replaced.
func expectReasons(t *testing.T, b *bench, want ...string) {
	t.Helper()
	aid.Await(t, func() bool { return len(b.reasons()) >= len(want) })
	if got := b.reasons(); !slices.Equal(got, want) {
		t.Errorf("workers were replaced for %q, want %q", got, want)
	}
}

// expectAnother renders again, and fails the test if the worker old still serves.
func expectAnother(t *testing.T, b *bench, old int) {
	t.Helper()
	pid, _, err := b.render("plain", 7)
	if err != nil {
		t.Fatal(err)
	}
	if pid == old {
		t.Fatalf("worker %d was not replaced", old)
	}
}

func TestWorkerThatSpinsWithoutAJobIsReplaced(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Look, o.IdleCPU = time.Millisecond, 200*time.Millisecond })
	if _, _, err := b.render("spin", 7); err != nil {
		t.Fatal(err)
	}
	expectReasons(t, b, "spun")
}

// TestWorkerThatWorksIsNotIdle counts no processor time of a job.
func TestWorkerThatWorksIsNotIdle(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Look = time.Hour })
	var w *worker
	aid.Await(t, func() bool {
		b.Pool.mu.Lock()
		defer b.Pool.mu.Unlock()
		for w = range b.alive {
		}
		return w != nil
	})
	now := time.Now()
	for i, c := range []struct {
		busy bool
		want string
	}{{true, ""}, {true, ""}, {false, ""}, {false, "spun"}, {true, ""}, {false, ""}} {
		b.Pool.mu.Lock()
		// All that it has used since it started.
		w.idleUsed = min(w.idleUsed, -time.Hour)
		if got := w.misbehaves(c.busy, b.options, now); got.reason != c.want {
			t.Errorf("look %d: %q, want %q", i, got.reason, c.want)
		}
		if !w.idleSince.IsZero() {
			w.idleUsed = -time.Hour
		}
		b.Pool.mu.Unlock()
	}
}

// TestJobsAreNoIdleTime has jobs that are over before guard looks, and one of a
// worker that replaces another for the job.
func TestJobsAreNoIdleTime(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Look, o.IdleCPU = time.Hour, 50*time.Millisecond })
	for i := range 3 {
		b.look(time.Now())
		if _, _, err := b.render("work", i+1); err != nil {
			t.Fatal(err)
		}
		aid.Await(t, func() bool { return b.State().Running == 0 })
	}
	b.look(time.Now())
	b.Pool.mu.Lock()
	for w := range b.alive {
		if why := w.condemned.Load(); why != nil {
			t.Errorf("a worker that %s", why.detail)
		}
	}
	b.Pool.mu.Unlock()

	b = newBench(t, func(o *Options) { o.Look, o.IdleCPU = 10*time.Millisecond, 50*time.Millisecond })
	if _, _, err := b.render("plain", 7); err != nil {
		t.Fatal(err)
	}
	r := b.request("work", 7)
	r.Protected = true
	p, err := b.Render(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	p.File.Close()
	expectReasons(t, b, "site")
}

func TestWorkerWithManyThreadsIsReplaced(t *testing.T) {
	// The worker itself never answers.
	b := newBench(t, func(o *Options) { o.Look, o.RenderTime = time.Millisecond, 5*short })
	if _, _, err := b.render("threads", 7); !errors.Is(err, ErrCrashed) || !strings.Contains(err.Error(), "threads") {
		t.Fatalf("%v; want %v that tells of threads", err, ErrCrashed)
	}
	expectReasons(t, b, "crashed", "crashed")
}

// TestKeptOutputsHoldNoMemory has a worker keep the descriptor of an output.
func TestKeptOutputsHoldNoMemory(t *testing.T) {
	b := newBench(t, nil)
	if _, _, err := b.render("keep", 7); err != nil {
		t.Fatal(err)
	}
	_, _, err := b.render("kept", 7)
	if err == nil || !strings.Contains(err.Error(), "0 bytes, write") {
		t.Errorf("%v; want 0 bytes, and an error of a write", err)
	}
}

// TestUnsupportedIsDoubted replaces a worker that has refused several originals
// that a decoder has seen, which the probe has called readable. One is not
// enough: there are such originals.
func TestUnsupportedIsDoubted(t *testing.T) {
	b := newBench(t, nil)
	old, _, err := b.render("plain", 7)
	if err != nil {
		t.Fatal(err)
	}
	b.refuse("unsupported")
	for i := range mostDoubts {
		if got := b.reasons(); len(got) > 0 {
			t.Fatalf("replaced after %d refusals for %q", i, got)
		}
		if err := os.WriteFile(filepath.Join(b.dir, fmt.Sprint(i)), []byte("unsupported once decoded"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Render(t.Context(), b.request(fmt.Sprint(i), 7)); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%v; want %v", err, ErrUnsupported)
		}
	}
	expectAnother(t, b, old)
	expectReasons(t, b, "distrusted")
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.events[slices.IndexFunc(b.events, func(e Event) bool { return e.Reason != "" })]; !strings.Contains(e.Detail, "unsupported") {
		t.Errorf("got %+v", e)
	}
}

// TestWearOfWhatIsNotChecked replaces a worker sooner for an original of a
// format that Go does not walk.
func TestWearOfWhatIsNotChecked(t *testing.T) {
	for order, want := range map[string]int{"\x89PNG\r\n\x1a\n": 30, "<svg>": 3} {
		b := newBench(t, func(o *Options) { o.WorkerRenders = 3 * unseen })
		var old int
		for i := range want {
			if got := b.reasons(); len(got) > 0 {
				t.Errorf("%q: replaced after %d of %d outputs for %q", order, i, want, got)
			}
			if err := os.WriteFile(filepath.Join(b.dir, fmt.Sprint(i)), []byte(order), 0o600); err != nil {
				t.Fatal(err)
			}
			p, err := b.Render(context.Background(), b.request(fmt.Sprint(i), 7))
			if err != nil {
				t.Fatal(err)
			}
			old = pidOf(t, p)
		}
		expectAnother(t, b, old)
		expectReasons(t, b, "worn")
	}
}

// TestOpenAndProtectedSitesShareNoWorker has outputs of both sides come by
// turns.
func TestOpenAndProtectedSitesShareNoWorker(t *testing.T) {
	for workers := 1; workers <= 2; workers++ {
		b := newBench(t, func(o *Options) { o.Workers = workers })
		sides := map[int]bool{}
		for i := range 10 {
			r := b.request("plain", i+1)
			r.Protected = i%3 == 0
			p, err := b.Render(context.Background(), r)
			if err != nil {
				t.Fatal(err)
			}
			pid := pidOf(t, p)
			if side, seen := sides[pid]; seen && side != r.Protected {
				t.Fatalf("workers = %d: worker %d has served an open and a protected site", workers, pid)
			}
			sides[pid] = r.Protected
		}
		if len(sides) < 2 {
			t.Errorf("workers = %d: %v", workers, sides)
		}
	}
}

// pidOf closes a picture and returns the process that made it.
func pidOf(t *testing.T, p *Picture) (pid int) {
	t.Helper()
	defer p.File.Close()
	if _, err := fmt.Fscan(io.NewSectionReader(p.File, 0, 20), &pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

// TestTurnsStartNoWorkers has an open and a protected site asked by turns, of a
// pool that has a worker for each.
func TestTurnsStartNoWorkers(t *testing.T) {
	b := newBench(t, func(o *Options) { o.Workers = 2 })
	for i := range 20 {
		aid.Await(t, func() bool {
			b.queue.seats.mu.Lock()
			defer b.queue.seats.mu.Unlock()
			return len(b.queue.seats.idle) == 2
		})
		r := b.request("plain", i+1)
		r.Protected = i%2 == 1
		p, err := b.Render(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		p.File.Close()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	starts := 0
	for _, e := range b.events {
		if e.Text == "worker started" {
			starts++
		}
	}
	if starts > 3 {
		t.Errorf("%d workers were started; want at most two and a spare one", starts)
	}
}

// TestOutputsLeftToOthersAreTaken has a worker leave an output to one that dies,
// and one to a worker that takes another.
func TestOutputsLeftToOthersAreTaken(t *testing.T) {
	for name, others := range map[string]int{"that dies": 0, "that takes another": 1} {
		q := newQueue(16, noStrikes)
		fit := q.seats.sit(&worker{side: protected})
		for range others + 1 {
			outputs(t, q, "a")[0].Protected = true
			q.waiting[len(q.waiting)-1].Identity.Name = fmt.Sprint(len(q.waiting))
		}
		own := q.seats.sit(&worker{side: open})
		if job := q.take(own); job != nil {
			t.Fatalf("%s: a job that another worker fits", name)
		}
		if others > 0 && len(q.take(fit)) != 1 {
			t.Fatalf("%s: it takes none", name)
		}
		// Of now: the wake of each seat is one for the look that found no job.
		for len(own.look) > 0 {
			<-own.look
		}
		q.seats.leave(fit)
		select {
		case <-own.look:
		default:
			t.Errorf("%s: the first worker does not look again", name)
		}
		if len(q.take(own)) != 1 {
			t.Errorf("%s: the output is not taken", name)
		}
	}
}

// TestOwnSideFirst has a worker that is bound to a side take that side's
// outputs first, until both the others have waited and it has served for a while.
func TestOwnSideFirst(t *testing.T) {
	const moment, long = -time.Hour, 2 * patience
	for name, c := range map[string]struct {
		side           side
		waited, served time.Duration
		want           string
	}{
		"of a new worker":                      {neither, moment, moment, "a"},
		"of its side":                          {protected, moment, long, "b"},
		"of the other side":                    {open, moment, long, "a"},
		"of those that wait longer":            {protected, long, long, "a"},
		"of its side, since it has just begun": {protected, long, moment, "b"},
		"of the side that is first in line":    {open, long, moment, "a"},
	} {
		q := newQueue(16, noStrikes)
		all := outputs(t, q, "a", "b")
		all[1].Protected = true
		for _, o := range all {
			o.queued = time.Now().Add(-c.waited)
		}
		if got := q.take(&seat{side: c.side, since: time.Now().Add(-c.served)})[0].Identity.Name; got != c.want {
			t.Errorf("%s: %s first, want %s", name, got, c.want)
		}
	}
}

// TestAJobIsOfOneSide has an open and a protected site show the same original.
func TestAJobIsOfOneSide(t *testing.T) {
	q := newQueue(16, noStrikes)
	outputs(t, q, "a", "a")[1].Protected = true
	if got := len(q.take(&seat{side: neither})); got != 1 {
		t.Errorf("a job of %d outputs of both sides", got)
	}
}
