// SPDX-License-Identifier: MIT

package originals

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"

	"thumbd/internal/root"
)

// Walk calls f with the name of each original, in no order: of each regular file
// and of each link to one. It does not follow links to folders, and skips names
// that begin with a dot. If a folder below the root can't be read, Walk calls
// unread with the error and goes on. Its memory does not grow with the number of
// originals. It ends with the first error of f, with ctx's error, or with
// ErrUnreadable if the root itself can't be read.
func (d *Dir) Walk(ctx context.Context, f func(name string) error, unread func(error)) error {
	w := walk{Dir: d, ctx: ctx, each: f, unread: unread}
	return w.folder(".")
}

// walk is the state of one call of Walk.
type walk struct {
	*Dir
	ctx    context.Context
	each   func(name string) error
	unread func(error)
}

func (w *walk) folder(name string) error {
	dir, err := do(w.Dir, name, func(r *os.Root) (*os.File, error) {
		f, err := root.OpenFolder(r, name)
		return f, w.explain(name, err)
	}, func(f *os.File) { f.Close() })
	if err != nil {
		return w.leaveOut(name, err)
	}
	defer w.gate.Close(dir)
	read := func(n int) ([]fs.DirEntry, error) {
		return do(w.Dir, name, func(*os.Root) ([]fs.DirEntry, error) { return dir.ReadDir(n) }, nil)
	}
	for e, err := range root.Entries(read) {
		if err != nil {
			return w.leaveOut(name, err)
		}
		if err := w.entry(path.Join(name, e.Name()), e); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) entry(name string, e fs.DirEntry) error {
	switch {
	case w.ctx.Err() != nil:
		return w.ctx.Err()
	case strings.HasPrefix(e.Name(), "."):
		return nil
	case e.IsDir():
		return w.folder(name)
	case e.Type().IsRegular() || e.Type() == fs.ModeSymlink && w.isRegular(name):
		return w.each(name)
	}
	return nil
}

func (w *walk) isRegular(name string) bool {
	_, err := w.Stat(name)
	return err == nil
}

// leaveOut reports a folder that can't be read, unless it no longer exists. For
// the root itself it returns the error.
func (w *walk) leaveOut(folder string, err error) error {
	if !errors.Is(err, ErrUnreadable) {
		err = w.explain(folder, err)
	}
	switch {
	case folder == ".":
		return err
	case !errors.Is(err, fs.ErrNotExist):
		w.unread(err)
	}
	return nil
}
