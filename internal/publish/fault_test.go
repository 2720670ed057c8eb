// SPDX-License-Identifier: MIT

package publish

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNoPermission(t *testing.T) {
	if !unprivileged(t) {
		return
	}
	tree, folder := site(t, nil)
	mustPublish(t, tree, "/thumbs/a/b.jpg")
	lockFolder(t, filepath.Join(folder, "a"))
	err := tree.Publish("/thumbs/a/c.jpg", memfd(t, encodeJPEG(t, 64, 48)), jpg64)
	if !errors.Is(err, syscall.EACCES) || errors.Is(err, ErrPicture) {
		t.Errorf("got %v, want %v", err, syscall.EACCES)
	}
	noTemp(t, folder)
	// The worker's fault comes first: then the picture must not be served.
	err = tree.Publish("/thumbs/a/c.jpg", memfd(t, encodeJPEG(t, 48, 64)), jpg64)
	if !errors.Is(err, ErrPicture) {
		t.Errorf("got %v, want %v", err, ErrPicture)
	}
}

func TestDiskTrouble(t *testing.T) {
	if !withMounts(t) {
		return
	}
	jpg := append(encodeJPEG(t, 64, 48), bytes.Repeat([]byte{7}, 100<<10)...)
	tests := map[string]struct {
		options string
		trouble func(t *testing.T, dir string) (end func() error)
		err     error
	}{
		"no blocks": {"size=256k", func(t *testing.T, dir string) func() error {
			filler := filepath.Join(dir, "filler")
			if err := os.WriteFile(filler, make([]byte, 192<<10), 0o600); err != nil {
				t.Fatal(err)
			}
			return func() error { return os.Remove(filler) }
		}, syscall.ENOSPC},
		"no inodes": {"nr_inodes=10", func(t *testing.T, dir string) func() error {
			fillers := filepath.Join(dir, "fillers")
			if err := os.Mkdir(fillers, 0o700); err != nil {
				t.Fatal(err)
			}
			var err error
			for i := 0; err == nil; i++ {
				err = os.WriteFile(filepath.Join(fillers, strings.Repeat("x", i+1)), nil, 0o600)
			}
			return func() error { return os.RemoveAll(fillers) }
		}, syscall.ENOSPC},
		"read-only": {"", func(t *testing.T, dir string) func() error {
			const again = unix.MS_REMOUNT | unix.MS_BIND
			if err := unix.Mount("", dir, "", again|unix.MS_RDONLY, ""); err != nil {
				t.Fatal(err)
			}
			return func() error { return unix.Mount("", dir, "", again, "") }
		}, syscall.EROFS},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := mountTmpfs(t, tt.options)
			tree := New(dir, "/thumbs/", nil)
			defer tree.Close()
			if err := tree.Probe(); err != nil {
				t.Fatal(err)
			}
			picture := memfd(t, jpg)
			end := tt.trouble(t, dir)
			err := tree.Publish("/thumbs/a/b.jpg", picture, jpg64)
			if !errors.Is(err, tt.err) || errors.Is(err, ErrPicture) {
				t.Errorf("got %v, want %v", err, tt.err)
			}
			if got := list(t, filepath.Join(dir, "thumbs")); len(got) > 0 {
				t.Errorf("left behind: %v", got)
			}
			lie := append(encodeJPEG(t, 48, 64), jpg...)
			if err := tree.Publish("/thumbs/a/b.jpg", memfd(t, lie), jpg64); !errors.Is(err, ErrPicture) {
				t.Errorf("a lie that can't be published: got %v, want %v", err, ErrPicture)
			}
			if err := end(); err != nil {
				t.Fatal(err)
			}
			if err := tree.Publish("/thumbs/a/b.jpg", picture, jpg64); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}
