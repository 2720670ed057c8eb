// SPDX-License-Identifier: MIT

package serve

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"thumbd/nginx"
)

// Each status of thumbd's is one for which nginx sends the original, except those
// that keep a client out, and those that the scheme inplace never has.
func TestInPlaceInterceptsEachStatus(t *testing.T) {
	text, err := nginx.Files.ReadFile("snippets/thumbd-inplace.conf")
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(text), "error_page ")
	line, _, _ = strings.Cut(line, " = @thumbd_original;")
	intercepted := strings.Fields(line)
	kept := []int{401, 403}
	never := []int{301, 302, 410} // of other schemes, and of downloads
	for _, s := range statuses {
		code := fmt.Sprint(s.code)
		if slices.Contains(kept, s.code) == slices.Contains(intercepted, code) && !slices.Contains(never, s.code) {
			t.Errorf("%s %s: intercepted: %v", code, s.reason, intercepted)
		}
	}
	if !slices.Contains(intercepted, fmt.Sprint(statusOf(fmt.Errorf("unknown")).code)) {
		t.Error("an unknown error is not intercepted")
	}
}

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
