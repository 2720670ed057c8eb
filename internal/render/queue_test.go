// SPDX-License-Identifier: MIT

package render

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"thumbd/internal/render/wire"
)

// outputs returns outputs that wait in a queue: of the original that is named
// first, in the background where it is in upper case.
func outputs(t *testing.T, q *queue, names ...string) []*output {
	t.Helper()
	var all []*output
	for _, name := range names {
		o := &output{done: make(chan struct{})}
		o.Identity.Name = strings.ToLower(name[:1])
		o.Background = name[0] < 'a'
		if err := q.add(o); err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
	}
	return all
}

// taken returns the jobs that a queue gives until it is empty, each as the
// names of its outputs' originals.
func taken(q *queue) []string {
	var jobs []string
	for job := q.take(&seat{side: neither}); job != nil; job = q.take(&seat{side: neither}) {
		var names strings.Builder
		for _, o := range job {
			names.WriteString(o.Identity.Name)
		}
		jobs = append(jobs, names.String())
		q.release(job[0].Identity)
	}
	return jobs
}

func TestOrderOfJobs(t *testing.T) {
	for name, tt := range map[string]struct{ waiting, want string }{
		"first come, first served":           {"a b c", "a b c"},
		"foreground first":                   {"A B c D e", "c e a b d"},
		"an original's are one job":          {"a b a", "aa b"},
		"in the background too":              {"A b a", "b aa"},
		"the foreground takes them with it":  {"A B a", "aa b"},
		"one that waits longer is no sooner": {"A A b B", "bb aa"},
	} {
		q := newQueue(16, noStrikes)
		outputs(t, q, strings.Fields(tt.waiting)...)
		if got := strings.Join(taken(q), " "); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

// What waits in the background, however much, keeps no client out.
func TestForegroundAndBackgroundFillTheQueueEachForItself(t *testing.T) {
	q := newQueue(2, noStrikes)
	outputs(t, q, "A", "B", "c", "d")
	for _, background := range []bool{true, false} {
		o := &output{done: make(chan struct{})}
		o.Background = background
		if err := q.add(o); !errors.Is(err, ErrQueueFull) {
			t.Errorf("background %v, one too many: got %v, want %v", background, err, ErrQueueFull)
		}
	}
	if got, want := strings.Join(taken(q), " "), "c d a b"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAJobHasAtMostSoManyOutputs(t *testing.T) {
	const waiting = wire.MaxOutputs + 8
	q := newQueue(waiting, noStrikes)
	outputs(t, q, strings.Fields(strings.Repeat("a ", waiting))...)
	var sizes []int
	for _, job := range taken(q) {
		sizes = append(sizes, len(job))
	}
	if got, want := fmt.Sprint(sizes), fmt.Sprint([]int{wire.MaxOutputs, 8}); got != want {
		t.Errorf("jobs of %s outputs, want %s", got, want)
	}
}

// The outputs of an original that has cost a deadline or a crash wait behind
// those of other clients, and before what nobody waits for.
func TestOutputsOfAStruckOriginalWait(t *testing.T) {
	q := newQueue(16, func(id Identity) int {
		if id == (Identity{Name: "a"}) {
			return 1
		}
		return 0
	})
	outputs(t, q, strings.Fields("a a B c")...)
	if got, want := strings.Join(taken(q), " "), "c aa b"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// If all the jobs of an original that run hang, they cost no more than it may.
func TestJobsOfOneOriginalAtOnce(t *testing.T) {
	struck := 0
	q := newQueue(16, func(Identity) int { return struck })
	running := 0
	take := func() int {
		outputs(t, q, "a")
		for q.take(&seat{side: neither}) != nil {
			running++
		}
		return running
	}
	for range 2 * mostStrikes {
		take()
	}
	if got := take(); got != mostStrikes {
		t.Errorf("%d run at once, want %d", got, mostStrikes)
	}
	struck = mostStrikes
	if got := take(); got != mostStrikes {
		t.Errorf("%d run before the last one has said why, want %d", got, mostStrikes)
	}
}

// Those that failed in company come behind all others, each alone, though more
// of their original wait.
func TestOutputsThatComeBack(t *testing.T) {
	q := newQueue(16, noStrikes)
	outputs(t, q, "a", "a")
	failed := q.take(&seat{side: neither})
	outputs(t, q, "b", "a")
	q.again(failed)
	q.release(failed[0].Identity)
	if got, want := strings.Join(taken(q), " "), "b a a a"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNobodyWaitsForAnOutputThatComesBack(t *testing.T) {
	q := newQueue(16, noStrikes)
	outputs(t, q, "a", "a")
	failed := q.take(&seat{side: neither})
	if q.abandon(failed[0]) {
		t.Error("an output that is being rendered was withdrawn")
	}
	q.again(failed)
	if got := taken(q); len(got) != 1 {
		t.Errorf("%d jobs, want 1", len(got))
	}
	select {
	case <-failed[0].done:
	default:
		t.Fatal("it has not ended")
	}
	if !errors.Is(failed[0].err, context.Canceled) {
		t.Errorf("got %v, want %v", failed[0].err, context.Canceled)
	}
}

func noStrikes(Identity) int { return 0 }
