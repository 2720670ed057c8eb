// SPDX-License-Identifier: MIT

// Package tell keeps trouble that every request meets from filling the log.
package tell

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

const (
	// kept is how many lines are remembered.
	kept = 4096
	// Pause is the usual time between two lines of the log about the same trouble.
	Pause = time.Minute
)

// Lines remembers lines of the log, so that they are not repeated. Safe for concurrent
// use.
type Lines struct {
	Now func() time.Time // the clock

	mu   sync.Mutex
	told *lru.Cache[string, told]
}

// told is when something was told last, and how often it was left out since.
type told struct {
	at   time.Time
	more int
}

// NewLines returns Lines without a line.
func NewLines() *Lines {
	cache, err := lru.New[string, told](kept)
	if err != nil {
		panic(err) // The size is a constant above zero.
	}
	return &Lines{Now: time.Now, told: cache}
}

// Due reports whether to log a fault: once a pause for each what, for example
// "unpublished gallery". more is the number of lines that were left out before.
func (t *Lines) Due(what string, pause time.Duration) (more int, due bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.Now()
	last, known := t.told.Get(what)
	if known && now.Sub(last.at) < pause {
		last.more++
		t.told.Add(what, last)
		return 0, false
	}
	t.told.Add(what, told{at: now})
	return last.more, true
}
