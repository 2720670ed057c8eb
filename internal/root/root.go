// SPDX-License-Identifier: MIT

// Package root keeps a directory open by its path, as an [os.Root] that is
// opened again when the path no longer names the same directory.
package root

import (
	"os"
	"os/user"
	"strconv"
	"sync"
	"syscall"
)

// Dir is a directory known by its path, links in the path followed. All of its
// methods may be called at the same time.
type Dir struct {
	path string

	mu      sync.Mutex
	current *handle // nil: none is open
	closed  bool
}

// handle is one opening of the path. It is closed when it has been retired and
// its last user has released it.
type handle struct {
	root    *os.Root
	info    os.FileInfo
	users   int
	retired bool
}

// New returns the directory at path, an absolute one, and opens nothing.
func New(path string) *Dir { return &Dir{path: path} }

// Path returns the path that New was given.
func (d *Dir) Path() string { return d.path }

// Acquire returns the directory that the path names now, by device and inode.
// It stays open, whatever becomes of the path, until release, which the caller
// calls once; it must not be closed otherwise. The error wraps
// [fs.ErrNotExist] where there is no such directory, and [os.ErrClosed] after
// Close.
func (d *Dir) Acquire() (r *os.Root, release func(), err error) {
	info, err := d.stat()
	if err != nil {
		// An unmounted file system must not be kept busy.
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

// Close makes every later Acquire fail. Who has acquired the directory before
// keeps it until release.
func (d *Dir) Close() {
	d.replace(nil)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
}

// stat exists because os.OpenRoot opens whatever is there, and would wait for
// the other end of a FIFO.
func (d *Dir) stat() (os.FileInfo, error) {
	info, err := os.Stat(d.path)
	if err == nil && !info.IsDir() {
		err = &os.PathError{Op: "open", Path: d.path, Err: syscall.ENOTDIR}
	}
	return info, err
}

// open trusts the directory that it has opened, not one that stat saw before.
// While it is open its inode's number is given to no other.
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

// replace makes h, which may be nil, the current handle. If d is closed it
// closes h instead and returns false.
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

// closeUnused is called with the lock of the handle's Dir.
func (h *handle) closeUnused() {
	if h.retired && h.users == 0 {
		h.root.Close()
	}
}

// User returns the name of the user that this process accesses files as, for
// errors about permissions.
func User() string { return UserName(os.Geteuid()) }

// UserName returns the name of a user, or the number where it has none.
func UserName(uid int) string {
	id := strconv.Itoa(uid)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}
