// SPDX-License-Identifier: MIT

// Package share runs operations on file systems that may hang, for example on a
// hard NFS mount while its server is away: a bounded number at once, each with a
// deadline. If an operation hangs, it keeps its thread until the kernel lets it go, so
// the bound is also a bound of threads.
package share

import (
	"errors"
	"io"
	"sync"
	"time"
)

// Errors of Do. After ErrSlow the operation may still be running.
var (
	ErrSlow = errors.New("the file system does not answer in time")
	ErrBusy = errors.New("the file system did not answer a moment ago, or has too many operations at once")
)

const (
	// places is the number of operations at once. A disk gains nothing from more,
	// and a hanging share takes as many threads.
	places = 16
	// DefaultTime is the deadline of a gate that was told no other one.
	DefaultTime = 10 * time.Second
	// slowTime is how long a gate refuses operations after one was slow.
	slowTime = 2 * time.Second
)

// Gate bounds the operations on one folder. Its methods are safe for concurrent
// use.
type Gate struct {
	places chan struct{}

	mu      sync.Mutex
	time    time.Duration
	report  func(slow bool)
	until   time.Time     // operations are refused until then
	stuck   int           // operations past their deadline
	slowing chan struct{} // closed when until is set anew
	closing []io.Closer   // see Close
	closes  bool          // a goroutine closes them
}

// gates are of the whole process, as its threads are: an operation that hangs
// since before a reload counts after it too.
var gates = struct {
	sync.Mutex
	of map[string]*Gate
}{of: make(map[string]*Gate)}

// Of returns the gate of the folder at path, the same one for each call.
func Of(path string) *Gate {
	gates.Lock()
	defer gates.Unlock()
	g, ok := gates.of[path]
	if !ok {
		g = newGate()
		gates.of[path] = g
	}
	return g
}

func newGate() *Gate {
	return &Gate{
		places: make(chan struct{}, places), time: DefaultTime, slowing: make(chan struct{}),
		report: func(bool) {},
	}
}

// Set sets the deadline of later operations, and the function that is called
// when the first operation passes its deadline (true), and when none of these
// hangs any more (false).
func (g *Gate) Set(deadline time.Duration, report func(slow bool)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.time, g.report = deadline, report
}

// Stuck returns the number of operations that have passed their deadline and
// still hang.
func (g *Gate) Stuck() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stuck
}

// result is the result of an operation.
type result[T any] struct {
	value T
	err   error
}

// Do runs op and returns what it returns. If op does not return before the
// gate's deadline, Do returns ErrSlow, and drop is called with op's value once op
// returns without an error; drop may be nil. Do returns ErrBusy, without running
// op, for two seconds after an ErrSlow or until an operation that was slow returns,
// and if no place gets free before the deadline. op must not call Do of the same gate. A nil gate bounds nothing.
func Do[T any](g *Gate, op func() (T, error), drop func(T)) (T, error) {
	if g == nil {
		return op()
	}
	var none T
	deadline, err := g.enter()
	if err != nil {
		return none, err
	}
	done := make(chan result[T])
	given := make(chan struct{})
	go func() {
		v, err := op()
		select {
		case done <- result[T]{v, err}:
			<-g.places
		case <-given:
			if err == nil && drop != nil {
				drop(v)
			}
			g.returned()
		}
	}()
	timer := time.NewTimer(deadline)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.value, r.err
	case <-timer.C:
		g.isSlow()
		close(given)
		return none, ErrSlow
	}
}

// Run is Do for an operation without a value.
func Run(g *Gate, op func() error) error {
	_, err := Do(g, func() (struct{}, error) { return struct{}{}, op() }, nil)
	return err
}

// Close closes f. If the file system hangs, that goes on after Close has returned,
// with one goroutine for all files of the gate that have found no place.
func (g *Gate) Close(f io.Closer) {
	// The error of closing a file that was only read does not matter.
	if err := Run(g, f.Close); !errors.Is(err, ErrBusy) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closing = append(g.closing, f)
	if !g.closes {
		g.closes = true
		go g.closeAll()
	}
}

func (g *Gate) closeAll() {
	for {
		g.mu.Lock()
		files := g.closing
		g.closing, g.closes = nil, len(files) > 0
		g.mu.Unlock()
		if len(files) == 0 {
			return
		}
		for _, f := range files {
			_ = f.Close() // As in Close.
		}
	}
}

// enter waits for a place, and returns the deadline of the operation.
func (g *Gate) enter() (deadline time.Duration, err error) {
	g.mu.Lock()
	deadline, slowing := g.time, g.slowing
	refused := time.Now().Before(g.until) || g.stuck == cap(g.places)
	g.mu.Unlock()
	if refused {
		return 0, ErrBusy
	}
	select {
	case g.places <- struct{}{}:
		return deadline, nil
	default:
	}
	timer := time.NewTimer(deadline)
	defer timer.Stop()
	select {
	case g.places <- struct{}{}:
		return deadline, nil
	case <-slowing:
	case <-timer.C:
	}
	return 0, ErrBusy
}

// isSlow notes that an operation has passed its deadline.
func (g *Gate) isSlow() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.until = time.Now().Add(slowTime)
	close(g.slowing)
	g.slowing = make(chan struct{})
	if g.stuck++; g.stuck == 1 {
		g.report(true)
	}
}

// returned notes that an operation has returned after its deadline: the file
// system answers again.
func (g *Gate) returned() {
	<-g.places
	g.mu.Lock()
	defer g.mu.Unlock()
	g.until = time.Time{}
	if g.stuck--; g.stuck == 0 {
		g.report(false)
	}
}
