// SPDX-License-Identifier: MIT

// Package originals opens originals below a root. It opens regular files only,
// none outside the root, and none whose opening blocks. On a share that hangs, its
// functions return after a deadline: see package share.
//
// It has the interface of a source beside the source that is a folder, because all other
// packages need both.
package originals

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"thumbd/internal/root"
	"thumbd/internal/share"
	"thumbd/internal/stamp"
)

// Errors of an original, beside [fs.ErrNotExist]. That error also means that no file can
// have the name, or that links form a loop.
var (
	ErrNotRegular = errors.New("not a regular file")
	ErrOutside    = errors.New("not below the originals")
	// ErrAbsoluteLink is ErrOutside by an absolute link, for example to /mnt/photos,
	// wherever the link leads.
	ErrAbsoluteLink = errors.New("an absolute link, which is not followed: make it relative, or mount its target there (mount --bind)")
	ErrTooLarge     = errors.New("more than original_bytes")
	// ErrUnreadable is an error of the machine: a missing permission, an I/O
	// error, a missing root, or with share.ErrSlow or share.ErrBusy a share that
	// hangs. Its text has the full path, and the user if permissions may matter.
	ErrUnreadable = errors.New("original unreadable")
)

// Dir is a site's originals. Its methods are safe for concurrent use. If the
// directory is removed and made again, or another one is mounted over it, the
// next call finds it.
type Dir struct {
	dir      *root.Dir
	gate     *share.Gate
	maxBytes int64
}

// Info describes an original at the moment when it was opened. Mtime and Size
// together tell one version of an original from another.
type Info struct {
	Mtime time.Time
	Size  int64 // bytes
	Ctime time.Time
	Dev   uint64
	Ino   uint64
	// Fixed is true for a file that thumbd itself has written and never writes
	// again: it can't change, even if its name is removed.
	Fixed bool
	// Modified is when the original was written, if Mtime is not a time but made of
	// the original's ETag.
	Modified time.Time
}

// Written returns when the original was written.
func (i Info) Written() time.Time {
	if i.Modified.IsZero() {
		return i.Mtime
	}
	return i.Modified
}

// Version returns the version that i is of its original.
func (i Info) Version() stamp.Original { return stamp.Original{Mtime: i.Mtime, Size: i.Size} }

// New returns the originals below an absolute path. It opens nothing. Open
// refuses files of more than maxBytes.
func New(path string, maxBytes int64) *Dir {
	return &Dir{dir: root.New(path), gate: share.Of(path), maxBytes: maxBytes}
}

// Gate returns the gate of the folder, through which all operations on its files
// go, also those on files that Open has returned.
func (d *Dir) Gate() *share.Gate { return d.gate }

// Close closes the directory. Files that Open has returned stay open.
func (d *Dir) Close() { d.dir.Close() }

// Open opens the original of that name, segments joined by /, for reading from
// offset 0. The caller closes the file. Open follows at most eight links, if
// they are relative and stay below the originals; an absolute link is
// ErrOutside. Every folder on the way must be readable, not merely searchable.
// With ErrTooLarge, Info is set as well.
//
// A name that passes through one folder twice is fs.ErrNotExist. Only a link to
// a folder above makes such names, for example loop/loop/a.jpg if loop is a link
// to ".", and every original would have infinitely many.
func (d *Dir) Open(name string) (*os.File, Info, error) {
	o, err := do(d, name, func(r *os.Root) (opened, error) {
		f, info, err := d.open(r, name)
		return opened{f, info}, d.explain(name, err)
	}, func(o opened) { o.file.Close() })
	return o.file, o.info, err
}

// opened is an open original and its state: the results of Open in one value.
type opened struct {
	file *os.File
	info Info
}

// do runs op on the directory, through its gate. drop lets go of a value that
// comes too late; nil: there is nothing to let go.
func do[T any](d *Dir, name string, op func(*os.Root) (T, error), drop func(T)) (T, error) {
	v, err := share.Do(d.gate, func() (v T, err error) {
		r, release, err := d.acquire()
		if err != nil {
			return v, err
		}
		defer release()
		return op(r)
	}, drop)
	if errors.Is(err, share.ErrSlow) || errors.Is(err, share.ErrBusy) {
		err = fmt.Errorf("%w: %q: %w", ErrUnreadable, d.Path(name), err)
	}
	return v, err
}

// OpenFile opens the file at an absolute path that an administrator has named,
// for example the image of a watermark. Like Open, it opens regular files only
// and does not block. The caller closes the file. Errors are ErrTooLarge,
// ErrNotRegular and ErrUnreadable.
func OpenFile(path string, maxBytes int64) (*os.File, Info, error) {
	fi, err := os.Stat(path)
	if err == nil {
		err = regular(fi)
	}
	var f *os.File
	if err == nil {
		f, err = os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY|syscall.O_CLOEXEC, 0)
	}
	if err != nil {
		return nil, Info{}, explainFile(path, err)
	}
	info, err := inspect(f, maxBytes)
	if err != nil {
		f.Close()
		return nil, info, explainFile(path, err)
	}
	return f, info, nil
}

// Path returns the full path of the original of that name, for the log.
func (d *Dir) Path(name string) string { return filepath.Join(d.dir.Path(), name) }

// Exists reports whether there is a regular file of that name, of any size. An
// error means that this is not known.
func (d *Dir) Exists(name string) (bool, error) {
	return do(d, name, func(r *os.Root) (bool, error) {
		err := d.explain(name, check(r, name))
		if errors.Is(err, ErrUnreadable) {
			return false, err
		}
		return err == nil, nil
	}, nil)
}

// Stat returns the Info that Open would return, without opening the original,
// and also if it is too large. Errors are those of Open.
func (d *Dir) Stat(name string) (Info, error) {
	return do(d, name, func(r *os.Root) (Info, error) {
		if err := check(r, name); err != nil {
			return Info{}, d.explain(name, err)
		}
		fi, err := r.Stat(name)
		if err == nil {
			err = regular(fi)
		}
		if err != nil {
			return Info{}, d.explain(name, err)
		}
		return infoOf(fi), nil
	}, nil)
}

// Probe opens the directory and reads one name from it. Its error has the path,
// the user and the remedy.
func (d *Dir) Probe() error {
	_, err := do(d, ".", func(r *os.Root) (struct{}, error) { return struct{}{}, d.probe(r) }, nil)
	if cause, ok := errors.AsType[acquireError](err); ok {
		return fmt.Errorf("%w: give the user read and search permission on it and search permission on all folders above; "+
			"below /home, also a drop-in of thumbd.service with ProtectHome=read-only", cause)
	}
	return err
}

func (d *Dir) probe(r *os.Root) error {
	f, err := r.Open(".")
	if err != nil {
		return d.explain(".", err)
	}
	defer f.Close()
	if _, err := f.Readdirnames(1); err != nil && !errors.Is(err, io.EOF) {
		return d.explain(".", err)
	}
	return nil
}

// Changed reports whether f, which Open returned with info, was written,
// replaced or removed since then. A change of its permissions or links counts
// too.
func Changed(f *os.File, info Info) (bool, error) {
	if info.Fixed {
		return false, nil
	}
	fi, err := f.Stat()
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	return infoOf(fi) != info, nil
}

// Replaced reports whether f, which Open returned with info, has only lost its
// name since then, to another file or by removal. If so, the bytes that were
// read from f are all of one version of the original.
func Replaced(f *os.File, info Info) bool {
	fi, err := f.Stat()
	if err != nil {
		return false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && st.Nlink == 0 && fi.ModTime().Equal(info.Mtime) && fi.Size() == info.Size
}

// acquire does not return fs.ErrNotExist: if the originals are not mounted, no
// original must count as deleted.
func (d *Dir) acquire() (*os.Root, func(), error) {
	r, release, err := d.dir.Acquire()
	if err != nil {
		return nil, nil, acquireError{fmt.Errorf("%w: originals as user %s: %s", ErrUnreadable, root.User(), err.Error())}
	}
	return r, release, nil
}

// acquireError is that the directory itself can't be opened.
type acquireError struct{ error }

func (e acquireError) Unwrap() error { return e.error }

func (d *Dir) open(r *os.Root, name string) (*os.File, Info, error) {
	if err := check(r, name); err != nil {
		return nil, Info{}, err
	}
	// The file that check saw may have been replaced by a FIFO or a terminal. O_NONBLOCK
	// keeps a FIFO from waiting for a writer, O_NOCTTY a terminal from becoming ours.
	f, err := r.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, Info{}, err
	}
	info, err := inspect(f, d.maxBytes)
	if err != nil {
		f.Close()
		return nil, info, err
	}
	return f, info, nil
}

// inspect returns the Info of f, if f is a regular file of at most maxBytes.
func inspect(f *os.File, maxBytes int64) (Info, error) {
	fi, err := f.Stat()
	if err == nil {
		err = regular(fi)
	}
	if err != nil {
		return Info{}, err
	}
	info := infoOf(fi)
	if info.Size > maxBytes {
		return info, fmt.Errorf("%w: %d bytes", ErrTooLarge, info.Size)
	}
	return info, nil
}

// check returns nil if name is a regular file. It does not open the file: opening
// a device can have effects.
func check(r *os.Root, name string) error {
	if !filepath.IsLocal(name) {
		return ErrOutside
	}
	fi, err := r.Stat(name)
	if err != nil {
		return err
	}
	if err := regular(fi); err != nil {
		return err
	}
	return checkFolders(r, name)
}

// checkFolders refuses a name that passes through one folder twice. This
// includes names with //, /./ or /../.
func checkFolders(r *os.Root, name string) error {
	if !strings.Contains(name, "/") {
		return nil
	}
	top, err := r.Stat(".")
	if err != nil {
		return err
	}
	passed := []os.FileInfo{top}
	for i, c := range name {
		if c != '/' {
			continue
		}
		fi, err := r.Stat(name[:i])
		if err != nil {
			return err
		}
		if slices.ContainsFunc(passed, func(p os.FileInfo) bool { return os.SameFile(p, fi) }) {
			return fmt.Errorf("link to a folder above: %w", fs.ErrNotExist)
		}
		passed = append(passed, fi)
	}
	return nil
}

func regular(fi os.FileInfo) error {
	if !fi.Mode().IsRegular() {
		return fmt.Errorf("%w but %v", ErrNotRegular, fi.Mode().Type())
	}
	return nil
}

// explain adds the sentinel and the original's name to err.
func (d *Dir) explain(name string, err error) error {
	if err == nil {
		return nil
	}
	errno, isErrno := errors.AsType[syscall.Errno](err)
	_, isPath := errors.AsType[*fs.PathError](err)
	switch {
	case isErrno && noSuchName(errno):
		return fmt.Errorf("original %q: %w: %w", name, fs.ErrNotExist, errno)
	case isErrno:
		return fmt.Errorf("%w: %q as user %s: %w", ErrUnreadable, filepath.Join(d.dir.Path(), name), root.User(), errno)
	case isPath:
		// os.Root has no sentinel for a path that leads out of it, and no
		// other error of its own without a cause in the kernel.
		if link := d.absoluteLink(name); link != "" {
			return fmt.Errorf("original %q: %w: %q is %w", name, ErrOutside, link, ErrAbsoluteLink)
		}
		return fmt.Errorf("original %q: %w", name, ErrOutside)
	}
	return fmt.Errorf("original %q: %w", name, err)
}

// absoluteLink returns the path of the first absolute link on the way to name, or "".
func (d *Dir) absoluteLink(name string) string {
	for i := range len(name) + 1 {
		if i < len(name) && name[i] != '/' {
			continue
		}
		path := filepath.Join(d.dir.Path(), name[:i])
		if target, err := os.Readlink(path); err == nil && i > 0 && filepath.IsAbs(target) {
			return path
		}
	}
	return ""
}

func explainFile(path string, err error) error {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return fmt.Errorf("%w: %q as user %s: %w", ErrUnreadable, path, root.User(), errno)
	}
	return fmt.Errorf("%q: %w", path, err)
}

// noSuchName reports whether errno means that no file can have this name: a file
// stands in place of a folder, links form a loop, the name is too long, or the
// file system refuses it.
func noSuchName(errno syscall.Errno) bool {
	return slices.Contains([]syscall.Errno{
		syscall.ENOENT, syscall.ENOTDIR, syscall.ELOOP,
		syscall.ENAMETOOLONG, syscall.EINVAL, syscall.EILSEQ,
	}, errno)
}

func infoOf(fi os.FileInfo) Info {
	info := Info{Mtime: fi.ModTime(), Size: fi.Size()}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		info.Ctime = time.Unix(st.Ctim.Unix())
		info.Dev, info.Ino = st.Dev, st.Ino
	}
	return info
}
