// SPDX-License-Identifier: MIT

package originals

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/root"
)

// fill makes a folder with empty files of those names.
func fill(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// walkAll returns the names that Walk calls, in order, and how many folders can't
// be read.
func walkAll(t *testing.T, dir string) (names []string, unread []error) {
	t.Helper()
	d := New(dir, 1)
	defer d.Close()
	err := d.Walk(t.Context(), func(name string) error {
		names = append(names, name)
		return nil
	}, func(err error) { unread = append(unread, err) })
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names, unread
}

func TestWalkFindsWhatOpenOpens(t *testing.T) {
	dir := fill(t, "a.jpg", "d/e/f/b.jpg", "d/c", "d/100% ä\n.jpg", ".h/a.jpg", "d/.a.jpg")
	outside := fill(t, "a.jpg")
	for link, to := range map[string]string{
		"link.jpg": "d/c", "d/up.jpg": "../a.jpg", "folder": "d", "nowhere": "none",
		"outside.jpg": filepath.Join(outside, "a.jpg"), "climbs.jpg": "../../a.jpg",
	} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo.jpg"), 0o644); err != nil {
		t.Fatal(err)
	}
	got, unread := walkAll(t, dir)
	want := []string{"a.jpg", "d/100% ä\n.jpg", "d/c", "d/e/f/b.jpg", "d/up.jpg", "link.jpg"}
	if diff := cmp.Diff(want, got); diff != "" || len(unread) > 0 {
		t.Errorf("(-want +got):\n%s%v", diff, unread)
	}
	d := New(dir, 1)
	defer d.Close()
	for _, name := range got {
		f, _, err := d.Open(name)
		if err != nil {
			t.Error(err)
			continue
		}
		f.Close()
	}
}

func TestWalkReadsAllOfALargeFolder(t *testing.T) {
	var names []string
	for i := range 2*root.Batch + 3 {
		names = append(names, strconv.Itoa(i))
	}
	got, _ := walkAll(t, fill(t, names...))
	if len(got) != len(names) {
		t.Errorf("%d names, want %d", len(got), len(names))
	}
}

func TestWalkEndsWhenToldTo(t *testing.T) {
	d := New(fill(t, "a", "b", "d/c"), 1)
	defer d.Close()
	enough := errors.New("enough")
	n := 0
	err := d.Walk(t.Context(), func(string) error {
		n++
		return enough
	}, nil)
	if !errors.Is(err, enough) || n != 1 {
		t.Errorf("after %d names: %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Walk(ctx, func(string) error { return enough }, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

// What is not there may be mounted later: no list is better than an empty one.
func TestWalkOfNoOriginalsFails(t *testing.T) {
	d := New(filepath.Join(t.TempDir(), "none"), 1)
	defer d.Close()
	if err := d.Walk(t.Context(), nil, nil); !errors.Is(err, ErrUnreadable) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want %v", err, ErrUnreadable)
	}
}

func TestWalkLeavesOutWhatItMayNotRead(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read all")
	}
	dir := fill(t, "a", "d/b", "e/c")
	if err := os.Chmod(filepath.Join(dir, "d"), 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(filepath.Join(dir, "d"), 0o755) //nolint:errcheck // For the folder's removal alone.
	got, unread := walkAll(t, dir)
	if diff := cmp.Diff([]string{"a", "e/c"}, got); diff != "" || len(unread) != 1 || !errors.Is(unread[0], ErrUnreadable) {
		t.Errorf("(-want +got):\n%s%v", diff, unread)
	}
}
