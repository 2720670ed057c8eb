// SPDX-License-Identifier: MIT

package aid

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
)

// Log has the lines that a program has written so far. The zero Log is ready for use. It
// is safe for concurrent use.
type Log struct {
	// Also gets all that is written, if it is not nil.
	Also io.Writer

	mu      sync.Mutex
	text    strings.Builder
	changed chan struct{} // closed at the next Write; nil if nobody waits for it
}

// Write appends b.
func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(b)
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
	if l.Also != nil {
		return l.Also.Write(b)
	}
	return len(b), nil
}

// String returns the whole text.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
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
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
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
