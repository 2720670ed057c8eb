// SPDX-License-Identifier: MIT

package publish

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/root"
)

func TestProbeMakesTheTreeAndNothingElse(t *testing.T) {
	tree, folder := site(t, nil)
	var probes sync.WaitGroup
	for range 4 {
		probes.Go(func() {
			for range 20 {
				if err := tree.Probe(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	probes.Wait()
	if got := list(t, folder); len(got) > 0 {
		t.Errorf("left behind: %v", got)
	}
	if fi, err := os.Stat(folder); err != nil || fi.Mode() != fs.ModeDir|0o755 {
		t.Errorf("got %v, %v", fi, err)
	}
}

func TestCheckMakesNothing(t *testing.T) {
	tree, folder := site(t, nil)
	top := filepath.Dir(folder)
	if err := tree.Check(); err != nil {
		t.Error(err)
	}
	if got := list(t, top); len(got) > 0 {
		t.Errorf("made %v", got)
	}
	deep := New(filepath.Join(top, "a/b/c"), "/d/", nil)
	if err := deep.Check(); err != nil {
		t.Error(err)
	}
	mustPublish(t, tree, "/thumbs/a.jpg")
	before := list(t, top)
	if err := tree.Check(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(before, list(t, top)); diff != "" {
		t.Error(diff)
	}
}

func TestProbeNamesPathUserAndRemedy(t *testing.T) {
	if !unprivileged(t) {
		return
	}
	places := map[string]string{"the tree": "thumbs", "its document root": ".", "the temp folder": "thumbs/" + OwnDir}
	for name, place := range places {
		t.Run(name, func(t *testing.T) {
			tree, folder := site(t, nil)
			top := filepath.Dir(folder)
			if place != "." {
				mustPublish(t, tree, "/thumbs/a.jpg")
			}
			lockFolder(t, filepath.Join(top, place))
			for call, err := range map[string]error{"Probe": tree.Probe(), "Check": tree.Check()} {
				if !errors.Is(err, syscall.EACCES) {
					t.Errorf("%s: got %v, want %v", call, err, syscall.EACCES)
					continue
				}
				for _, part := range []string{folder, root.User(), "ReadWritePaths=" + top} {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("%s: %q does not name %s", call, err, part)
					}
				}
			}
		})
	}
}

func TestProbeFindsAFileForTheTree(t *testing.T) {
	tree, folder := site(t, nil)
	makeFile(t, folder)
	for call, err := range map[string]error{"Probe": tree.Probe(), "Check": tree.Check()} {
		if !errors.Is(err, syscall.ENOTDIR) || !strings.Contains(err.Error(), folder) {
			t.Errorf("%s: got %v, want %v", call, err, syscall.ENOTDIR)
		}
	}
}
