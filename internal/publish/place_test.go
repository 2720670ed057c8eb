// SPDX-License-Identifier: MIT

package publish

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLinksDoNotLeadOut(t *testing.T) {
	outside := t.TempDir()
	tree, folder := site(t, func(string) bool { return true })
	mustPublish(t, tree, "/thumbs/in/a.jpg")
	for link, target := range map[string]string{"out": outside, "up": "../..", "inside": "in"} {
		if err := os.Symlink(target, filepath.Join(folder, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"/thumbs/out/a.jpg", "/thumbs/up/a.jpg", "/thumbs/up/sub/a.jpg"} {
		if err := tree.Publish(name, memfd(t, encodeJPEG(t, 64, 48)), jpg64); err == nil {
			t.Errorf("%s was published", name)
		}
	}
	mustPublish(t, tree, "/thumbs/inside/b.jpg")
	if _, _, ok := tree.Stat("/thumbs/in/b.jpg"); !ok {
		t.Error("a link to a folder inside was not followed")
	}
	mustPublish(t, tree, "/thumbs/inside/b.jpg/c.jpg")
	if _, _, ok := tree.Stat("/thumbs/in/b.jpg/c.jpg"); !ok {
		t.Error("a link to a folder was taken for what is in the way")
	}
	if err := os.RemoveAll(filepath.Join(folder, OwnDir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(folder, OwnDir)); err != nil {
		t.Fatal(err)
	}
	if err := tree.Publish("/thumbs/c.jpg", memfd(t, encodeJPEG(t, 64, 48)), jpg64); err == nil {
		t.Error("published through a temp folder that leads out")
	}
	if got := list(t, outside); len(got) > 0 {
		t.Errorf("outside: %v", got)
	}
}

// The tree's folder is gone, or another one, at the next call.
func TestTreeIsReopened(t *testing.T) {
	change := map[string]func(folder string) error{
		"removed":              os.RemoveAll,
		"document root too":    func(folder string) error { return os.RemoveAll(filepath.Dir(folder)) },
		"renamed away":         func(folder string) error { return os.Rename(folder, folder+".old") },
		"removed, made again":  func(folder string) error { return errors.Join(os.RemoveAll(folder), os.Mkdir(folder, 0o755)) },
		"temp folder removed":  func(folder string) error { return os.RemoveAll(filepath.Join(folder, OwnDir)) },
		"all but itself":       purge,
		"a file takes a place": func(folder string) error { return os.WriteFile(filepath.Join(folder, "new"), nil, 0o644) },
	}
	for name, f := range change {
		t.Run(name, func(t *testing.T) {
			tree, folder := site(t, func(string) bool { return true })
			mustPublish(t, tree, "/thumbs/a/b.jpg")
			if err := f(folder); err != nil {
				t.Fatal(err)
			}
			mustPublish(t, tree, "/thumbs/new/c.jpg")
			if _, err := os.Stat(filepath.Join(folder, "new/c.jpg")); err != nil {
				t.Error(err)
			}
		})
	}
}

// purge removes all that is in a folder, as administrators do with rm -rf.
func purge(folder string) error {
	entries, err := os.ReadDir(folder)
	errs := []error{err}
	for _, e := range entries {
		errs = append(errs, os.RemoveAll(filepath.Join(folder, e.Name())))
	}
	return errors.Join(errs...)
}

// A purge that passes once, at whatever moment, makes no publishing fail.
func TestPurgeWhilePublishing(t *testing.T) {
	tree, folder := site(t, nil)
	mustPublish(t, tree, "/thumbs/a.jpg")
	start := make(chan struct{})
	var purger sync.WaitGroup
	purger.Go(func() {
		for range start {
			// What is made while it is removed makes rmdir fail.
			if err := purge(folder); err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
				t.Error(err)
			}
		}
	})
	for range 300 {
		start <- struct{}{}
		if err := tree.Publish("/thumbs/a/b/c/d.jpg", memfd(t, encodeJPEG(t, 64, 48)), jpg64); err != nil {
			t.Error(err)
		}
	}
	close(start)
	purger.Wait()
	mustPublish(t, tree, "/thumbs/a/b/c/d.jpg")
	noTemp(t, folder)
}

func TestInTheWay(t *testing.T) {
	tests := map[string]struct {
		file    string
		name    string
		gone    []string
		err     error
		removed bool
	}{
		"file of a gone original, for a folder": {
			file: "x.jpg", name: "/thumbs/x.jpg/y/z.jpg", gone: []string{"/thumbs/x.jpg"}, removed: true},
		"file in use, for a folder": {
			file: "x.jpg", name: "/thumbs/x.jpg/y/z.jpg", err: ErrInTheWay},
		"file below, for a folder": {
			file: "a/x.jpg", name: "/thumbs/a/x.jpg/z.jpg", gone: []string{"/thumbs/a/x.jpg"}, removed: true},
		"folder of a gone original, for a file": {
			file: "x/y/z.jpg", name: "/thumbs/x", gone: []string{"/thumbs/x/y/z.jpg"}, removed: true},
		"folder in use, for a file": {
			file: "x/y/z.jpg", name: "/thumbs/x", err: ErrInTheWay},
		"folder, its own name gone but not the file's": {
			file: "x/y/z.jpg", name: "/thumbs/x", gone: []string{"/thumbs/x", "/thumbs/x/y"}, err: ErrInTheWay},
		"folder with a foreign file": {
			file: "x/.htaccess", name: "/thumbs/x", gone: []string{"/thumbs/x/z.jpg"}, err: ErrInTheWay},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tree, folder := site(t, func(name string) bool {
				for _, g := range tt.gone {
					if g == name {
						return true
					}
				}
				return false
			})
			makeFile(t, filepath.Join(folder, tt.file))
			makeFile(t, filepath.Join(folder, "bystander.jpg"))
			before := list(t, folder)
			err := tree.Publish(tt.name, memfd(t, encodeJPEG(t, 64, 48)), jpg64)
			if !errors.Is(err, tt.err) {
				t.Errorf("got %v, want %v", err, tt.err)
			}
			if _, _, ok := tree.Stat(tt.name); ok != tt.removed {
				t.Errorf("published: got %v, want %v", ok, tt.removed)
			}
			if diff := cmp.Diff(before, list(t, folder)); diff != "" && !tt.removed {
				t.Errorf("changed although refused: %s", diff)
			}
			if _, err := os.Stat(filepath.Join(folder, "bystander.jpg")); err != nil {
				t.Error(err)
			}
			noTemp(t, folder)
		})
	}
}
