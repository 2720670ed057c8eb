// SPDX-License-Identifier: MIT

package tidy

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"thumbd/internal/originals"
	"thumbd/internal/publish"
	"thumbd/internal/root"
)

// entry is a regular file of the tree.
type entry struct {
	name string // below the tree's root
	stat unix.Stat_t
}

func (e entry) bytes() int64     { return e.stat.Blocks * 512 }
func (e entry) mtime() time.Time { return time.Unix(e.stat.Mtim.Unix()) }
func (e entry) ctime() time.Time { return time.Unix(e.stat.Ctim.Unix()) }

// walk calls visit with every regular file of the tree, and then removes empty
// folders, except the tree's own. It returns ctx's error, and keeps other errors
// as trouble.
func (r *run) walk(ctx context.Context, visit func(entry) (removed bool)) error {
	_, err := r.folder(ctx, ".", visit)
	return err
}

// markers removes the markers of deleted originals. They count as files without
// bytes.
func (r *run) markers(ctx context.Context) error {
	_, err := r.folder(ctx, publish.Markers, func(e entry) bool {
		t, ok := r.thumbnail(entry{name: strings.TrimPrefix(e.name, publish.Markers+"/")})
		return ok && r.original(t.Original).kind == deleted && r.sum.Orphans == "" && r.remove(e, Orphan)
	})
	return err
}

// folder does the same for one folder, and reports whether it is empty now.
func (r *run) folder(ctx context.Context, name string, visit func(entry) bool) (empty bool, err error) {
	dir, err := root.OpenFolder(r.root, name)
	if isGone(err) {
		return true, nil
	}
	if err != nil {
		r.trouble.add(err)
		return false, nil
	}
	defer dir.Close()
	empty = true
	read := dir.ReadDir
	if r.ordered {
		read = inOrder(dir, orderedMost)
	}
	for e, err := range root.Entries(read) {
		if isGone(err) {
			return true, nil
		}
		if err != nil {
			r.trouble.add(err)
			return false, nil
		}
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		gone, err := r.entry(ctx, dir, path.Join(name, e.Name()), e, visit)
		if err != nil {
			return false, err
		}
		empty = empty && gone
	}
	return empty, nil
}

// isOrdered reports whether it is cheapest to ask a source about originals in the order of
// their names: a list of a bucket has a thousand successive names.
func isOrdered(t originals.Teller) bool {
	_, ok := t.(originals.Distant)
	return ok
}

// orderedMost is the number of entries that inOrder returns at once: 10 MB.
const orderedMost = 1 << 15

// inOrder is like the ReadDir of an open folder, but in the order of names. Each call returns
// at most most entries. For this it reads all names of the folder and keeps only the next
// ones, so that memory does not grow with the folder.
func inOrder(dir *os.File, most int) func(int) ([]fs.DirEntry, error) {
	after := ""
	return func(int) (list []fs.DirEntry, err error) {
		if _, err := dir.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		for e, eerr := range root.Entries(dir.ReadDir) {
			if eerr != nil {
				err = eerr
			} else if e.Name() > after {
				list = append(list, e)
			}
			if len(list) >= 2*most {
				list = first(list, most)
			}
		}
		list = first(list, most)
		if len(list) > 0 {
			after = list[len(list)-1].Name()
		}
		if err == nil && len(list) < most {
			err = io.EOF
		}
		return list, err
	}
}

// first returns the first entries by name, at most most, sorted.
func first(list []fs.DirEntry, most int) []fs.DirEntry {
	slices.SortFunc(list, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list[:min(len(list), most)]
}

// entry does the same for one entry of a folder, and reports whether the entry
// is gone now.
func (r *run) entry(ctx context.Context, dir *os.File, name string, e fs.DirEntry, visit func(entry) bool) (gone bool, err error) {
	switch {
	case name == publish.OwnDir:
		return false, nil
	case strings.HasPrefix(e.Name(), "."):
		r.sum.Foreign++
		return false, nil
	case e.IsDir():
		empty, err := r.folder(ctx, name, visit)
		return empty && err == nil && r.removeFolder(name), err
	}
	x, gone := r.look(dir, name)
	switch {
	case x == nil:
		return gone, nil
	case x.stat.Mode&unix.S_IFMT != unix.S_IFREG:
		r.sum.Foreign++
		return false, nil
	}
	return visit(*x), nil
}

// look returns an entry of a folder. If it can't, it returns nil and reports
// whether the entry no longer exists.
func (r *run) look(dir *os.File, name string) (x *entry, gone bool) {
	x = &entry{name: name}
	err := unix.Fstatat(int(dir.Fd()), path.Base(name), &x.stat, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil {
		return x, false
	}
	if !isGone(err) {
		r.trouble.add(&os.PathError{Op: "stat", Path: name, Err: err})
	}
	return nil, isGone(err)
}

// removeFolder removes a folder unless it is no longer empty.
func (r *run) removeFolder(name string) bool {
	if r.Remove {
		err := r.root.Remove(name)
		switch {
		case isGone(err):
			return true
		case errors.Is(err, fs.ErrExist), errors.Is(err, syscall.EBUSY):
			return false
		case err != nil:
			r.trouble.add(err)
			return false
		}
	}
	r.sum.Folders++
	return true
}
