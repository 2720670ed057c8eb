// SPDX-License-Identifier: MIT

package publish

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
)

// binSuffix ends the names of bins in OwnDir. The rest of the name is the name of a temp
// file. If this file does not exist, the bin's process is dead.
const binSuffix = ".bin"

// Bin takes the published files and folders that a purge removes. A rename puts
// them there, folders with all their files, so that no reader finds them any more.
// They are deleted later. Its methods are for one goroutine at a time, but the
// tree may be used, and closed, meanwhile.
type Bin struct {
	tree    *Tree
	root    *os.Root // nil: there is no tree to take from
	release func()
	lock    *os.File // nil until something has been taken
	name    string   // of lock
	part    int      // of the bin, below which what is taken has its old name
}

// NewBin returns an empty Bin of t. It touches no disk until a file is put into the bin.
// The caller ends it with Delete.
func (t *Tree) NewBin() (*Bin, error) {
	r, release, err := t.dir.Acquire()
	if errors.Is(err, fs.ErrNotExist) {
		return &Bin{tree: t, release: func() {}}, nil
	}
	if err != nil {
		return nil, err
	}
	return &Bin{tree: t, root: r, release: release}, nil
}

// Take takes a file, or a folder with everything in it, by its name in the
// tree. If there is none, this is no error. If a file system is mounted on or below it,
// files there can't be renamed into the bin, and are removed one by one. The markers of
// the same names go with them.
func (b *Bin) Take(name string) error {
	rel, err := b.tree.relative(name)
	if err != nil || b.root == nil {
		return err
	}
	if err := b.take(rel); err != nil {
		return err
	}
	return b.take(path.Join(Markers, rel))
}

// TakeFiles takes the files with these names in a folder of the tree, with their markers.
// If a file does not exist, this is no error.
func (b *Bin) TakeFiles(folder string, names []string) error {
	rel, err := b.tree.relativeFolder(folder)
	if err != nil || b.root == nil {
		return err
	}
	if err := b.takeFiles(rel, names); err != nil {
		return err
	}
	return b.takeFiles(path.Join(Markers, rel), names)
}

func (b *Bin) takeFiles(rel string, names []string) error {
	dir, err := b.root.OpenRoot(rel)
	if isMissing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	for _, name := range names {
		// One system call, for most names are of nothing.
		_, err := dir.Lstat(name)
		if err == nil {
			err = b.take(path.Join(rel, name))
		}
		if err := ignoreMissing(err); err != nil {
			return err
		}
	}
	return nil
}

// TakeAll takes all that is published in the tree, and the markers.
func (b *Bin) TakeAll() error {
	if b.root == nil {
		return nil
	}
	err := eachEntry(b.root, ".", func(e fs.DirEntry) error {
		if strings.HasPrefix(e.Name(), ".") {
			return nil
		}
		return b.take(e.Name())
	})
	if err != nil {
		return err
	}
	return b.take(Markers)
}

func (b *Bin) take(rel string) error {
	for range attempts {
		fi, err := b.root.Lstat(rel)
		if isMissing(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := b.open(); err != nil {
			return err
		}
		to := path.Join(b.dir(), strconv.Itoa(b.part), rel)
		err = b.root.Rename(rel, to)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, syscall.ENOENT):
			if err := b.root.MkdirAll(path.Dir(to), 0o700); err != nil {
				return err
			}
		case errors.Is(err, fs.ErrExist), errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENOTDIR):
			// It was taken before, and has been made anew since.
			b.part++
		case errors.Is(err, syscall.EBUSY), errors.Is(err, syscall.EXDEV):
			return b.remove(rel, fi)
		default:
			return err
		}
	}
	return &fs.PathError{Op: "take away", Path: rel, Err: syscall.EAGAIN}
}

// remove removes a file or folder that lies on another file system.
func (b *Bin) remove(rel string, fi fs.FileInfo) error {
	if !fi.IsDir() {
		return b.root.Remove(rel)
	}
	return eachEntry(b.root, rel, func(e fs.DirEntry) error { return b.take(path.Join(rel, e.Name())) })
}

// open makes the bin, unless it exists. Before the bin there is its owner's temp file: if
// another process finds the bin, it finds this file, too.
func (b *Bin) open() (err error) {
	for range attempts {
		if b.lock != nil {
			return nil
		}
		b.lock, b.name, err = newTemp(b.root)
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return err
}

func (b *Bin) dir() string { return b.name + binSuffix }

// Walk calls f with the name that each file in the bin has had in the tree,
// until f or ctx says otherwise.
func (b *Bin) Walk(ctx context.Context, f func(name string) error) error {
	if b.lock == nil {
		return nil
	}
	for part := range b.part + 1 {
		dir := path.Join(b.dir(), strconv.Itoa(part))
		err := walk(ctx, b.root, dir, func(rel string) error {
			return f(b.tree.prefix + strings.TrimPrefix(rel, dir+"/"))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Delete deletes the bin with its files. The bin can't be used any more. If ctx is done or
// an error comes, DeleteBins finds the rest.
func (b *Bin) Delete(ctx context.Context) error {
	defer b.release()
	if b.lock == nil {
		return nil
	}
	defer b.lock.Close()
	err := removeAll(ctx, b.root, b.dir())
	if lerr := b.root.Remove(b.name); !isMissing(lerr) {
		err = errors.Join(err, lerr)
	}
	return err
}

// DeleteBins deletes the bins that dead processes, or Delete, have left. Sweep must
// have been called before.
func (t *Tree) DeleteBins(ctx context.Context) error {
	r, release, err := t.dir.Acquire()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer release()
	err = eachEntry(r, OwnDir, func(e fs.DirEntry) error {
		owner, ok := strings.CutSuffix(e.Name(), binSuffix)
		if !ok {
			return nil
		}
		if _, err := r.Lstat(path.Join(OwnDir, owner)); !isMissing(err) {
			return err
		}
		return removeAll(ctx, r, path.Join(OwnDir, e.Name()))
	})
	if isMissing(err) {
		return nil
	}
	return err
}
