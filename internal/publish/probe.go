// SPDX-License-Identifier: MIT

package publish

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"thumbd/internal/root"
)

// probeName is in the tree's own folder, as published files are. So the probe meets the
// errors of a rename from OwnDir.
const probeName = ".thumbd-probe"

// Probe makes the tree if it is missing, and creates, renames and removes a
// file in it. Its error names the path, the user and the cure.
func (t *Tree) Probe() error {
	return t.advise(t.create(func(r *os.Root, _ *os.File, name string) error {
		if err := r.Rename(name, probeName); err != nil {
			return err
		}
		// Another daemon's probe may have been first.
		if err := r.Remove(probeName); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}))
}

// Check returns nil if Probe would probably succeed for the calling user. It makes no
// file. Its errors are like Probe's.
func (t *Tree) Check() error {
	dir := t.dir.Path()
	err := access(dir, unix.R_OK|unix.W_OK|unix.X_OK)
	if err == nil {
		err = access(filepath.Join(dir, OwnDir), unix.R_OK|unix.W_OK|unix.X_OK)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	}
	// If the tree is missing, the folder in which it will be made counts.
	for errors.Is(err, fs.ErrNotExist) && dir != "/" {
		dir = filepath.Dir(dir)
		err = access(dir, unix.W_OK|unix.X_OK)
	}
	return t.advise(err)
}

// access asks the kernel whether the user may use a folder in that mode.
func access(dir string, mode uint32) error {
	fi, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !fi.IsDir() {
		return &fs.PathError{Op: "open", Path: dir, Err: syscall.ENOTDIR}
	}
	if err := unix.Faccessat(unix.AT_FDCWD, dir, mode, unix.AT_EACCESS); err != nil {
		return &fs.PathError{Op: "access", Path: dir, Err: err}
	}
	return nil
}

// advise adds the user and the cure to an error of Probe or Check.
func (t *Tree) advise(err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("tree %s as user %s: %w", t.dir.Path(), root.User(), err)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("%w: the user must be able to create, rename and remove files there; "+
			"outside /var/cache/thumbd that takes, beside the folder's owner, a drop-in of thumbd.service (systemctl edit thumbd) "+
			"with [Service] and ReadWritePaths=%s, a folder that exists", err, t.documentRoot)
	}
	return err
}
