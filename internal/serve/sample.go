// SPDX-License-Identifier: MIT

package serve

import (
	"sync"
	"time"
)

// linesPerSecond is how many renders have a line in the log; those beyond are
// counted.
const linesPerSecond = 100

// sampler leaves out log lines that would be too many. Safe for concurrent use.
type sampler struct {
	now func() time.Time

	mu     sync.Mutex
	second int64
	lines  int // told in that second
	left   int // left out since the last told
}

func newSampler() *sampler { return &sampler{now: time.Now} }

// allow reports whether to write a line, and how many were left out of the
// seconds before.
func (s *sampler) allow() (ok bool, left int) {
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

// rest returns how many were left out and not told.
func (s *sampler) rest() (left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	left, s.left = s.left, 0
	return left
}

// tellLeft tells how many lines were left out, if any were.
func (h *Handler) tellLeft(left int) {
	if left > 0 {
		h.options.Log.Info("renders left out of the log", "lines", left)
	}
}
