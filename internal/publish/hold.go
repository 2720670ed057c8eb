// SPDX-License-Identifier: MIT

package publish

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrHeld is that another process holds the tree in a way that shuts this one
// out.
var ErrHeld = errors.New("the tree is held")

// ErrOwned is the ErrHeld of Own.
var ErrOwned = fmt.Errorf("%w by another thumbd", ErrHeld)

// holdName is the file in OwnDir that holders of the tree lock.
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
	f, err := t.openLock(holdName)
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

// Wanted reports whether another process waits to hold the tree. This process holds it
// alone.
func (t *Tree) Wanted() bool {
	fi, err := t.held.Stat()
	return err == nil && fi.Size() > 0
}

// ownName is the file in OwnDir that the daemon which publishes into the tree locks. It
// has that daemon's process and machine.
const ownName = "daemon.lock"

// Lock makes a tree that of this process's daemon, see Own. Its methods are safe for
// concurrent use, also if the Tree is closed.
type Lock struct {
	path string
	file *os.File
	text string
}

// Close gives the tree up, also if closing the file fails. It is called once.
func (l *Lock) Close() { _ = l.file.Close() }

// Check returns an error that wraps ErrOwned if another daemon has locked the tree too: the
// locks of the tree's file system do not reach from one machine to another. The daemon that
// has locked it first is told.
func (l *Lock) Check() error {
	f, err := os.OpenFile(l.path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		// The tree's own checks tell.
		return nil
	}
	defer f.Close()
	if who := readOwner(f); who != "" && who != l.text {
		return fmt.Errorf("own the tree %s: %w (%s)", filepath.Dir(filepath.Dir(l.path)), ErrOwned, who)
	}
	return nil
}

// readOwner returns the text that a daemon has written into its lock.
func readOwner(f *os.File) string {
	text, _ := io.ReadAll(io.LimitReader(f, 300))
	return strings.TrimSpace(string(text))
}

// Own locks the tree for the daemon of this process until the lock is closed or the process
// ends. Another daemon's trees are its own: it does not know of the purges here, and would
// bring back the thumbnails that they removed. The error is ErrOwned if another daemon has the lock, on
// another machine too if the file system's locks reach there.
func (t *Tree) Own() (lock *Lock, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("own the tree %s: %w", t.dir.Path(), err)
		}
	}()
	f, err := t.openLock(ownName)
	if err != nil {
		return nil, err
	}
	switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		defer f.Close()
		return nil, fmt.Errorf("%w (%s)", ErrOwned, readOwner(f))
	case err != nil:
		f.Close()
		return nil, os.NewSyscallError("flock", err)
	}
	host, _ := os.Hostname()
	lock = &Lock{
		path: filepath.Join(t.dir.Path(), OwnDir, ownName), file: f,
		text: fmt.Sprintf("process %d on %s", os.Getpid(), host),
	}
	if f.Truncate(0) == nil {
		// If it is not written, messages and Check lack it.
		_, _ = fmt.Fprintln(f, lock.text)
	}
	return lock, nil
}

// openLock opens a file in OwnDir, and makes it and its folders if they are missing.
func (t *Tree) openLock(name string) (f *os.File, err error) {
	for range attempts {
		if f, err = t.openLockOnce(name); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return f, err
}

func (t *Tree) openLockOnce(name string) (*os.File, error) {
	r, release, err := t.acquire()
	if err != nil {
		return nil, err
	}
	defer release()
	if err := r.Mkdir(OwnDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return r.OpenFile(path.Join(OwnDir, name), os.O_RDWR|os.O_CREATE|unix.O_NONBLOCK, 0o600)
}
