// SPDX-License-Identifier: MIT

package root

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// folderOf returns a root with a folder of n files, and their names.
func folderOf(t *testing.T, n int) (r *os.Root, want []string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		want = append(want, fmt.Sprintf("%05d", i))
		if err := os.WriteFile(filepath.Join(dir, "folder", want[i]), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, want
}

func TestFolderHasEachEntryOnce(t *testing.T) {
	for _, n := range []int{0, 1, 2*Batch + 1} {
		r, want := folderOf(t, n)
		var got []string
		for e, err := range Folder(r, "folder") {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Name())
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%d entries, want %d", len(got), n)
		}
	}
}

func TestFolderEndsEarly(t *testing.T) {
	r, _ := folderOf(t, 3)
	n := 0
	for _, err := range Folder(r, "folder") {
		if err != nil {
			t.Fatal(err)
		}
		n++
		break
	}
	if n != 1 {
		t.Errorf("%d entries, want 1", n)
	}
}

// A FIFO has no reader and no writer: opening it in the usual way would wait.
func TestFolderThatIsNone(t *testing.T) {
	r, _ := folderOf(t, 1)
	if err := syscall.Mkfifo(filepath.Join(r.Name(), "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]error{"none": fs.ErrNotExist, "folder/00000": syscall.ENOTDIR, "fifo": syscall.ENOTDIR} {
		var got error
		for e, err := range Folder(r, name) {
			if e != nil {
				t.Errorf("%s: an entry %s", name, e.Name())
			}
			got = err
		}
		if !errors.Is(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// The entries that came with an error are told before it.
func TestEntriesThenTheError(t *testing.T) {
	r, _ := folderOf(t, 2)
	some, err := fs.ReadDir(r.FS(), "folder")
	if err != nil {
		t.Fatal(err)
	}
	failed, got := errors.New("failed"), []string(nil)
	for e, err := range Entries(func(int) ([]fs.DirEntry, error) { return some, failed }) {
		if err != nil {
			got = append(got, err.Error())
			continue
		}
		got = append(got, e.Name())
	}
	if want := []string{"00000", "00001", "failed"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
