// SPDX-License-Identifier: MIT

package rig

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
)

// Log has the lines that a program has written so far. It is safe for concurrent use.
type Log struct {
	also io.Writer

	mu      sync.Mutex
	text    strings.Builder
	changed chan struct{} // closed at the next Write
}

func newLog(also io.Writer) *Log {
	if also == nil {
		also = io.Discard
	}
	return &Log{also: also, changed: make(chan struct{})}
}

// Write appends b.
func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(b)
	close(l.changed)
	l.changed = make(chan struct{})
	return l.also.Write(b)
}

// String returns the whole text.
func (l *Log) String() string {
	text, _ := l.now()
	return text
}

// Count returns the number of lines that have all of words.
func (l *Log) Count(words ...string) int { return count(l.String(), words) }

// Wait returns when n lines have all of words, or the context's error. If a program
// writes a line and then answers a request, the line may arrive after the answer.
func (l *Log) Wait(ctx context.Context, n int, words ...string) error {
	for {
		text, changed := l.now()
		if count(text, words) >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d lines with %q: %w\n%s", count(text, words), n, words, context.Cause(ctx), text)
		}
	}
}

func (l *Log) now() (text string, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String(), l.changed
}

func count(text string, words []string) int {
	n := 0
	for line := range strings.Lines(text) {
		if hasAll(line, words) {
			n++
		}
	}
	return n
}

func hasAll(line string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(line, w) {
			return false
		}
	}
	return true
}
