// SPDX-License-Identifier: MIT

package publish

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestMarkers(t *testing.T) {
	dir := t.TempDir()
	tree := New(dir, "/u/", nil)
	defer tree.Close()
	when := time.Unix(1_600_000_000, 0)
	mark := func(name string) error {
		return tree.Mark(name, when, func(place func() error) error { return place() })
	}
	names := []string{"/u/a.jpg.avif", "/u/d/e/a.jpg.webp", "/u/d/b.jpg.webp"}
	for _, name := range names {
		if err := mark(name); err != nil {
			t.Fatal(err)
		}
		if got, ok := tree.Marker(name); !ok || !got.Equal(when) {
			t.Errorf("%s: %v, %v", name, got, ok)
		}
		if _, _, there := tree.Stat(name); there {
			t.Errorf("%s is published", name)
		}
	}
	if err := mark("/u/.thumbd/x"); !errors.Is(err, ErrName) {
		t.Errorf("a name of the tree's own: %v", err)
	}
	refused := errors.New("purged")
	if err := tree.Mark("/u/c.jpg.webp", when, func(func() error) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("a guard that refuses: %v", err)
	}
	if _, ok := tree.Marker("/u/c.jpg.webp"); ok {
		t.Error("marked against the guard")
	}
	if err := tree.Unmark(names[1]); err != nil {
		t.Fatal(err)
	}
	bin, err := tree.NewBin()
	if err != nil {
		t.Fatal(err)
	}
	// The tree's own folder, and one below it.
	if err := errors.Join(bin.TakeFiles("/u", []string{"a.jpg.avif", "x"}), bin.Take("/u/d"), bin.Delete(t.Context())); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if _, ok := tree.Marker(name); ok {
			t.Errorf("%s is still marked", name)
		}
	}
	if err := mark(names[0]); err != nil {
		t.Fatal(err)
	}
	if bin, err = tree.NewBin(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(bin.TakeAll(), bin.Delete(t.Context())); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "u/.thumbd")); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
