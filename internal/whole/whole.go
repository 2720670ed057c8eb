// SPDX-License-Identifier: MIT

// Package whole writes small files so that a reader sees a whole file or none, also after
// a crash of the process and, if the caller asks for it, after a power cut.
//
// A file with a fixed name, for example settings.json, is replaced in two steps: Make
// writes a file with another name in the same folder, for example .new-K3X7, and Replace
// renames it. After a crash between the steps, the other file is left. The caller removes
// it at its next start; it knows the names that it gives.
//
// Thumbnails have a way of their own, in package publish: a purge may remove their folder
// between the steps.
package whole

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// Content is the content of a new file.
type Content struct {
	Data []byte
	Mode fs.FileMode // of the file, with any umask
	// Lasting files are synced: if the name is there after a power cut, so is the data.
	Lasting bool
}

// Make makes a file at a path, with content c, and returns its information. If the file
// exists, it stays, and the error wraps fs.ErrExist. After another error, there is no file.
// A reader sees the file grow, so its name must be one that nobody reads yet.
func Make(path string, c Content) (fs.FileInfo, error) {
	f, err := os.OpenFile(path, flags, c.Mode)
	if err != nil {
		return nil, err
	}
	return c.fill(f, func() error { return os.Remove(path) })
}

// MakeIn is Make for a file below r.
func MakeIn(r *os.Root, name string, c Content) (fs.FileInfo, error) {
	f, err := r.OpenFile(name, flags, c.Mode)
	if err != nil {
		return nil, err
	}
	return c.fill(f, func() error { return r.Remove(name) })
}

const flags = os.O_WRONLY | os.O_CREATE | os.O_EXCL

// fill writes c into the new file f and closes f. After an error, it removes the file.
func (c Content) fill(f *os.File, remove func() error) (fs.FileInfo, error) {
	_, err := f.Write(c.Data)
	if err == nil {
		err = f.Chmod(c.Mode)
	}
	if err == nil && c.Lasting {
		err = f.Sync()
	}
	info, serr := f.Stat()
	if err = errors.Join(err, serr, f.Close()); err != nil {
		return nil, errors.Join(err, remove())
	}
	return info, nil
}

// Replace renames the file temp to path, in the same folder. A reader sees the earlier
// file, if there is one, or the new one. After a power cut, the new name is there. If the
// rename fails, Replace removes temp. If the last step alone fails, the new file has its
// name, but may lose it in a power cut.
func Replace(temp, path string) error {
	if err := os.Rename(temp, path); err != nil {
		// If this fails, the caller's next start removes the file.
		_ = os.Remove(temp)
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return settle(dir)
}

// ReplaceIn is Replace below r.
func ReplaceIn(r *os.Root, temp, name string) error {
	if err := r.Rename(temp, name); err != nil {
		_ = r.Remove(temp)
		return err
	}
	dir, err := r.Open(path.Dir(name))
	if err != nil {
		return err
	}
	return settle(dir)
}

// settle syncs the names in a folder, and closes it.
func settle(dir *os.File) error { return errors.Join(dir.Sync(), dir.Close()) }
