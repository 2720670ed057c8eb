// SPDX-License-Identifier: MIT

package render

import (
	"strconv"
	"sync"
	"testing"
)

// TestRefusalsAreBounded has more originals refused, and more that workers
// crashed over, than are remembered.
func TestRefusalsAreBounded(t *testing.T) {
	const most = 4096 // SECURITY.md says so.
	m := newRefusals()
	var last Request
	for i := range most + 100 {
		last = Request{Identity: Identity{Name: strconv.Itoa(i)}}
		m.add(&output{Request: last, err: &Refusal{Err: ErrDamaged}})
		m.strike(last.Identity)
	}
	if n := m.cache.Len(); n != most {
		t.Errorf("%d refusals are remembered, want %d", n, most)
	}
	if n := m.struck.Len(); n != most {
		t.Errorf("strikes of %d originals are remembered, want %d", n, most)
	}
	if m.get(last) == nil || m.strikes(last.Identity) != 1 {
		t.Error("the last one is forgotten")
	}
}

// No strike is lost if jobs of one original end at the same time.
func TestStrikesAtTheSameTime(t *testing.T) {
	const jobs, each = 4, 10_000
	m, id := newRefusals(), Identity{Name: "a.jpg"}
	var running sync.WaitGroup
	for range jobs {
		running.Go(func() {
			for range each {
				m.strike(id)
			}
		})
	}
	running.Wait()
	if n := m.strikes(id); n != jobs*each {
		t.Errorf("%d strikes, want %d", n, jobs*each)
	}
}
