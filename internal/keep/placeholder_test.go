// SPDX-License-Identifier: MIT

package keep

import (
	"testing"

	"thumbd/internal/render"
)

// Rendered placeholders take bounded memory, whatever their number and size.
func TestPlaceholdersAreBounded(t *testing.T) {
	p := newPlaceholders()
	key := func(i int) placeholderKey { return placeholderKey{identity: render.Identity{Size: int64(i)}} }
	for i := range 100 {
		p.add(key(i), make([]byte, 1<<20))
	}
	if p.bytes > placeholderBytes || p.kept.Len() != 15 {
		t.Errorf("%d pictures of 1 MiB take %d bytes, want 15", p.kept.Len(), p.bytes)
	}
	if _, ok := p.get(key(99)); !ok {
		t.Error("the last one is forgotten")
	}
	p.add(key(100), make([]byte, placeholderBytes+1))
	if _, ok := p.get(key(100)); ok {
		t.Error("one above the bound is kept")
	}
	for i := range 100_000 {
		p.add(key(i), []byte{1})
	}
	if n := p.kept.Len(); n > placeholderBytes/entryBytes || p.bytes != n*(1+entryBytes) {
		t.Errorf("%d small pictures count as %d bytes", n, p.bytes)
	}
	p.add(key(5), []byte{1, 2})
	p.add(key(5), []byte{1, 2, 3})
	if n := p.kept.Len(); p.bytes < n*(1+entryBytes) {
		t.Errorf("a picture that was replaced leaves %d bytes of %d pictures", p.bytes, n)
	}
}
