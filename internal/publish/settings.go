// SPDX-License-Identifier: MIT

package publish

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
)

// settingsName is the file in tempDir that tells how the tree was made.
const settingsName = "settings.json"

// Settings returns the data of the last SetSettings, nil if there is none.
func (t *Tree) Settings() ([]byte, error) {
	r, release, err := t.dir.Acquire()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("settings of the tree: %w", err)
	}
	defer release()
	data, err := r.ReadFile(path.Join(tempDir, settingsName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("settings of the tree %s: %w", t.dir.Path(), err)
	}
	return data, nil
}

// SetSettings keeps data, which tells how the tree's thumbnails are made, beside
// them. After a power cut Settings returns the data of before, or this.
func (t *Tree) SetSettings(data []byte) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("settings of the tree %s: %w", t.dir.Path(), err)
		}
	}()
	return t.create(func(r *os.Root, tmp *os.File, name string) error {
		if _, err := tmp.Write(data); err != nil {
			return err
		}
		if err := tmp.Sync(); err != nil {
			return err
		}
		if err := r.Rename(name, path.Join(tempDir, settingsName)); err != nil {
			return err
		}
		return syncFolder(r, tempDir)
	})
}

// syncFolder makes sure of the names in a folder.
func syncFolder(r *os.Root, name string) error {
	dir, err := r.Open(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
