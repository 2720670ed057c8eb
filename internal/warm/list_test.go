// SPDX-License-Identifier: MIT

package warm

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestAListIsNotInMemory has 200,000 originals with names of 100 bytes listed.
func TestAListIsNotInMemory(t *testing.T) {
	const n, limit = 200_000, 1 << 20
	l, err := newList()
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	before := heap()
	for i := range n {
		if err := l.add(fmt.Sprintf("%0100d", i)); err != nil {
			t.Fatal(err)
		}
	}
	next, most := 0, heap()
	err = l.each(func(name string) error {
		if name != fmt.Sprintf("%0100d", next) {
			return fmt.Errorf("%s at %d", name, next)
		}
		if next++; next%(n/4) == 0 {
			most = max(most, heap())
		}
		return nil
	})
	if err != nil || next != n || l.count != n {
		t.Errorf("%d of %d names, %v", next, n, err)
	}
	if most > before+limit {
		t.Errorf("%d KiB of memory, want at most %d", (most-before)>>10, limit>>10)
	}
}

// heap returns the bytes of what is in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A list has a name on each line, or ends each with NUL, as find -print0 does: then a
// name may have a newline.
func TestEachLine(t *testing.T) {
	for text, want := range map[string][]string{
		"a\n\nb":        {"a", "b"},
		"a\nb\x00c\n":   {"a", "b\x00c"},
		"a\x00b\nc\x00": {"a", "b\nc"},
		"a\x00\x00b":    {"a", "b"},
		"":              nil,
		"a":             {"a"},
	} {
		var got []string
		if err := eachLine(strings.NewReader(text), func(line string) error {
			got = append(got, line)
			return nil
		}); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v, want %q", text, got, err, want)
		}
	}
}
