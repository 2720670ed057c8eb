// SPDX-License-Identifier: MIT

package keep

import "testing"

func TestBehind(t *testing.T) {
	b := newBehind(1)
	a, c, d := original{"s", "a"}, original{"s", "c"}, original{"s", "d"}
	if !b.add(a, 2) {
		t.Error("the first starts no maker")
	}
	if b.add(a, 2) || b.add(c, 2) || b.add(d, 2) {
		t.Error("a second maker")
	}
	if len(b.waiting) != 2 {
		t.Errorf("%v wait, want each once and the rest forgotten", b.waiting)
	}
	got, ok := b.next(original{})
	if !ok || got != a {
		t.Errorf("first: %v", got)
	}
	// While it is made it is known, and there is a place again.
	if b.add(a, 2); len(b.waiting) != 1 {
		t.Errorf("%v wait", b.waiting)
	}
	b.add(d, 2)
	for _, want := range []original{c, d} {
		if got, ok = b.next(got); !ok || got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	if _, ok := b.next(got); ok || len(b.known) != 0 || b.running != 0 {
		t.Errorf("not at its end: %+v", b)
	}
	if !b.add(a, 2) {
		t.Error("no maker is started again")
	}
}
