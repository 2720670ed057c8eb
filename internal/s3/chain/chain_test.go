// SPDX-License-Identifier: MIT

package chain

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// source gives keys: the n-th look-up finds the key n.
type source struct {
	asked atomic.Int64
	life  time.Duration // of keys; 0: they have no end
	err   error
	hang  bool // until the look-up is given up
}

func (s *source) look(ctx context.Context) (aws.Credentials, error) {
	n := s.asked.Add(1)
	if s.hang {
		<-ctx.Done()
		return aws.Credentials{}, context.Cause(ctx)
	}
	if s.err != nil {
		return aws.Credentials{}, s.err
	}
	return aws.Credentials{AccessKeyID: fmt.Sprint(n), SecretAccessKey: "s", CanExpire: s.life != 0, Expires: time.Now().Add(s.life)}, nil
}

// expect asks for the keys.
func expect(t *testing.T, c *Chain, want string, wantErr error) {
	t.Helper()
	keys, err := c.Keys(t.Context())
	if keys.AccessKeyID != want || !errors.Is(err, wantErr) {
		t.Errorf("got the key %q and %v, want %q and %v", keys.AccessKeyID, err, want, wantErr)
	}
}

// Keys are renewed before they end, and nobody waits for that.
func TestRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: time.Hour}
		c := newChain(s.look, time.Now)
		defer c.Close()
		expect(t, c, "1", nil)
		time.Sleep(time.Hour - ahead - time.Second)
		expect(t, c, "1", nil)
		time.Sleep(time.Second)
		expect(t, c, "1", nil) // These still count.
		synctest.Wait()
		expect(t, c, "2", nil)
		if n := s.asked.Load(); n != 2 {
			t.Errorf("%d look-ups, want 2", n)
		}
	})
}

var errAway = errors.New("away")

// While no new keys can be had, the old ones serve until they end. Then the error is
// told, and asked for again each 5 seconds. No request fails after that has passed.
func TestProviderAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: time.Hour}
		c := newChain(s.look, time.Now)
		defer c.Close()
		expect(t, c, "1", nil)
		s.err = errAway
		for range 299 {
			time.Sleep(12 * time.Second)
			expect(t, c, "1", nil)
			synctest.Wait()
		}
		time.Sleep(12 * time.Second)
		expect(t, c, "", errAway)
		n := s.asked.Load()
		for range 10 {
			expect(t, c, "", errAway)
		}
		if more := s.asked.Load() - n; more != 0 {
			t.Errorf("%d look-ups for 10 requests after one that failed", more)
		}
		s.err = nil
		time.Sleep(soon)
		expect(t, c, fmt.Sprint(n+1), nil)
	})
}

// All who ask at once share one look-up, also one that hangs, and it is given up.
func TestOneLookUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{hang: true}
		c := newChain(s.look, time.Now)
		defer c.Close()
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() { expect(t, c, "", errLate) })
		}
		gone, cancel := context.WithCancelCause(t.Context())
		all.Go(func() {
			if _, err := c.Keys(gone); !errors.Is(err, errAway) {
				t.Errorf("one that went away: got %v, want %v", err, errAway)
			}
		})
		synctest.Wait()
		cancel(errAway)
		all.Wait()
		if n := s.asked.Load(); n != 1 {
			t.Errorf("%d look-ups, want 1", n)
		}
	})
}

func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain((&source{hang: true}).look, time.Now)
		defer c.Close()
		start := time.Now()
		go func() {
			synctest.Wait()
			c.Stop()
		}()
		expect(t, c, "", context.Canceled)
		if time.Since(start) > 0 {
			t.Error("it waited for the end of the look-up")
		}
	})
}

// Keys without an end are looked up again after a time, and before it if the store
// refuses them.
func TestReplacedKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(source)
		c := newChain(s.look, time.Now)
		defer c.Close()
		expect(t, c, "1", nil)
		c.Refused() // They were just found.
		expect(t, c, "1", nil)
		time.Sleep(soon)
		c.Refused()
		expect(t, c, "2", nil)
		time.Sleep(staticTime)
		expect(t, c, "2", nil)
		synctest.Wait()
		expect(t, c, "3", nil)
	})
}

// Keys that end before the next renewal are looked up again when they end.
func TestKeysOfSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: 3 * time.Second}
		c := newChain(s.look, time.Now)
		defer c.Close()
		expect(t, c, "1", nil)
		time.Sleep(3 * time.Second)
		expect(t, c, "2", nil)
	})
}

// An instance that gives keys that have ended is believed, as the store may be; it is
// asked again soon.
func TestEndedKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{life: -time.Minute}
		c := newChain(s.look, time.Now)
		defer c.Close()
		expect(t, c, "1", nil)
		expect(t, c, "1", nil)
		time.Sleep(soon)
		expect(t, c, "1", nil)
		synctest.Wait()
		expect(t, c, "2", nil)
	})
}
