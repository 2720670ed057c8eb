// SPDX-License-Identifier: MIT

package publish

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"

	"thumbd/internal/root"
)

// Walk calls f with the name of every published file of the tree, or, if there are
// folders, of the files below them. It ends if f returns an error or ctx is done. Its
// memory does not grow with the number of files. If a file comes or goes meanwhile, it
// may be left out.
func (t *Tree) Walk(ctx context.Context, folders []string, f func(name string) error) error {
	r, release, err := t.dir.Acquire()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer release()
	tops := []string{"."}
	if len(folders) > 0 {
		tops = nil
	}
	for _, name := range folders {
		rel, err := t.relative(name)
		if err != nil {
			return err
		}
		tops = append(tops, rel)
	}
	for _, top := range tops {
		if err := walk(ctx, r, top, func(rel string) error { return f(t.prefix + rel) }); err != nil {
			return err
		}
	}
	return nil
}

// Each calls f with the name and the mtime of every published file in a folder and below
// it, or, if files is not nil, of the files of this list in the folder.
func (t *Tree) Each(folder string, files []string, f func(name string, mtime time.Time) error) error {
	rel, err := t.relativeFolder(folder)
	if err != nil {
		return err
	}
	r, release, err := t.dir.Acquire()
	if err != nil {
		return err
	}
	defer release()
	dir := r
	visit := func(file string) error {
		fi, err := dir.Lstat(file)
		if err != nil || !fi.Mode().IsRegular() {
			return ignoreMissing(err)
		}
		if files != nil {
			file = path.Join(rel, file)
		}
		return f(t.prefix+file, fi.ModTime())
	}
	if files == nil {
		return walk(context.Background(), dir, rel, visit)
	}
	if dir, err = r.OpenRoot(rel); err != nil {
		return ignoreMissing(err)
	}
	defer dir.Close()
	for _, file := range files {
		if err := visit(file); err != nil {
			return err
		}
	}
	return nil
}

// Names returns the names of the files and the markers in a folder for which holds is
// true.
func (t *Tree) Names(folder string, holds func(name string) bool) ([]string, error) {
	rel, err := t.relativeFolder(folder)
	if err != nil {
		return nil, err
	}
	r, release, err := t.dir.Acquire()
	if err != nil {
		return nil, ignoreMissing(err)
	}
	defer release()
	var names []string
	for _, dir := range []string{rel, path.Join(Markers, rel)} {
		err := eachEntry(r, dir, func(e fs.DirEntry) error {
			if e.Type().IsRegular() && holds(e.Name()) {
				names = append(names, e.Name())
			}
			return nil
		})
		if err := ignoreMissing(err); err != nil {
			return nil, err
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// ignoreMissing returns err unless it says that there is no such file, or can
// be none.
func ignoreMissing(err error) error {
	if isMissing(err) || errors.Is(err, syscall.ENAMETOOLONG) {
		return nil
	}
	return err
}

// Remove removes a published file. It is no error if there is none.
func (t *Tree) Remove(name string) error {
	rel, err := t.relative(name)
	if err != nil {
		return err
	}
	return t.remove(rel)
}

func (t *Tree) remove(rel string) error {
	r, release, err := t.dir.Acquire()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer release()
	if err := r.Remove(rel); !isMissing(err) {
		return err
	}
	return nil
}

// walk calls f with every regular file below dir, unless its name begins with a dot: no
// published file has such a name.
func walk(ctx context.Context, r *os.Root, dir string, f func(rel string) error) error {
	err := eachEntry(r, dir, func(e fs.DirEntry) error {
		rel := path.Join(dir, e.Name())
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case strings.HasPrefix(e.Name(), "."):
			return nil
		case e.IsDir():
			return walk(ctx, r, rel, f)
		case e.Type().IsRegular():
			return f(rel)
		}
		return nil
	})
	if isMissing(err) {
		return nil
	}
	return err
}

// removeAll is Root.RemoveAll for large folders, and for folders that other processes
// still write into.
func removeAll(ctx context.Context, r *os.Root, dir string) error {
	for range attempts {
		err := eachEntry(r, dir, func(e fs.DirEntry) error {
			rel := path.Join(dir, e.Name())
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if e.IsDir() {
				return removeAll(ctx, r, rel)
			}
			if err := r.Remove(rel); !isMissing(err) {
				return err
			}
			return nil
		})
		if err == nil {
			err = r.Remove(dir)
		}
		switch {
		case isMissing(err):
			return nil
		case !errors.Is(err, fs.ErrExist):
			return err
		}
	}
	return &fs.PathError{Op: "remove", Path: dir, Err: syscall.ENOTEMPTY}
}

// eachEntry calls f with the entries of a folder as they are read.
func eachEntry(r *os.Root, dir string, f func(fs.DirEntry) error) error {
	for e, err := range root.Folder(r, dir) {
		if err == nil {
			err = f(e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// isMissing reports whether there is no file of a name: neither itself nor,
// maybe, the folders above it.
func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}
