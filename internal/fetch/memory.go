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
	// refusalTime is for what the origin has decided, troubleTime for what may
	// pass by itself.
	refusalTime = 30 * time.Second
	troubleTime = 2 * time.Second
)

// memory remembers for a short time what could not be fetched, and whether
// the origin answers at all. Safe for concurrent use.
type memory struct {
	now func() time.Time

	mu       sync.Mutex
	refusals *lru.Cache[string, refusal]
	silent   refusal   // of all originals
	heard    time.Time // when there was an answer last
	late     late
}

// late is the first original that was waited for in vain since the origin was
// heard.
type late struct {
	key   string
	start time.Time
}

type refusal struct {
	err   error
	until time.Time
}

func newMemory() *memory {
	cache, err := lru.New[string, refusal](refusalsKept)
	if err != nil {
		panic(err) // The size is a constant above zero.
	}
	return &memory{now: time.Now, refusals: cache}
}

// get returns why the original of key can't be had, or nil.
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
	return nil
}

// answered notes that the origin has answered, whatever.
func (m *memory) answered() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.heard, m.silent = m.now(), refusal{}
}

// add remembers why a fetch that began at start has failed. An origin that
// could not be connected to will not answer others either, nor will one that
// two originals were waited for in vain and no other was heard of meanwhile. One
// that is late once, or hangs up, may do so for this original alone.
func (m *memory) add(key string, start time.Time, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := refusal{err, m.now().Add(troubleTime)}
	switch {
	case errors.Is(err, context.Canceled), isAny(err, ErrBusy, ErrSpool, ErrStopped):
		return
	case isAny(err, fs.ErrNotExist, originals.ErrTooLarge, ErrType):
		r.until = m.now().Add(refusalTime)
	case m.heard.Before(start) && (isDial(err) || errors.Is(err, ErrSlow) && m.isSecond(key, start)):
		m.silent = r
	}
	m.refusals.Add(key, r)
}

// isSecond reports whether another original than that of key was late already,
// and the origin not heard since that began. The lock is held.
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
