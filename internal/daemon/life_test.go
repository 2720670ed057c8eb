// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// recorded is a life that a test leads.
type recorded struct {
	life
	reload  chan os.Signal
	failed  chan error
	begun   time.Time
	loads   atomic.Int64
	told    atomic.Int64 // reloads
	fed     atomic.Int64
	results []error // of the loads, one after the other; then nil
}

// live begins to wait in the life of a daemon whose first load has failed with err,
// unless it is nil. Each load takes loadTime. It is idle after idleTime.
func live(ctx context.Context, err error, loadTime, idleTime time.Duration, results ...error) (*recorded, <-chan error) {
	r := &recorded{reload: make(chan os.Signal, 1), failed: make(chan error), begun: time.Now(), results: results}
	r.life = life{
		load: func(context.Context) error {
			n := int(r.loads.Add(1))
			time.Sleep(loadTime)
			if n > len(r.results) {
				return nil
			}
			return r.results[n-1]
		},
		reloading: func() { r.told.Add(1) },
		retry: func(err error) time.Duration {
			if err == nil {
				return math.MaxInt64
			}
			return retryTime
		},
		beat: func() time.Duration { return time.Minute },
		idle: func() bool { return time.Since(r.begun) >= idleTime },
		feed: func() { r.fed.Add(1) },
		log:  slog.New(slog.DiscardHandler),
	}
	ended := make(chan error, 1)
	go func() { ended <- r.wait(ctx, r.reload, r.failed, err) }()
	return r, ended
}

// never is longer than any test's time.
const never = math.MaxInt64

func TestAnIdleDaemonEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, ended := live(t.Context(), nil, 0, 10*time.Minute)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if d, fed := time.Since(r.begun), r.fed.Load(); d != 10*time.Minute || fed != 9 {
			t.Errorf("ended after %v, fed %d times; want 10m and 9", d, fed)
		}
	})
}

// Signals during a load stand for one load after it, which reads the latest file.
func TestSignalsDuringALoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r, ended := live(ctx, nil, time.Minute, never)
		for range 4 {
			r.reload <- syscall.SIGHUP
			time.Sleep(time.Second)
		}
		if n := r.loads.Load(); n != 1 {
			t.Errorf("%d loads at once", n)
		}
		time.Sleep(time.Hour)
		if loads, told := r.loads.Load(), r.told.Load(); loads != 2 || told != 4 {
			t.Errorf("%d loads, told %d times; want 2 and 4", loads, told)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A load that has failed is tried again until one succeeds.
func TestFailedLoadsAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		broken := errors.New("no worker starts")
		r, ended := live(ctx, broken, 0, never, broken, broken)
		for _, want := range []int64{0, 1, 2, 3, 3} {
			if n := r.loads.Load(); n != want {
				t.Errorf("after %v: %d loads, want %d", time.Since(r.begun), n, want)
			}
			time.Sleep(retryTime)
			synctest.Wait()
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// A stop waits for the load that is under way, and begins no other.
func TestStopDuringALoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r, ended := live(ctx, nil, time.Minute, never, context.Canceled)
		r.reload <- syscall.SIGHUP
		time.Sleep(10 * time.Second)
		r.reload <- syscall.SIGHUP
		time.Sleep(10 * time.Second)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if d, n := time.Since(r.begun), r.loads.Load(); d != time.Minute || n != 1 {
			t.Errorf("ended after %v and %d loads, want 1m and 1", d, n)
		}
	})
}

func TestAServersFailureEndsTheDaemon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, ended := live(t.Context(), nil, 0, never)
		broken := errors.New("accept: too many open files")
		r.failed <- broken
		if err := <-ended; !errors.Is(err, broken) {
			t.Errorf("error %v, want %v", err, broken)
		}
	})
}
