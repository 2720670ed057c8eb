// SPDX-License-Identifier: MIT

// Package root keeps a directory open by its path, as an [os.Root]. If another
// directory gets that path, root opens it.
package root

import (
	"os"
	"os/user"
	"strconv"
	"sync"
	"syscall"
)

// Dir is a directory that is named by its path; links in the path are followed.
// Its methods are safe for concurrent use.
type Dir struct {
	path string

	mu      sync.Mutex
	current *handle // nil: none is open
	closed  bool
}

// handle is one open directory. If the path names another directory, the handle is retired,
// and closed as soon as it has no users.
type handle struct {
	root    *os.Root
	info    os.FileInfo
	users   int
	retired bool
}

// New returns the directory at an absolute path. It opens nothing.
func New(path string) *Dir { return &Dir{path: path} }

// Path returns the path that New was given.
func (d *Dir) Path() string { return d.path }

// Acquire returns the directory that the path names now, compared by device and
// inode. The directory stays open, even if the path changes, until the caller
// calls release, once. The caller must not close it otherwise. The error wraps
// [fs.ErrNotExist] if there is no such directory, and [os.ErrClosed] after Close.
func (d *Dir) Acquire() (r *os.Root, release func(), err error) {
	info, err := d.stat()
	if err != nil {
		// An open directory would keep the file system from being unmounted.
		d.replace(nil)
		return nil, nil, err
	}
	d.mu.Lock()
	if h := d.current; h != nil && os.SameFile(h.info, info) {
		defer d.mu.Unlock()
		h.users++
		return h.root, func() { d.release(h) }, nil
	}
	d.mu.Unlock()
	h, err := open(d.path)
	if err != nil {
		return nil, nil, err
	}
	h.users = 1
	if !d.replace(h) {
		return nil, nil, &os.PathError{Op: "open", Path: d.path, Err: os.ErrClosed}
	}
	return h.root, func() { d.release(h) }, nil
}

// Close makes every later Acquire fail. A directory that was acquired before stays
// open until its release.
func (d *Dir) Close() {
	d.replace(nil)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
}

// stat checks that the path is a directory. os.OpenRoot would open a FIFO and
// wait for its writer.
func (d *Dir) stat() (os.FileInfo, error) {
	info, err := os.Stat(d.path)
	if err == nil && !info.IsDir() {
		err = &os.PathError{Op: "open", Path: d.path, Err: syscall.ENOTDIR}
	}
	return info, err
}

// open opens the directory at path, with its FileInfo. As long as it is open, no other
// file gets its inode number, so os.SameFile shows if path names another directory later.
func open(path string) (*handle, error) {
	r, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	info, err := r.Stat(".")
	if err != nil {
		r.Close()
		return nil, err
	}
	return &handle{root: r, info: info}, nil
}

// replace makes h, which may be nil, the current handle. If d is closed, it closes
// h instead and returns false.
func (d *Dir) replace(h *handle) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		if h != nil {
			h.root.Close()
		}
		return false
	}
	if old := d.current; old != nil {
		old.retired = true
		old.closeUnused()
	}
	d.current = h
	return true
}

func (d *Dir) release(h *handle) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h.users--
	h.closeUnused()
}

// closeUnused closes h if it has no users. The caller holds the lock of its Dir.
func (h *handle) closeUnused() {
	if h.retired && h.users == 0 {
		h.root.Close()
	}
}

// User returns the name of the user as whom this process accesses files, for
// errors about permissions.
func User() string { return UserName(os.Geteuid()) }

// UserName returns the name of a user, or its number if it has no name.
func UserName(uid int) string {
	id := strconv.Itoa(uid)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}
