// SPDX-License-Identifier: MIT

package publish

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestPublish(t *testing.T) {
	picture := encodeJPEG(t, 64, 48)
	for _, umask := range []int{0o022, 0o077, 0} {
		documentRoot := filepath.Join(t.TempDir(), "root")
		tree := New(documentRoot, "/thumbs/deep/", nil)
		before := time.Now().Add(-time.Minute)
		old := syscall.Umask(umask)
		err := tree.Publish("/thumbs/deep/a b/\xff.jpg/64x48_fit.jpg", memfd(t, picture), jpg64)
		syscall.Umask(old)
		if err != nil {
			t.Fatal(err)
		}
		const file = "thumbs/deep/a b/\xff.jpg/64x48_fit.jpg"
		for path, mode := range map[string]fs.FileMode{
			".":                        fs.ModeDir | 0o755,
			"thumbs":                   fs.ModeDir | 0o755,
			"thumbs/deep":              fs.ModeDir | 0o755,
			"thumbs/deep/a b":          fs.ModeDir | 0o755,
			"thumbs/deep/a b/\xff.jpg": fs.ModeDir | 0o755,
			file:                       0o644,
			"thumbs/deep/" + OwnDir:    fs.ModeDir | 0o700,
		} {
			fi, err := os.Lstat(filepath.Join(documentRoot, path))
			if err != nil {
				t.Fatal(err)
			}
			if fi.Mode() != mode {
				t.Errorf("umask %03o: %s: got %v, want %v", umask, path, fi.Mode(), mode)
			}
		}
		fi, err := os.Stat(filepath.Join(documentRoot, file))
		if err != nil {
			t.Fatal(err)
		}
		if !fi.ModTime().Equal(mtime) {
			t.Errorf("mtime: got %v, want %v", fi.ModTime(), mtime)
		}
		if atime := time.Unix(fi.Sys().(*syscall.Stat_t).Atim.Unix()); atime.Before(before) {
			t.Errorf("atime was set, to %v", atime)
		}
		// Last: reading may set the atime.
		if got, err := os.ReadFile(filepath.Join(documentRoot, file)); err != nil || !bytes.Equal(got, picture) {
			t.Errorf("umask %03o: another content, %v", umask, err)
		}
		noTemp(t, filepath.Join(documentRoot, "thumbs/deep"))
		tree.Close()
	}
}

func TestPublishReplaces(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	makeFile(t, outside)
	before := map[string]func(path string) error{
		"a file":           func(path string) error { return os.WriteFile(path, []byte("old"), 0o600) },
		"a link":           func(path string) error { return os.Symlink(outside, path) },
		"a FIFO":           func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"an empty folder":  func(path string) error { return os.Mkdir(path, 0o700) },
		"a dangling link":  func(path string) error { return os.Symlink("nothing", path) },
		"a link to itself": func(path string) error { return os.Symlink("b.jpg", path) },
	}
	for name, prepare := range before {
		t.Run(name, func(t *testing.T) {
			tree, folder := site(t, nil)
			mustPublish(t, tree, "/thumbs/a.jpg")
			path := filepath.Join(folder, "b.jpg")
			if err := prepare(path); err != nil {
				t.Fatal(err)
			}
			if _, _, ok := tree.Stat("/thumbs/b.jpg"); ok != (name == "a file") {
				t.Errorf("Stat: got %v", ok)
			}
			mustPublish(t, tree, "/thumbs/b.jpg")
			fi, err := os.Lstat(path)
			if err != nil || fi.Mode() != 0o644 {
				t.Errorf("got %v, %v", fi.Mode(), err)
			}
		})
	}
	if b, err := os.ReadFile(outside); string(b) != "x" {
		t.Errorf("the link's target was written: %q, %v", b, err)
	}
}

func TestNamesOutsideAreRefused(t *testing.T) {
	tree, folder := site(t, nil)
	for _, name := range []string{
		"", "/", "/thumbs", "/thumbs/", "/other/a.jpg", "thumbs/a.jpg", "/thumbs//a.jpg", "/thumbs/a/",
		"/thumbs/../a.jpg", "/thumbs/a/../b.jpg", "/thumbs/./a.jpg", "/thumbs/.a.jpg", "/thumbs/.thumbd/a.jpg",
		"/thumbs/a/.b/c.jpg", "/thumbs/a/..", "/thumbs//etc/passwd",
	} {
		err := tree.Publish(name, memfd(t, encodeJPEG(t, 64, 48)), jpg64)
		if !errors.Is(err, ErrName) {
			t.Errorf("Publish %q: got %v, want %v", name, err, ErrName)
		}
		if _, err := tree.Open(name); !errors.Is(err, ErrName) {
			t.Errorf("Open %q: got %v, want %v", name, err, ErrName)
		}
		if _, _, ok := tree.Stat(name); ok {
			t.Errorf("Stat %q: got true", name)
		}
	}
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the tree was made: %v", err)
	}
}

func TestStatAndOpen(t *testing.T) {
	tree, folder := site(t, nil)
	if _, _, ok := tree.Stat("/thumbs/a.jpg"); ok {
		t.Error("no tree: Stat found a file")
	}
	if _, err := tree.Open("/thumbs/a.jpg"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no tree: Open: got %v", err)
	}
	mustPublish(t, tree, "/thumbs/a/b.jpg")
	want := int64(len(encodeJPEG(t, 64, 48)))
	if got, size, ok := tree.Stat("/thumbs/a/b.jpg"); !ok || size != want || !got.Equal(mtime) {
		t.Errorf("got %v, %d, %v", got, size, ok)
	}
	f, err := tree.Open("/thumbs/a/b.jpg")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if b, err := io.ReadAll(f); int64(len(b)) != want || err != nil {
		t.Errorf("read %d bytes, %v", len(b), err)
	}
	if err := os.Symlink("a/b.jpg", filepath.Join(folder, "link.jpg")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(folder, "pipe.jpg"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/thumbs/a", "/thumbs/link.jpg", "/thumbs/pipe.jpg", "/thumbs/no.jpg"} {
		if _, err := tree.Open(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v, want %v", name, err, fs.ErrNotExist)
		}
		if _, _, ok := tree.Stat(name); ok {
			t.Errorf("%s: Stat: got true", name)
		}
	}
}

// Readers that race with a writer and with a purge see a whole file or none.
func TestReadersSeeAWholeFileOrNone(t *testing.T) {
	tree, folder := site(t, nil)
	small, large := encodeJPEG(t, 64, 48), append(encodeJPEG(t, 64, 48), bytes.Repeat([]byte{7}, 1<<20)...)
	const name = "/thumbs/a/b.jpg"
	path := filepath.Join(folder, "a/b.jpg")
	var done atomic.Bool
	var seen atomic.Int64
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for !done.Load() {
				b, err := os.ReadFile(path)
				if errors.Is(err, fs.ErrNotExist) {
					continue
				}
				if err != nil || !bytes.Equal(b, small) && !bytes.Equal(b, large) {
					t.Errorf("read %d bytes that nobody published, %v", len(b), err)
					return
				}
				seen.Add(1)
			}
		})
	}
	for i := range 100 {
		content := [][]byte{small, large}[i%2]
		if err := tree.Publish(name, memfd(t, content), jpg64); err != nil {
			t.Error(err)
		}
		if i%10 == 9 {
			if err := os.Remove(path); err != nil {
				t.Error(err)
			}
		}
	}
	// At least one round of a reader is with a file that stays.
	mustPublish(t, tree, name)
	for was := seen.Load(); seen.Load() == was && !t.Failed(); {
	}
	done.Store(true)
	readers.Wait()
	noTemp(t, folder)
}

// The folder of a tree keeps the mode that an administrator has given it: it may
// keep other users than nginx's out.
func TestFolderOfTheTreeKeepsItsMode(t *testing.T) {
	documentRoot := t.TempDir()
	folder := filepath.Join(documentRoot, "thumbs")
	if err := os.Mkdir(folder, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(folder, 0o750); err != nil {
		t.Fatal(err)
	}
	tree := New(documentRoot, "/thumbs/", nil)
	defer tree.Close()
	publishOne := func() {
		t.Helper()
		if err := tree.Publish("/thumbs/a/b.jpg", memfd(t, encodeJPEG(t, 64, 48)), jpg64); err != nil {
			t.Fatal(err)
		}
		if fi, err := os.Stat(folder); err != nil || fi.Mode().Perm() != 0o750 {
			t.Errorf("%v, %v; want 0750", fi.Mode(), err)
		}
	}
	publishOne()
	if err := os.RemoveAll(filepath.Join(folder, "a")); err != nil {
		t.Fatal(err)
	}
	publishOne()
}

// When a file was published is another thing than its mtime.
func TestPublished(t *testing.T) {
	tree, folder := site(t, nil)
	before := time.Now().Add(-time.Second) // the clock of inodes lags behind
	mustPublish(t, tree, "/thumbs/a.jpg")
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(folder, "a.jpg"), past, past); err != nil {
		t.Fatal(err)
	}
	if at, ok := tree.Published("/thumbs/a.jpg"); !ok || at.Before(before) || at.After(time.Now()) {
		t.Errorf("got %v, %v, want now", at, ok)
	}
	for _, name := range []string{"/thumbs/b.jpg", "/thumbs/../a.jpg", "/a.jpg"} {
		if _, ok := tree.Published(name); ok {
			t.Errorf("%s is there", name)
		}
	}
}
