// SPDX-License-Identifier: MIT

package share

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// reports are what a gate has said, in order.
type reports chan bool

func gate(deadline time.Duration) (*Gate, reports) {
	g, told := newGate(), make(reports, 100)
	g.Set(deadline, func(slow bool) { told <- slow })
	return g, told
}

// hangs returns an operation that returns once end is closed.
func hangs(end <-chan struct{}) func() error {
	return func() error {
		<-end
		return nil
	}
}

func TestResultIsReturned(t *testing.T) {
	cause := errors.New("cause")
	for _, g := range []*Gate{newGate(), nil} {
		if v, err := Do(g, func() (int, error) { return 7, cause }, nil); v != 7 || !errors.Is(err, cause) {
			t.Errorf("got %d, %v, want 7 and the error", v, err)
		}
	}
}

func TestHangingOperation(t *testing.T) {
	g, told := gate(time.Millisecond)
	end := make(chan struct{})
	dropped := make(chan int)
	_, err := Do(g, func() (int, error) {
		<-end
		return 7, nil
	}, func(v int) { dropped <- v })
	if !errors.Is(err, ErrSlow) || g.Stuck() != 1 || !<-told {
		t.Errorf("%v, %d stuck, want %v and 1, and a report", err, g.Stuck(), ErrSlow)
	}
	g.Set(time.Minute, func(slow bool) { told <- slow })
	if err := Run(g, func() error { return nil }); !errors.Is(err, ErrBusy) {
		t.Errorf("a moment later: %v, want %v", err, ErrBusy)
	}
	close(end)
	if v := <-dropped; v != 7 {
		t.Errorf("dropped %d, want 7", v)
	}
	if <-told {
		t.Error("told that it is slow, want that it answers again")
	}
	if err := Run(g, func() error { return nil }); err != nil || g.Stuck() != 0 {
		t.Errorf("after it has answered: %v, %d stuck", err, g.Stuck())
	}
}

// However many operations hang and however often others try, so many run at most.
func TestOperationsAreBounded(t *testing.T) {
	g, told := gate(time.Millisecond)
	end := make(chan struct{})
	for range 3 * places {
		g.mu.Lock()
		g.until = time.Time{} // As two seconds later.
		g.mu.Unlock()
		if err := Run(g, hangs(end)); !errors.Is(err, ErrSlow) && !errors.Is(err, ErrBusy) {
			t.Fatal(err)
		}
	}
	if n := g.Stuck(); n != places {
		t.Errorf("%d operations hang, want %d", n, places)
	}
	if !<-told || len(told) > 0 {
		t.Error("want one report that it is slow")
	}
	close(end)
	if <-told {
		t.Error("told that it is slow, want that it answers again")
	}
	if len(g.places) != 0 {
		t.Errorf("%d places are taken", len(g.places))
	}
}

// Who waits for a place when an operation passes its deadline is not kept waiting
// for his own.
func TestWaitersAreRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := gate(time.Hour)
		end := make(chan struct{})
		defer close(end)
		for range places {
			go func() { _ = Run(g, hangs(end)) }()
		}
		synctest.Wait()
		refused := make(chan error, 1)
		go func() { refused <- Run(g, func() error { return nil }) }()
		synctest.Wait() // It waits for a place.
		begun := time.Now()
		g.isSlow()
		if err := <-refused; !errors.Is(err, ErrBusy) || time.Since(begun) > 0 {
			t.Errorf("got %v after %v, want %v at once", err, time.Since(begun), ErrBusy)
		}
	})
}

// closer tells when it is closed.
type closer chan struct{}

func (c closer) Close() error {
	close(c)
	return nil
}

func TestFilesAreClosedOnASlowShare(t *testing.T) {
	g, _ := gate(time.Millisecond)
	end := make(chan struct{})
	if err := Run(g, hangs(end)); !errors.Is(err, ErrSlow) {
		t.Fatal(err)
	}
	for range 3 {
		c := make(closer)
		g.Close(c)
		<-c
	}
	close(end)
}

func TestGateIsThatOfItsFolder(t *testing.T) {
	a := Of("/srv/a")
	if again := Of("/srv/a"); again != a || a == Of("/srv/b") {
		t.Error("want one gate for each folder")
	}
}
