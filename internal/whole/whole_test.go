// SPDX-License-Identifier: MIT

package whole

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// ways are the two kinds of name: a path, and a name below a root. Their functions take a
// name in a folder of the test.
type way struct {
	make    func(name string, c Content) (fs.FileInfo, error)
	replace func(temp, name string) error
}

func ways(t *testing.T) (dir string, both map[string]way) {
	dir = t.TempDir()
	r, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	at := func(name string) string { return filepath.Join(dir, name) }
	return dir, map[string]way{
		"path": {
			func(name string, c Content) (fs.FileInfo, error) { return Make(at(name), c) },
			func(temp, name string) error { return Replace(at(temp), at(name)) },
		},
		"root": {
			func(name string, c Content) (fs.FileInfo, error) { return MakeIn(r, name, c) },
			func(temp, name string) error { return ReplaceIn(r, temp, name) },
		},
	}
}

func TestMake(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	dir, both := ways(t)
	for name, w := range both {
		info, err := w.make(name, Content{Data: []byte("one"), Mode: 0o640, Lasting: true})
		if err != nil || info.Size() != 3 || info.Mode() != 0o640 {
			t.Fatalf("%s: %v, %v; want 3 bytes of mode 0640", name, info, err)
		}
		if _, err := w.make(name, Content{Data: []byte("two"), Mode: 0o600}); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: again: %v; want fs.ErrExist", name, err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != "one" {
			t.Errorf("%s: %q, %v; want the first file", name, got, err)
		}
		if _, err := w.make("none/a", Content{}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: without a folder: %v; want fs.ErrNotExist", name, err)
		}
	}
}

// A file that can't be written whole is removed. The limit of a file's size stands for a
// full disk.
func TestMakeOnAFullDisk(t *testing.T) {
	dir, both := ways(t)
	limitFiles(t, 10)
	for name, w := range both {
		if _, err := w.make(name, Content{Data: make([]byte, 11), Mode: 0o600}); !errors.Is(err, syscall.EFBIG) {
			t.Errorf("%s: %v; want EFBIG", name, err)
		}
		if left := list(t, dir); len(left) != 0 {
			t.Errorf("%s: left: %q", name, left)
		}
	}
}

// limitFiles keeps this process from writing larger files for the rest of the test.
func limitFiles(t *testing.T, bytes uint64) {
	t.Helper()
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: bytes, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
			t.Error(err)
		}
	})
}

func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestReplaceThatFails(t *testing.T) {
	dir, both := ways(t)
	if err := os.MkdirAll(filepath.Join(dir, "folder", "full"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, w := range both {
		if _, err := w.make("temp", Content{Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if err := w.replace("temp", "folder"); err == nil {
			t.Errorf("%s: no error", name)
		}
		if left := list(t, dir); len(left) != 1 || left[0] != "folder" {
			t.Errorf("%s: left: %q; want the folder alone", name, left)
		}
	}
}

// Readers see one whole file or another while both ways replace it.
func TestReadersSeeWholeFiles(t *testing.T) {
	dir, both := ways(t)
	var writers sync.WaitGroup
	const size = 1 << 16
	for name, w := range both {
		if _, err := w.make(name+"0", Content{Data: bytes.Repeat([]byte{name[0]}, size), Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if err := w.replace(name+"0", "file"); err != nil {
			t.Fatal(err)
		}
		writers.Go(func() {
			for range 200 {
				_, err := w.make(name, Content{Data: bytes.Repeat([]byte{name[0]}, size), Mode: 0o600})
				if err = errors.Join(err, w.replace(name, "file")); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	for {
		got, err := os.ReadFile(filepath.Join(dir, "file"))
		if err != nil || len(got) != size || bytes.Count(got, got[:1]) != size {
			t.Fatalf("%d bytes, %v; want %d equal ones", len(got), err, size)
		}
		select {
		case <-done:
			return
		default:
		}
	}
}
