// SPDX-License-Identifier: MIT

package publish

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// tempDir holds the temp files of a tree, each with a random name and locked
// (flock) by its owner for as long as that lives. It is in the tree, so that
// rename does not cross file systems.
const tempDir = ".thumbd"

// newTemp creates a temp file and locks it. The caller removes it unless it
// has been renamed, and closes it after that. The error wraps fs.ErrNotExist
// where a purge or Sweep has come between; then the caller may try again.
func newTemp(r *os.Root) (f *os.File, name string, err error) {
	name = path.Join(tempDir, rand.Text())
	f, err = createTemp(r, name)
	if errors.Is(err, fs.ErrNotExist) {
		if err := r.Mkdir(tempDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, "", err
		}
		f, err = createTemp(r, name)
	}
	if err != nil {
		return nil, "", err
	}
	owned, err := own(f)
	if owned {
		return f, name, nil
	}
	f.Close()
	if err != nil {
		_ = r.Remove(name)
		return nil, "", err
	}
	return nil, "", &fs.PathError{Op: "lock", Path: name, Err: fs.ErrNotExist}
}

func createTemp(r *os.Root, name string) (*os.File, error) {
	return r.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}

// own locks f. It returns false where Sweep has come between f's creation and
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

// lock returns false where another holds the lock. The lock is gone when f is
// closed, so with its process, however that ends.
func lock(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, os.NewSyscallError("flock", err)
}

// Sweep removes the temp files of processes that are gone, those of Probe too,
// and none of one that lives. It goes on after an error and returns all of
// them.
func (t *Tree) Sweep() error {
	r, release, err := t.dir.Acquire()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	defer release()
	if err := errors.Join(sweep(r, probeName), sweepAll(r, tempDir)); err != nil {
		return fmt.Errorf("sweep %s: %w", t.dir.Path(), err)
	}
	return nil
}

// sweepAll sweeps all files in a folder, if that is there.
func sweepAll(r *os.Root, folder string) error {
	dir, err := r.Open(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	entries, err := dir.ReadDir(-1)
	errs := []error{err}
	for _, e := range entries {
		if e.Type().IsRegular() && e.Name() != settingsName {
			errs = append(errs, sweep(r, path.Join(folder, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// sweep removes one temp file unless its owner lives.
func sweep(r *os.Root, name string) error {
	// For writing: NFS gives an exclusive lock to nobody else.
	f, err := r.OpenFile(name, os.O_RDWR|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	// Closed last: an owner that gets the lock afterwards finds that its file
	// has no name.
	defer f.Close()
	locked, err := lock(f)
	if !locked || err != nil {
		return err
	}
	if err := r.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
