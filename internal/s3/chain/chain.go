// SPDX-License-Identifier: MIT

// Package chain finds the keys of a store as AWS's programs do: in the environment, in
// profiles, by a role, by a web identity, from a container or from an instance. Its
// requests go through the address guard of package fetch.
package chain

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

const (
	// lookTime bounds one look-up, with all of its requests.
	lookTime = 15 * time.Second
	// ahead is how long before their end keys are renewed. From then on an instance has
	// new ones.
	ahead = 5 * time.Minute
	// staticTime is how long keys without an end count: a profile's file may be replaced.
	staticTime = 5 * time.Minute
	// soon is the least time between two look-ups.
	soon = 5 * time.Second
)

// Options are the options of a Chain.
type Options struct {
	Profile string // "": the environment's AWS_PROFILE, or default
	Region  string // of STS, if neither the environment nor the profile names one
	// AllowAddresses are special addresses that may be dialed, beside those of instances
	// and containers, for example the address of an STS endpoint in a private network.
	AllowAddresses []netip.Prefix
}

// Chain is the keys that AWS's chain finds. It keeps them, and renews them before they
// end. Its methods are safe for concurrent use.
type Chain struct {
	look func(context.Context) (aws.Credentials, error)
	now  func() time.Time

	all  context.Context // of all look-ups
	stop context.CancelFunc
	wait sync.WaitGroup

	mu     sync.Mutex
	keys   aws.Credentials
	found  time.Time     // when keys were found; zero: there are none to use
	renew  time.Time     // when to look again
	err    error         // of the last look-up
	flight chan struct{} // closed when the look-up in flight ends; nil: there is none
}

// New returns the chain of o. It finds nothing yet. The caller calls Close.
func New(o Options) *Chain {
	f := &finder{options: o, client: newClient(o.AllowAddresses)}
	return newChain(f.find, time.Now)
}

func newChain(look func(context.Context) (aws.Credentials, error), now func() time.Time) *Chain {
	c := &Chain{look: look, now: now}
	c.all, c.stop = context.WithCancel(context.Background())
	return c
}

// Stop ends the look-ups in flight. Keys then returns an error if it has none.
func (c *Chain) Stop() { c.stop() }

// Close ends the look-ups in flight and waits for their end. The caller must not call Keys
// after it.
func (c *Chain) Close() {
	c.stop()
	c.wait.Wait()
}

// Keys returns the keys. It waits for a look-up only if there are no keys that still count,
// and at most until ctx ends. For some seconds after a look-up has failed, all callers get
// its error. The error names the provider, and has no secret.
func (c *Chain) Keys(ctx context.Context) (aws.Credentials, error) {
	for {
		keys, flight, err := c.have()
		if flight == nil {
			return keys, err
		}
		select {
		case <-flight:
		case <-ctx.Done():
			return aws.Credentials{}, context.Cause(ctx)
		}
	}
}

// have returns the keys or the error of the last look-up, or a look-up to wait for.
func (c *Chain) have() (keys aws.Credentials, flight <-chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	// Also if the clock was set forward.
	ended := c.keys.CanExpire && !now.Before(c.keys.Expires)
	if c.flight == nil && (!now.Before(c.renew) || ended && c.err == nil) {
		c.flight = make(chan struct{})
		c.wait.Go(c.fly)
	}
	switch {
	case !c.found.IsZero() && !ended:
		return c.keys, nil, nil
	case c.flight != nil:
		return aws.Credentials{}, c.flight, nil
	}
	return aws.Credentials{}, nil, c.err
}

// fly looks up the keys once. If it finds none, earlier keys stay until they end.
func (c *Chain) fly() {
	ctx, cancel := context.WithTimeoutCause(c.all, lookTime, errLate)
	defer cancel()
	keys, err := c.look(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.flight)
	c.flight = nil
	now := c.now()
	if c.err = err; err != nil {
		c.renew = now.Add(soon)
		return
	}
	c.keys, c.found = keys, now
	c.renew = now.Add(staticTime)
	if !keys.CanExpire {
		return
	}
	left := keys.Expires.Sub(now)
	c.renew = now.Add(max(left-ahead, left/2, soon))
	if left <= 0 {
		// An instance may give keys that have ended, if it can't get others: the store
		// decides.
		c.keys.CanExpire = false
	}
}

var errLate = fmt.Errorf("no answer within %v", lookTime)

// Refused says that the store has refused the keys, for example because they were
// replaced before their end. The next Keys looks them up again, unless they have just
// been found.
func (c *Chain) Refused() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.found) >= soon && c.flight == nil {
		c.found, c.renew = time.Time{}, now
	}
}
