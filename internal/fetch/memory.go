// SPDX-License-Identifier: MIT

package fetch

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"thumbd/internal/originals"
)

const (
	refusalsKept = 4096
	// refusalTime is how long an answer of the origin is remembered (404, for
	// example), troubleTime how long a failure that may pass by itself.
	refusalTime = 30 * time.Second
	troubleTime = 2 * time.Second
	// leastPause and mostPause bound the time without requests after originals.ErrSlowDown.
	leastPause = time.Second
	mostPause  = 30 * time.Second
)

// memory remembers failed fetches for a short time, and whether the origin
// answers at all. Its methods are safe for concurrent use.
type memory struct {
	now func() time.Time

	mu       sync.Mutex
	refusals *lru.Cache[string, refusal]
	silent   refusal   // of all originals
	heard    time.Time // when there was an answer last
	late     late
	running  map[*run]bool
	slow     refusal       // of all originals: the store asks for fewer requests
	pause    time.Duration // of the last originals.ErrSlowDown
}

// run is a fetch in progress.
type run struct {
	of        original
	start     time.Time
	cancel    context.CancelCauseFunc
	forgotten bool // under the memory's lock
}

// errForgotten means that Forget was called for the original of a fetch in progress: the
// fetch may have got an earlier version.
var errForgotten = errors.New("forgotten while it was fetched")

// late is a fetch that timed out: the first one since the origin's last answer. If a
// second one times out, too, the origin counts as down.
type late struct {
	key   string
	start time.Time
}

type refusal struct {
	name  string // of the original
	err   error
	until time.Time
}

func newMemory() *memory {
	cache, err := lru.New[string, refusal](refusalsKept)
	if err != nil {
		panic(err) // The size is a constant above zero.
	}
	return &memory{now: time.Now, refusals: cache, running: make(map[*run]bool)}
}

// begin registers a fetch, before its request is sent. cancel ends it. The caller calls end.
func (m *memory) begin(of original, cancel context.CancelCauseFunc) *run {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := &run{of: of, start: time.Now(), cancel: cancel}
	m.running[r] = true
	return r
}

func (m *memory) end(r *run) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.running, r)
}

// forgotten returns errForgotten if forget has included r.
func (m *memory) forgotten(r *run) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.forgotten {
		return errForgotten
	}
	return nil
}

// forget removes the errors of the originals that covers reports true for, and marks and
// ends their fetches in progress.
func (m *memory) forget(covers func(name string) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range m.refusals.Keys() {
		if r, ok := m.refusals.Peek(key); ok && covers(r.name) {
			m.refusals.Remove(key)
		}
	}
	for r := range m.running {
		if covers(r.of.name) {
			r.forgotten = true
			r.cancel(errForgotten)
		}
	}
}

// get returns the remembered error for key, or nil.
func (m *memory) get(key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if r, ok := m.refusals.Get(key); ok && now.Before(r.until) {
		return r.err
	}
	if now.Before(m.silent.until) {
		return m.silent.err
	}
	if now.Before(m.slow.until) {
		return m.slow.err
	}
	return nil
}

// slowed returns the error that asked for fewer requests, while none are to be sent.
func (m *memory) slowed() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.now().Before(m.slow.until) {
		return m.slow.err
	}
	return nil
}

// served notes that the origin has answered a request.
func (m *memory) served() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.now().Before(m.slow.until) {
		m.pause = 0
	}
}

// slowDown has no request sent for a second, for twice as long each time that the origin
// has asked for it again, and for as long as it asks for. The lock is held.
func (m *memory) slowDown(err error) {
	if m.now().Before(m.slow.until) {
		return // Of a request that was on its way.
	}
	m.pause = min(max(2*m.pause, leastPause), mostPause)
	m.slow = refusal{err: err, until: m.now().Add(max(m.pause, After(err)))}
}

// answered notes that the origin has answered, with any status.
func (m *memory) answered() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.heard, m.silent = m.now(), refusal{}
}

// note remembers the error of a fetch, unless it is nil, and returns it. After forget has
// included the fetch, note returns errForgotten instead.
//
// The whole origin counts as silent if it refuses the connection, or if two fetches timed
// out and it answered no fetch in between. One timeout, or one closed connection, counts
// for this original alone.
func (m *memory) note(f *run, err error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f.forgotten {
		return errForgotten
	}
	r := refusal{f.of.name, err, m.now().Add(troubleTime)}
	switch {
	case err == nil, errors.Is(err, context.Canceled), isAny(err, originals.ErrBusy, originals.ErrSpool, originals.ErrStopped):
		return err
	case errors.Is(err, originals.ErrSlowDown):
		m.slowDown(err)
		// The others first: it may be this original alone that the store can't serve.
		r.until = m.slow.until.Add(troubleTime)
	case isAny(err, fs.ErrNotExist, originals.ErrTooLarge, originals.ErrType):
		r.until = m.now().Add(refusalTime)
	case m.heard.Before(f.start) && (isDial(err) || errors.Is(err, originals.ErrSlow) && m.isSecond(f.of.key, f.start)):
		m.silent = r
	}
	m.refusals.Add(f.of.key, r)
	return err
}

// isSecond reports whether the fetch of another original timed out, and the
// origin has not answered since that fetch began. The lock is held.
func (m *memory) isSecond(key string, start time.Time) bool {
	if m.late.key == "" || !m.heard.Before(m.late.start) {
		m.late = late{key, start}
	}
	return m.late.key != key
}

func isDial(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}
