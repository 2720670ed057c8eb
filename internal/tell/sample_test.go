// SPDX-License-Identifier: MIT

package tell

import (
	"testing"
	"time"
)

func TestSamplerTellsWhatItLeavesOut(t *testing.T) {
	s := NewSampler()
	now := time.Unix(1000, 0)
	s.now = func() time.Time { return now }
	told, reported := 0, 0
	burst := func(n int) {
		for range n {
			ok, left := s.Allow()
			if ok {
				told++
			}
			reported += left
		}
	}
	burst(100)
	if told != 100 || reported != 0 {
		t.Errorf("as many as there may be: told %d, left %d", told, reported)
	}
	burst(250)
	if told != 100 || reported != 0 {
		t.Errorf("in the same second: told %d, left %d", told, reported)
	}
	now = now.Add(time.Second)
	burst(1)
	if told != 101 || reported != 250 {
		t.Errorf("in the next: told %d, left %d, want 101, 250", told, reported)
	}
	burst(120)
	if rest := s.Rest(); told != 200 || rest != 21 {
		t.Errorf("at the end: told %d, left %d, want 200, 21", told, rest)
	}
	if rest := s.Rest(); rest != 0 {
		t.Errorf("told twice: %d", rest)
	}
}
