// SPDX-License-Identifier: MIT

package originals

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
)

// batch is how many entries of a folder are read at once.
const batch = 512

// Walk calls f with the name of each original, in no order, until f or ctx says
// otherwise: of each regular file, and of links to such, but neither of what a
// link to a folder leads to nor of what begins with a dot. A folder below that
// can't be read is left out, and unread called with why. It needs no more
// memory for more originals. Its error is ErrUnreadable where the directory
// itself can't be read, or f's or ctx's.
func (d *Dir) Walk(ctx context.Context, f func(name string) error, unread func(error)) error {
	r, release, err := d.acquire()
	if err != nil {
		return err
	}
	defer release()
	w := walk{Dir: d, root: r, ctx: ctx, each: f, unread: unread}
	return w.folder(".")
}

// walk is one Walk.
type walk struct {
	*Dir
	root   *os.Root
	ctx    context.Context
	each   func(name string) error
	unread func(error)
}

func (w *walk) folder(name string) error {
	dir, err := w.root.OpenFile(name, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return w.leaveOut(name, err)
	}
	defer dir.Close()
	for {
		entries, err := dir.ReadDir(batch)
		for _, e := range entries {
			if err := w.entry(path.Join(name, e.Name()), e); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return w.leaveOut(name, err)
		}
	}
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
	fi, err := w.root.Stat(name)
	return err == nil && fi.Mode().IsRegular()
}

// leaveOut tells that a folder can't be read, unless it is gone. All of the
// originals can't be left out.
func (w *walk) leaveOut(folder string, err error) error {
	err = w.explain(folder, err)
	switch {
	case folder == ".":
		return err
	case !errors.Is(err, fs.ErrNotExist):
		w.unread(err)
	}
	return nil
}
