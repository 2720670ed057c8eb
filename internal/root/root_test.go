// SPDX-License-Identifier: MIT

package root

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// folder makes a folder at path that holds one file, named mark.
func folder(t *testing.T, path, mark string) {
	t.Helper()
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, mark), nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

// holds fails the test unless what d names now holds mark.
func holds(t *testing.T, d *Dir, mark string) {
	t.Helper()
	r, release, err := d.Acquire()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if _, err := r.Stat(mark); err != nil {
		t.Errorf("the root is another directory: %v", err)
	}
}

func TestAcquireFollowsThePath(t *testing.T) {
	change := map[string]func(t *testing.T, path string){
		"removed and made again": func(t *testing.T, path string) {
			if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			folder(t, path, "new")
		},
		"renamed away": func(t *testing.T, path string) {
			if err := os.Rename(path, path+".old"); err != nil {
				t.Fatal(err)
			}
			folder(t, path, "new")
		},
		"a link that turns": func(t *testing.T, path string) {
			folder(t, path+".target", "new")
			if err := os.Rename(path, path+".old"); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(path+".target", path); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, f := range change {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "dir")
			folder(t, path, "old")
			d := New(path)
			defer d.Close()
			holds(t, d, "old")
			f(t, path)
			holds(t, d, "new")
		})
	}
}

func TestAcquireKeepsOneRootWhileNothingChanges(t *testing.T) {
	d := New(t.TempDir())
	defer d.Close()
	a, releaseA, err := d.Acquire()
	if err != nil {
		t.Fatal(err)
	}
	releaseA()
	b, releaseB, err := d.Acquire()
	if err != nil {
		t.Fatal(err)
	}
	defer releaseB()
	if a != b {
		t.Error("the second Acquire opened the directory again")
	}
}

func TestRootInUseOutlivesItsReplacement(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dir")
	folder(t, path, "old")
	d := New(path)
	defer d.Close()
	r, release, err := d.Acquire()
	if err != nil {
		t.Fatal(err)
	}
	_, releaseOther, err := d.Acquire()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	folder(t, path, "new")
	holds(t, d, "new")
	releaseOther()
	if _, err := r.Stat("old"); err != nil {
		t.Errorf("closed while in use: %v", err)
	}
	release()
	if _, err := r.Stat("old"); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after release: got %v, want %v", err, os.ErrClosed)
	}
}

func TestMissingDirectoryIsGivenUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dir")
	folder(t, path, "old")
	d := New(path)
	defer d.Close()
	r, release, err := d.Acquire()
	if err != nil {
		t.Fatal(err)
	}
	release()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Acquire(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want %v", err, fs.ErrNotExist)
	}
	if _, err := r.Stat("."); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the removed directory is still open: %v", err)
	}
	folder(t, path, "new")
	holds(t, d, "new")
}

func TestAcquireRefusesWhatIsNoDirectory(t *testing.T) {
	make := map[string]func(path string) error{
		"file": func(path string) error { return os.WriteFile(path, nil, 0o644) },
		"FIFO": func(path string) error { return syscall.Mkfifo(path, 0o644) },
	}
	for name, f := range make {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x")
			if err := f(path); err != nil {
				t.Fatal(err)
			}
			if _, _, err := New(path).Acquire(); !errors.Is(err, syscall.ENOTDIR) {
				t.Errorf("got %v, want %v", err, syscall.ENOTDIR)
			}
		})
	}
}

func TestCloseWaitsForUsersAndRefusesNewOnes(t *testing.T) {
	d := New(t.TempDir())
	r, release, err := d.Acquire()
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
	if _, err := r.Stat("."); err != nil {
		t.Errorf("closed while in use: %v", err)
	}
	release()
	if _, err := r.Stat("."); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after release: got %v, want %v", err, os.ErrClosed)
	}
	if _, _, err := d.Acquire(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: got %v, want %v", err, os.ErrClosed)
	}
}

// The directory is replaced while many use it: a root is never closed under
// its user.
func TestConcurrentReplacement(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dir")
	folder(t, path, "mark")
	d := New(path)
	defer d.Close()
	var users sync.WaitGroup
	for range 4 {
		users.Go(func() {
			for range 500 {
				r, release, err := d.Acquire()
				if errors.Is(err, fs.ErrNotExist) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := r.Stat("."); err != nil {
					t.Error(err)
				}
				release()
			}
		})
	}
	for range 100 {
		if err := os.RemoveAll(path); err != nil {
			t.Error(err)
		}
		folder(t, path, "mark")
	}
	users.Wait()
	holds(t, d, "mark")
	if d.current.users != 0 {
		t.Errorf("%d users left", d.current.users)
	}
}
