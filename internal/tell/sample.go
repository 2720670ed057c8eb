// SPDX-License-Identifier: MIT

package tell

import (
	"sync"
	"time"
)

// linesPerSecond is the number of renders with a line of their own in the log. If there
// are more, they are counted.
const linesPerSecond = 100

// Sampler leaves out log lines that would be too many. Safe for concurrent use.
type Sampler struct {
	now func() time.Time

	mu     sync.Mutex
	second int64
	lines  int // told in that second
	left   int // left out since the last told
}

// NewSampler returns a Sampler that has left out nothing.
func NewSampler() *Sampler { return &Sampler{now: time.Now} }

// Allow reports whether to write a line, and how many were left out of the
// seconds before.
func (s *Sampler) Allow() (ok bool, left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.now().Unix(); now != s.second {
		s.second, s.lines = now, 0
		left, s.left = s.left, 0
	}
	if s.lines == linesPerSecond {
		s.left++
		return false, left
	}
	s.lines++
	return true, left
}

// Rest returns how many were left out and not told.
func (s *Sampler) Rest() (left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	left, s.left = s.left, 0
	return left
}
