// SPDX-License-Identifier: MIT

// Package publish makes a file appear whole or not at all, and never outside
// its tree.
//
// Publishing is these system calls, in this order; a fault in any of them
// leaves nothing behind:
//
//	fcntl(F_ADD_SEALS)   the worker can no longer change its picture
//	openat(O_EXCL)       a temp file with a random name in .thumbd/
//	flock                its owner is alive: Sweep leaves it alone
//	pread64, write       the copy
//	pread64              the copy's header: format and dimensions
//	fchmod               0644, with any umask
//	utimensat            the mtime that package stamp gives
//	fsync                the data, before it has a name
//	renameat             the name
//
// between them the openat, fstat and close that [os.Root] needs to find its
// way, and for a missing folder mkdirat with fchmod.
//
// The folder is not synced after the rename: a name that a power cut takes
// away is rendered again on the next miss, and the sync would cost every
// thumbnail as much as its data's. The data's sync can't be spared: a name
// without its data would be served for ever.
//
// It is larger than other packages because only this package writes into a tree: the temp
// files, markers, settings and the bin of purged folders obey the same rules and locks.
package publish

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"thumbd/internal/names"
	"thumbd/internal/root"
	"thumbd/internal/thumb"
)

// Errors of Publish. Any other error is trouble with the disk.
var (
	// ErrPicture is the worker's fault: the picture can still be changed, or has
	// another format or size than was asked for.
	ErrPicture = errors.New("the worker's picture is not as requested")
	// ErrInTheWay means that a file has the name of a folder that is needed, or the
	// reverse, and that its original still exists.
	ErrInTheWay = errors.New("something published stands in the way")
	// ErrName is a name that is not below the tree, or has an empty segment or
	// one with a leading dot.
	ErrName = errors.New("not a name below the tree")
)

// errCopy is a disk that gives back something else than was written.
var errCopy = errors.New("the copy differs from the picture that was written")

// attempts bounds how often something that a purge has taken away is made
// again for one thumbnail. A purge passes each folder once, so ten attempts
// fail only if something else is wrong.
const attempts = 10

// Tree holds the published files of a site: all below its document root and
// prefix. Names are URIs, decoded and normalized, and begin with the prefix.
// Its methods may be called at the same time, by several processes too.
type Tree struct {
	documentRoot string
	prefix       string
	dir          *root.Dir
	gone         func(name string) bool
	held         *os.File // of Hold, or nil
}

// Want describes the picture that must be published.
type Want struct {
	Format thumb.Format
	// Width x Height in pixels; 0 x 0 asks for the format alone.
	Width, Height int
	Mtime         time.Time // of the published file
	// Guard, if not nil, runs place: place gives the file its name. If Guard does not
	// run place, Publish returns Guard's error.
	Guard func(place func() error) error
}

// New returns the tree of documentRoot, an absolute path, and prefix, for example
// "/var/cache/thumbd/gallery" and "/thumbs/". It touches no disk.
//
// gone reports whether the original of a published name is known not to exist. If a file
// is in the way of another name, it is removed only if gone reports true. gone is called
// for any name in the tree, even if no URI has the name. If gone is nil, no file is
// removed.
func New(documentRoot, prefix string, gone func(name string) bool) *Tree {
	if gone == nil {
		gone = func(string) bool { return false }
	}
	return &Tree{
		documentRoot: documentRoot,
		prefix:       prefix,
		dir:          root.New(filepath.Join(documentRoot, prefix)),
		gone:         gone,
	}
}

// Close closes the tree's directory once running calls have returned, and unlocks
// the tree if Hold has locked it. Files that Open has returned stay open.
func (t *Tree) Close() {
	t.dir.Close()
	if t.held != nil {
		t.held.Close()
	}
}

// Publish copies picture, a memfd that allows sealing, to name: readers see
// the file of before, or all of the new one. Folders that are missing,
// the tree's own included, are made. It seals picture for good and does not
// use its offset.
//
// An error other than ErrName wraps the cause and leaves no file behind, and
// one that is not ErrPicture either means that picture is sealed and as want says:
// it may be served from memory.
func (t *Tree) Publish(name string, picture *os.File, want Want) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("publish %q: %w", name, err)
		}
	}()
	rel, err := t.relative(name)
	if err != nil {
		return err
	}
	sealed, err := seal(picture)
	if err != nil {
		return err
	}
	err = t.create(func(r *os.Root, tmp *os.File, temp string) error { return t.publish(r, tmp, temp, rel, sealed, want) })
	if err == nil {
		return nil
	}
	// The disk may have failed before the copy was looked at, or have given
	// back something else than the copy.
	if lie := verify(sealed, want); lie != nil {
		return lie
	}
	if errors.Is(err, ErrPicture) {
		return fmt.Errorf("%w: %s", errCopy, err.Error())
	}
	return err
}

// Check seals picture for good, as Publish does, and returns nil if it is as want
// says: then it may be served from memory.
func Check(picture *os.File, want Want) error {
	sealed, err := seal(picture)
	if err != nil {
		return err
	}
	return verify(sealed, want)
}

// publish fills tmp from sealed, and renames it from temp to rel.
func (t *Tree) publish(r *os.Root, tmp *os.File, temp, rel string, sealed *io.SectionReader, want Want) error {
	size := sealed.Size()
	if _, err := io.Copy(tmp, io.NewSectionReader(sealed, 0, size)); err != nil {
		return err
	}
	if err := verify(io.NewSectionReader(tmp, 0, size), want); err != nil {
		return err
	}
	if err := tmp.Chmod(0o644); err != nil {
		return err
	}
	if err := r.Chtimes(temp, time.Time{}, want.Mtime); err != nil {
		return err
	}
	if err := tmp.Sync(); err != nil {
		return err
	}
	if want.Guard == nil {
		return t.place(r, temp, rel)
	}
	return want.Guard(func() error { return t.place(r, temp, rel) })
}

// Stat returns the mtime and the size of the published file of that name. ok
// is false if there is none, or no regular file.
func (t *Tree) Stat(name string) (mtime time.Time, size int64, ok bool) {
	fi, ok := t.stat(name)
	if !ok {
		return time.Time{}, 0, false
	}
	return fi.ModTime(), fi.Size(), true
}

func (t *Tree) stat(name string) (os.FileInfo, bool) {
	rel, err := t.relative(name)
	if err != nil {
		return nil, false
	}
	return t.lstat(rel)
}

// lstat returns the information about a regular file below the tree's directory, if it
// exists.
func (t *Tree) lstat(rel string) (os.FileInfo, bool) {
	r, release, err := t.dir.Acquire()
	if err != nil {
		return nil, false
	}
	defer release()
	fi, err := r.Lstat(rel)
	return fi, err == nil && fi.Mode().IsRegular()
}

// Published returns when the file of that name was published, as far as its
// ctime tells. ok is false if Stat finds none.
func (t *Tree) Published(name string) (at time.Time, ok bool) {
	fi, ok := t.stat(name)
	if !ok {
		return time.Time{}, false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return time.Time{}, false
	}
	return time.Unix(st.Ctim.Unix()), true
}

// Open opens the published file of that name for reading; the caller closes
// it. The error wraps [fs.ErrNotExist] if Stat would not find the file.
func (t *Tree) Open(name string) (*os.File, error) {
	rel, err := t.relative(name)
	if err != nil {
		return nil, err
	}
	r, release, err := t.dir.Acquire()
	if err != nil {
		return nil, err
	}
	defer release()
	fi, err := r.Lstat(rel)
	if err != nil {
		return nil, err
	}
	notRegular := &fs.PathError{Op: "open regular file", Path: name, Err: fs.ErrNotExist}
	if !fi.Mode().IsRegular() {
		return nil, notRegular
	}
	f, err := r.OpenFile(rel, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	// OpenFile follows links, and the file may have become one.
	opened, err := f.Stat()
	if err == nil && !os.SameFile(fi, opened) {
		err = notRegular
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// relative returns name below the tree's directory.
func (t *Tree) relative(name string) (string, error) {
	rel, ok := strings.CutPrefix(name, t.prefix)
	// Neither .. nor the tree's own files: their names begin with a dot.
	if !ok || !names.Visible(rel) {
		return "", fmt.Errorf("%w: %q", ErrName, name)
	}
	return rel, nil
}

// relativeFolder is relative for a folder. The folder may be the tree's own: /uploads of
// the prefix /uploads/.
func (t *Tree) relativeFolder(name string) (string, error) {
	if name+"/" == t.prefix {
		return ".", nil
	}
	return t.relative(name)
}
