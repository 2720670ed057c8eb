// SPDX-License-Identifier: MIT

package publish

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// OwnDir is a tree's folder for files that nginx must not serve. It holds the temp
// files, each with a random name and locked (flock) by its owner for as long as that
// lives. It is in the tree, so that rename does not cross file systems.
const OwnDir = ".thumbd"

// create runs fill with a new temp file and its name, and fill renames the file. An
// error leaves no temp file behind. If a purge takes away a folder meanwhile, fill
// runs again, with another file.
func (t *Tree) create(fill func(r *os.Root, tmp *os.File, name string) error) (err error) {
	for range attempts {
		if err = t.createOnce(fill); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return err
}

// createOnce makes one attempt, in one opening of the tree.
func (t *Tree) createOnce(fill func(r *os.Root, tmp *os.File, name string) error) (err error) {
	r, release, err := t.acquire()
	if err != nil {
		return err
	}
	defer release()
	tmp, name, err := newTemp(r)
	if err != nil {
		return err
	}
	// Closed last: until then the lock keeps Sweep away.
	defer tmp.Close()
	defer func() {
		if err != nil {
			// A file that can't be removed is swept at the next start.
			_ = r.Remove(name)
		}
	}()
	return fill(r, tmp, name)
}

// newTemp creates a temp file and locks it. The caller removes it unless it
// has been renamed, and closes it after that. The error wraps fs.ErrNotExist
// if a purge came between; then the caller may try again.
func newTemp(r *os.Root) (f *os.File, name string, err error) {
	// However often Sweep comes between, on a busy machine: another file costs
	// nothing yet.
	for range attempts {
		name = path.Join(OwnDir, rand.Text())
		f, err = newOwn(r, name)
		if !errors.Is(err, errSwept) {
			break
		}
	}
	return f, name, err
}

// errSwept is that Sweep has come between a temp file's creation and its lock.
var errSwept = fmt.Errorf("swept: %w", fs.ErrNotExist)

func newOwn(r *os.Root, name string) (*os.File, error) {
	f, err := createTemp(r, name)
	if errors.Is(err, fs.ErrNotExist) {
		if err := r.Mkdir(OwnDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		f, err = createTemp(r, name)
	}
	if err != nil {
		return nil, err
	}
	owned, err := own(f)
	if owned {
		return f, nil
	}
	f.Close()
	if err != nil {
		_ = r.Remove(name)
		return nil, err
	}
	return nil, &fs.PathError{Op: "lock", Path: name, Err: errSwept}
}

func createTemp(r *os.Root, name string) (*os.File, error) {
	return r.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// own locks f. It returns false if Sweep came between f's creation and
// the lock: then f has lost its name, or is about to.
func own(f *os.File) (bool, error) {
	locked, err := lock(f)
	if !locked || err != nil {
		return false, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return false, os.NewSyscallError("fstat", err)
	}
	return st.Nlink > 0, nil
}

// lock returns false if another process holds the lock. The lock is gone when f is
// closed, and when its process ends in any way.
func lock(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, os.NewSyscallError("flock", err)
}

// Sweep removes the temp files of dead processes, the files of Probe too. If a process is
// alive, its files stay. Sweep goes on after an error and returns all errors.
func (t *Tree) Sweep() error {
	_, _, err := t.Leftovers(true)
	return err
}

// Leftovers counts the files that Sweep removes, and their share of the disk in
// bytes. With remove it is Sweep.
func (t *Tree) Leftovers(remove bool) (files, bytes int64, err error) {
	r, release, err := t.dir.Acquire()
	if errors.Is(err, fs.ErrNotExist) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("sweep: %w", err)
	}
	defer release()
	var errs []error
	names, err := tempNames(r)
	errs = append(errs, err)
	for _, name := range append(names, probeName) {
		dead, size, err := sweep(r, name, remove)
		if dead {
			files++
			bytes += size
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return files, bytes, fmt.Errorf("sweep %s: %w", t.dir.Path(), err)
	}
	return files, bytes, nil
}

// tempNames returns the names that newTemp has given. Files that stay in
// OwnDir have others, in lower case.
func tempNames(r *os.Root) ([]string, error) {
	dir, err := r.Open(OwnDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	entries, err := dir.ReadDir(-1)
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && strings.Trim(e.Name(), "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") == "" {
			names = append(names, path.Join(OwnDir, e.Name()))
		}
	}
	return names, err
}

// sweep removes one temp file unless its owner lives, or without remove looks
// at it. dead is false if there is nothing to remove.
func sweep(r *os.Root, name string, remove bool) (dead bool, bytes int64, err error) {
	// For writing: otherwise NFS gives no exclusive lock.
	f, err := r.OpenFile(name, os.O_RDWR|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, 0, nil
	}
	if err != nil {
		return false, 0, err
	}
	// Closed last: an owner that gets the lock afterwards finds that its file
	// has no name.
	defer f.Close()
	locked, err := lock(f)
	if !locked || err != nil {
		return false, 0, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return false, 0, os.NewSyscallError("fstat", err)
	}
	if remove {
		err = r.Remove(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false, 0, nil
	}
	return err == nil, st.Blocks * 512, err
}
