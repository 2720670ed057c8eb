// SPDX-License-Identifier: MIT

package publish

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// ErrHeld is that another process holds the tree in a way that shuts this one
// out.
var ErrHeld = errors.New("the tree is held")

// holdName is the file in tempDir that holders of the tree lock.
const holdName = "hold.lock"

// Hold locks the tree until Close, or the process's end: together with others, or
// alone. A purge keeps only its own process from publishing old thumbnails, so two
// processes that know nothing of each other must not publish at the same time.
// The error is ErrHeld, or the disk's. A process that holds the tree alone closes
// it soon after Wanted returns true: then another process has met ErrHeld. After
// Hold has returned nil it is not called again.
func (t *Tree) Hold(alone bool) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("hold the tree %s: %w", t.dir.Path(), err)
		}
	}()
	var f *os.File
	for range attempts {
		if f, err = t.openHold(); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		return err
	}
	if err := take(f, alone); err != nil {
		f.Close()
		return err
	}
	t.held = f
	return nil
}

// take locks f for a holder.
func take(f *os.File, alone bool) error {
	how := unix.LOCK_SH
	if alone {
		how = unix.LOCK_EX
	}
	err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
	switch {
	case err == nil && alone:
		return f.Truncate(0)
	case err == nil:
		return nil
	case !errors.Is(err, unix.EWOULDBLOCK):
		return os.NewSyscallError("flock", err)
	}
	if !alone {
		if _, err := f.WriteAt([]byte{'\n'}, 0); err != nil {
			return errors.Join(ErrHeld, err)
		}
	}
	return ErrHeld
}

// Wanted reports whether another process waits to hold the tree, which this one
// holds alone.
func (t *Tree) Wanted() bool {
	fi, err := t.held.Stat()
	return err == nil && fi.Size() > 0
}

func (t *Tree) openHold() (*os.File, error) {
	r, release, err := t.acquire()
	if err != nil {
		return nil, err
	}
	defer release()
	if err := r.Mkdir(tempDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return r.OpenFile(path.Join(tempDir, holdName), os.O_RDWR|os.O_CREATE|unix.O_NONBLOCK, 0o600)
}
