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
	"thumbd/internal/whole"
)

// Store keeps the files of a journal, in two folders: for example
// "journal/20261129T011530.123456Z-n1-k3x7q2m4tz" and "nodes/n1". Its methods are safe for
// concurrent use. They return within storeTime; a List may take as long for each page.
type Store interface {
	// Put writes a file: a reader gets the whole file or no file. It returns the time of
	// the store's clock.
	Put(ctx context.Context, name string, data []byte) (now time.Time, err error)
	// Get returns a file of at most MaxBytes. If the file does not exist, the error wraps
	// fs.ErrNotExist.
	Get(ctx context.Context, name string) ([]byte, error)
	// List returns the names of the files in a folder, without the folder, sorted, from
	// the first name after a given name. It misses no file that existed before the call.
	List(ctx context.Context, folder, after string) ([]string, error)
	// Delete removes a file. It is no error if the file does not exist.
	Delete(ctx context.Context, name string) error
	// Make creates the two folders if they are missing.
	Make(ctx context.Context) error
	// Close closes connections, and ends the look-up of keys. No other method is called
	// after it.
	Close()
}

const (
	// fileMode lets the folder's group read, folderMode lets it write, too. Other users
	// have no access. New files get the folder's group.
	fileMode   = 0o640
	folderMode = 0o770
	// tempPrefix begins the name of a file that is being written, for example .new-K3X7.
	tempPrefix = ".new-"
)

// Folder is a Store in a folder of a file system that all nodes mount. If the file system
// hangs, an operation ends with an error of package share.
type Folder struct {
	path string
	gate *share.Gate
}

// NewFolder returns the store in the folder at an absolute path. It touches no disk.
func NewFolder(path string) *Folder {
	f := &Folder{path: path, gate: share.Of(path)}
	// Not original_time, because it may be an hour: no purge can end before an operation
	// that hangs.
	f.gate.Set(storeTime, func(bool) {})
	return f
}

// Make implements Store. The folder itself must exist. If Make created it while the shared
// file system is not mounted, the journal would be on this machine's own disk.
func (f *Folder) Make(context.Context) error { return share.Run(f.gate, f.make) }

// make creates the folders in a thread with a umask of its own, 0, so that the folders get
// all bits of folderMode. No other goroutine gets this thread. The kernel gives the folders
// the set-group-ID bit of their parent: a service with RestrictSUIDSGID= may not set it.
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

// complete sets the mode of a new folder, if the kernel has not set it.
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
		// Without the set-group-ID bit, an ACL may still give files their group.
		return nil
	}
	// If the folder stayed, the next attempt would take it for one that another node made.
	return errors.Join(&fs.PathError{Op: "chmod", Path: path, Err: err}, os.Remove(path))
}

// Close implements Store. No file is open.
func (*Folder) Close() {}

// Put implements Store. The store's time is the modification time that the file system
// gives the new file.
func (f *Folder) Put(_ context.Context, name string, data []byte) (now time.Time, err error) {
	return share.Do(f.gate, func() (time.Time, error) { return f.put(name, data) }, nil)
}

func (f *Folder) put(name string, data []byte) (now time.Time, err error) {
	path := filepath.Join(f.path, name)
	temp := filepath.Join(filepath.Dir(path), tempPrefix+rand.Text())
	// An entry must survive a power cut from the moment when its purge is answered. If a
	// crash leaves temp, sweep removes it.
	info, err := whole.Make(temp, whole.Content{Data: data, Mode: fileMode, Lasting: true})
	if err != nil {
		return now, err
	}
	return info.ModTime(), whole.Replace(temp, path)
}

// Get implements Store.
func (f *Folder) Get(_ context.Context, name string) ([]byte, error) {
	return share.Do(f.gate, func() ([]byte, error) {
		path := filepath.Join(f.path, name)
		// No node writes a folder, a link or a FIFO. An administrator may have put one
		// there: it is refused once, and must not stop or block every reading.
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

// tempAge is the age of a temp file from which its node counts as dead.
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
				// Another node may have removed it at the same time.
				if !errors.Is(err, fs.ErrNotExist) {
					errs = append(errs, err)
				}
			}
		}
		return errors.Join(errs...)
	})
}
