// SPDX-License-Identifier: MIT

package originals

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"thumbd/internal/root"
)

// ErrEmpty means that the directory of originals is empty: probably a disk is
// not mounted on it.
var ErrEmpty = errors.New("no originals at all")

// Device returns the device number of the directory. The error is ErrEmpty if
// the directory is empty, and ErrUnreadable if it can't be read.
func (d *Dir) Device() (uint64, error) {
	return do(d, ".", func(r *os.Root) (uint64, error) {
		empty, err := isEmpty(r, ".")
		if err != nil {
			return 0, d.explain(".", err)
		}
		if empty {
			return 0, fmt.Errorf("%w in %s", ErrEmpty, d.dir.Path())
		}
		fi, err := r.Stat(".")
		if err != nil {
			return 0, d.explain(".", err)
		}
		return infoOf(fi).Dev, nil
	}, nil)
}

// Deleted reports whether an original that Stat does not find was certainly
// deleted. It was not certainly deleted if the last folder on the way to it is
// empty, because a disk may not be mounted there, or behind a broken link. An
// error is ErrUnreadable.
func (d *Dir) Deleted(name string) (bool, error) {
	return do(d, name, func(r *os.Root) (bool, error) {
		gone, err := isDeleted(r, name)
		if err = d.explain(name, err); errors.Is(err, ErrUnreadable) {
			return false, err
		}
		// No file below the originals can ever have had such a name.
		return gone || err != nil, nil
	}, nil)
}

func isDeleted(r *os.Root, name string) (bool, error) {
	folder := "."
	for _, path := range append(above(name), name) {
		fi, err := r.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if _, err := r.Lstat(path); err == nil {
				return false, nil
			}
			empty, err := isEmpty(r, folder)
			return !empty && err == nil, err
		case err != nil:
			return false, err
		case !fi.IsDir():
			return path != name || !fi.Mode().IsRegular(), nil
		}
		folder = path
	}
	return true, nil
}

// above returns the folders on the way to a name, from the first.
func above(name string) (folders []string) {
	for i, c := range name {
		if c == '/' {
			folders = append(folders, name[:i])
		}
	}
	return folders
}

func isEmpty(r *os.Root, folder string) (bool, error) {
	f, err := root.OpenFolder(r, folder)
	if err != nil {
		return false, err
	}
	defer f.Close()
	_, err = f.Readdirnames(1)
	if errors.Is(err, io.EOF) {
		return true, nil
	}
	return false, err
}
