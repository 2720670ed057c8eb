// SPDX-License-Identifier: MIT

package originals

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDeleted(t *testing.T) {
	d, path := tree(t)
	for _, dir := range []string{"empty", "full/empty"} {
		if err := os.MkdirAll(filepath.Join(path, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("empty/gone", filepath.Join(path, "to-disk")); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		original string
		want     bool
	}{
		"there":                            {"sub/b.jpg", false},
		"there, behind a link":             {"folder/b.jpg", false},
		"not there":                        {"no.jpg", true},
		"not there, as its folder":         {"no/such/a.jpg", true},
		"in an empty folder":               {"empty/a.jpg", false},
		"below an empty folder":            {"empty/2024/a.jpg", false},
		"in an empty folder of a folder":   {"full/empty/a.jpg", false},
		"beside an empty folder":           {"full/a.jpg", true},
		"a link to what is not there":      {"dangling.jpg", false},
		"behind a link to what is nowhere": {"to-disk/a.jpg", false},
		"below a file":                     {"a.jpg/b.jpg", true},
		"a folder":                         {"sub", true},
		"a pipe":                           {"pipe.jpg", true},
		"outside":                          {"out.jpg", true},
		"no file's name":                   {strings.Repeat("x", 300), true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := d.Deleted(tt.original)
			if err != nil || got != tt.want {
				t.Errorf("Deleted(%q) = %v, %v, want %v", tt.original, got, err, tt.want)
			}
			if _, err := d.Stat(tt.original); tt.want && err == nil {
				t.Errorf("Stat(%q) finds it", tt.original)
			}
		})
	}
}

func TestDeletedWithoutTheOriginals(t *testing.T) {
	path := filepath.Join(t.TempDir(), "media")
	d := New(path, maxBytes)
	defer d.Close()
	if deleted, err := d.Deleted("a.jpg"); deleted || !errors.Is(err, ErrUnreadable) {
		t.Errorf("no folder: %v, %v, want ErrUnreadable", deleted, err)
	}
	if _, err := d.Device(); !errors.Is(err, ErrUnreadable) {
		t.Errorf("no folder: %v, want ErrUnreadable", err)
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if deleted, err := d.Deleted("a.jpg"); deleted || err != nil {
		t.Errorf("an empty folder: %v, %v, want that it is not known", deleted, err)
	}
	if _, err := d.Device(); !errors.Is(err, ErrEmpty) {
		t.Errorf("an empty folder: %v, want ErrEmpty", err)
	}
	write(t, filepath.Join(path, "b.jpg"), "b")
	if deleted, err := d.Deleted("a.jpg"); !deleted || err != nil {
		t.Errorf("beside another: %v, %v, want deleted", deleted, err)
	}
	if dev, err := d.Device(); dev == 0 || err != nil {
		t.Errorf("device %d, %v", dev, err)
	}
}

func TestStatIsWhatOpenReturns(t *testing.T) {
	d, _ := tree(t)
	f, want, err := d.Open("sub/b.jpg")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if got, err := d.Stat("sub/b.jpg"); err != nil || got != want {
		t.Errorf("Stat = %+v, %v, want %+v", got, err, want)
	}
	if got, err := d.Stat("large.jpg"); err != nil || got.Size != maxBytes+1 {
		t.Errorf("a large one: %+v, %v", got, err)
	}
	for _, name := range []string{"no.jpg", "a.jpg/a.jpg", "dangling.jpg"} {
		if _, err := d.Stat(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Stat(%q): %v, want ErrNotExist", name, err)
		}
	}
	if _, err := d.Stat("pipe.jpg"); !errors.Is(err, ErrNotRegular) {
		t.Errorf("a pipe: %v", err)
	}
	if _, err := d.Stat("../outside.jpg"); !errors.Is(err, ErrOutside) {
		t.Errorf("outside: %v", err)
	}
}
