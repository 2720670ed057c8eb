// SPDX-License-Identifier: MIT

package render

import (
	"errors"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"thumbd/internal/thumb"
)

const (
	refusalsKept = 4096
	refusalTime  = 10 * time.Minute
	// mostStrikes is the most deadlines and crashes that one original may cost, for any
	// number of outputs.
	mostStrikes = 2
)

// refusals remembers the outputs and originals that could not be rendered. Safe for
// concurrent use.
type refusals struct {
	cache  *lru.Cache[refusalKey, refused]
	struck *lru.Cache[Identity, strikes]
	now    func() time.Time

	mu sync.Mutex
	// waited are the outputs that Render waits for. An output is true if forget has
	// included its original since.
	waited map[*output]bool
}

// strikes are the deadlines and crashes over an original, up to a time.
type strikes struct {
	count int
	until time.Time
}

// refusalKey names an original, or with a transform one thumbnail of it.
type refusalKey struct {
	identity  Identity
	transform thumb.Transform
}

type refused struct {
	refusal Refusal
	until   time.Time
}

func newRefusals() *refusals {
	cache, err := lru.New[refusalKey, refused](refusalsKept)
	if err != nil {
		panic(err) // The size is a constant above zero.
	}
	struck, err := lru.New[Identity, strikes](refusalsKept)
	if err != nil {
		panic(err) // As above.
	}
	return &refusals{cache: cache, struck: struck, now: time.Now, waited: make(map[*output]bool)}
}

// begin notes that Render waits for o. The caller calls end.
func (m *refusals) begin(o *output) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waited[o] = false
}

func (m *refusals) end(o *output) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.waited, o)
}

// forget drops the refusals and strikes of a site's originals that covers reports true
// for. Of the outputs that Render waits for now, it has no later refusal remembered. Their
// strikes count: otherwise an original that hangs could be tried without end.
func (m *refusals) forget(site string, covers func(name string) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	of := func(id Identity) bool { return id.Site == site && covers(id.Name) }
	for _, key := range m.cache.Keys() {
		if of(key.identity) {
			m.cache.Remove(key)
		}
	}
	for _, id := range m.struck.Keys() {
		if of(id) {
			m.struck.Remove(id)
		}
	}
	for o := range m.waited {
		if of(o.Identity) {
			m.waited[o] = true
		}
	}
}

// strikes returns how many deadlines and crashes an original has cost lately.
// Outputs that were made in between do not lower it: an original may hang in
// every second size.
func (m *refusals) strikes(id Identity) int {
	if s, ok := m.struck.Get(id); ok && m.now().Before(s.until) {
		return s.count
	}
	return 0
}

// strike counts one more.
func (m *refusals) strike(id Identity) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.struck.Add(id, strikes{m.strikes(id) + 1, m.now().Add(refusalTime)})
}

// get returns the refusal that r would meet again, or nil.
func (m *refusals) get(r Request) error {
	for _, key := range []refusalKey{{r.Identity, thumb.Transform{}}, {r.Identity, r.Transform}} {
		if x, ok := m.cache.Get(key); ok && m.now().Before(x.until) {
			refusal := x.refusal
			return &refusal
		}
	}
	return nil
}

// add remembers the error of o if it is a *Refusal, unless forget has included o's
// original since Render began. If the refusal is about the original, it is remembered for
// all outputs of the original.
func (m *refusals) add(o *output) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, err := o.Request, o.err
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok || m.waited[o] {
		return
	}
	refusal.Remembered = m.get(r) != nil
	key := refusalKey{identity: r.Identity}
	kept := Refusal{Err: refusal.Err, Detail: refusal.Detail, Remembered: true}
	switch {
	case errors.Is(err, ErrDeadline) && m.strikes(r.Identity) >= mostStrikes:
		// Not only this output's.
	case isAny(err, ErrDeadline, ErrNoVariant, ErrTooManyFrames, ErrThumbnailTooLarge, ErrThumbnailBytes):
		key.transform = r.Transform
	case errors.Is(err, ErrCrashed):
		kept.Err = ErrQuarantined
	}
	m.cache.Add(key, refused{kept, m.now().Add(refusalTime)})
}

func isAny(err error, targets ...error) bool {
	return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
}
