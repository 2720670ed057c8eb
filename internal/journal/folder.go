// SPDX-License-Identifier: MIT

package journal

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"thumbd/internal/share"
)

// Store keeps the files of a journal. Their names have one of two folders, for example
// "journal/…" and "nodes/n1". Its methods are safe for concurrent use, and return within
// storeTime, a List of more than one page later.
type Store interface {
	// Put writes a file: readers see all of it or nothing. It returns the store's time.
	Put(ctx context.Context, name string, data []byte) (now time.Time, err error)
	// Get returns a file of at most MaxBytes. The error wraps fs.ErrNotExist if there is
	// none.
	Get(ctx context.Context, name string) ([]byte, error)
	// List returns the names in a folder that come after a name, sorted and without the
	// folder. A file that was there when List was called is among them.
	List(ctx context.Context, folder, after string) ([]string, error)
	// Delete removes a file. That there is none is no error.
	Delete(ctx context.Context, name string) error
	// Make makes the two folders if they are missing.
	Make(ctx context.Context) error
}

const (
	// fileMode and folderMode let the group of the folder read and write, and nobody
	// else. The folder's group is that of the files in it.
	fileMode   = 0o640
	folderMode = 0o770
	// tempPrefix begins the names of files that are being written.
	tempPrefix = ".new-"
)

// Folder is a Store in a folder of a file system that all nodes mount. Operations on a
// file system that hangs end with an error of package share.
type Folder struct {
	path string
	gate *share.Gate
}

// NewFolder returns the store in the folder at an absolute path. It touches no disk.
func NewFolder(path string) *Folder {
	f := &Folder{path: path, gate: share.Of(path)}
	// Not original_time, which may be an hour: nobody can purge while an operation hangs.
	f.gate.Set(storeTime, func(bool) {})
	return f
}

// Make implements Store. The folder itself must be there: without the file system that
// belongs there, another one would get the journal.
func (f *Folder) Make(context.Context) error { return share.Run(f.gate, f.make) }

// make makes the folders in a thread that no other goroutine gets: it has a umask of its
// own, which takes nothing from their modes. They have the set-group-ID bit of the folder
// in which they are made. A service with RestrictSUIDSGID= may not set that bit itself.
func (f *Folder) make() error {
	runtime.LockOSThread()
	if unix.Unshare(unix.CLONE_FS) == nil {
		unix.Umask(0)
	}
	for _, folder := range []string{entries, nodes} {
		path := filepath.Join(f.path, folder)
		err := os.Mkdir(path, folderMode)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err == nil {
			err = complete(path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// complete sets the mode of a folder that was just made, unless it has it.
func complete(path string) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&0o7777 == unix.S_ISGID|folderMode {
		return nil
	}
	err := unix.Chmod(path, unix.S_ISGID|folderMode)
	if err == nil || errors.Is(err, unix.EPERM) && st.Mode&folderMode == folderMode {
		// An ACL may give files their group.
		return nil
	}
	// The next attempt would take it for the folder of another node.
	return errors.Join(&fs.PathError{Op: "chmod", Path: path, Err: err}, os.Remove(path))
}

// Put implements Store. The store's time is that which the file system gives a file.
func (f *Folder) Put(_ context.Context, name string, data []byte) (now time.Time, err error) {
	return share.Do(f.gate, func() (time.Time, error) { return f.put(name, data) }, nil)
}

func (f *Folder) put(name string, data []byte) (now time.Time, err error) {
	path := filepath.Join(f.path, name)
	temp := filepath.Join(filepath.Dir(path), tempPrefix+rand.Text())
	file, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, fileMode)
	if err != nil {
		return now, err
	}
	defer func() {
		if err != nil {
			// What stays is swept.
			_ = os.Remove(temp)
		}
	}()
	_, err = file.Write(data)
	// An entry that was answered must outlive a power cut.
	err = errors.Join(err, file.Chmod(fileMode), file.Sync())
	info, serr := file.Stat()
	if err := errors.Join(err, serr, file.Close()); err != nil {
		return now, err
	}
	if err := os.Rename(temp, path); err != nil {
		return now, err
	}
	return info.ModTime(), syncFolder(filepath.Dir(path))
}

// syncFolder makes sure of the names in a folder.
func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// Get implements Store.
func (f *Folder) Get(_ context.Context, name string) ([]byte, error) {
	return share.Do(f.gate, func() ([]byte, error) {
		path := filepath.Join(f.path, name)
		// Somebody may have put there what no node writes: a folder or a link, which
		// would be an error at each look, or a FIFO.
		info, err := os.Lstat(path)
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%w: %s is no regular file", errFormat, path)
		}
		file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		data, err := io.ReadAll(io.LimitReader(file, MaxBytes+1))
		if err == nil && len(data) > MaxBytes {
			return nil, fmt.Errorf("%w: over %d bytes", errFormat, MaxBytes)
		}
		return data, err
	}, nil)
}

// List implements Store.
func (f *Folder) List(_ context.Context, folder, after string) ([]string, error) {
	return share.Do(f.gate, func() ([]string, error) {
		dir, err := os.Open(filepath.Join(f.path, folder))
		if err != nil {
			return nil, err
		}
		defer dir.Close()
		all, err := dir.Readdirnames(-1)
		if err != nil {
			return nil, err
		}
		names := slices.DeleteFunc(all, func(name string) bool { return name <= after || strings.HasPrefix(name, ".") })
		slices.Sort(names)
		return names, nil
	}, nil)
}

// Delete implements Store.
func (f *Folder) Delete(_ context.Context, name string) error {
	return share.Run(f.gate, func() error {
		err := os.Remove(filepath.Join(f.path, name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

// tempAge is the age at which a temp file is that of a node which has died.
const tempAge = time.Hour

// sweep removes the temp files of nodes that have died.
func (f *Folder) sweep() error {
	return share.Run(f.gate, func() error {
		var errs []error
		for _, folder := range []string{entries, nodes} {
			found, err := filepath.Glob(filepath.Join(f.path, folder, tempPrefix+"*"))
			errs = append(errs, err)
			for _, path := range found {
				info, err := os.Lstat(path)
				if err == nil && time.Since(info.ModTime()) > tempAge {
					err = os.Remove(path)
				}
				// Another node sweeps too.
				if !errors.Is(err, fs.ErrNotExist) {
					errs = append(errs, err)
				}
			}
		}
		return errors.Join(errs...)
	})
}
