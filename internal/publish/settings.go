// SPDX-License-Identifier: MIT

package publish

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"thumbd/internal/whole"
)

// Records are the files in OwnDir that outlive the process which writes them.
const (
	settingsName = "settings.json" // how the tree was made
	journalName  = "journal.json"  // how far the journal of purges was applied
)

// Settings returns the data of the last SetSettings, nil if there is none.
func (t *Tree) Settings() ([]byte, error) { return t.record(settingsName) }

// SetSettings keeps data, which tells how the tree's thumbnails are made, beside
// them. After a power cut Settings returns the data of before, or this.
func (t *Tree) SetSettings(data []byte) error { return t.setRecord(settingsName, data) }

// Journal returns the data of the last SetJournal, nil if there is none.
func (t *Tree) Journal() ([]byte, error) { return t.record(journalName) }

// SetJournal keeps data, which tells how far the journal was applied to the tree, as
// SetSettings does.
func (t *Tree) SetJournal(data []byte) error { return t.setRecord(journalName, data) }

func (t *Tree) record(name string) ([]byte, error) {
	r, release, err := t.dir.Acquire()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s of the tree: %w", name, err)
	}
	defer release()
	data, err := r.ReadFile(path.Join(OwnDir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s of the tree %s: %w", name, t.dir.Path(), err)
	}
	return data, nil
}

func (t *Tree) setRecord(record string, data []byte) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s of the tree %s: %w", record, t.dir.Path(), err)
		}
	}()
	return t.create(func(r *os.Root, tmp *os.File, name string) error {
		if _, err := tmp.Write(data); err != nil {
			return err
		}
		if err := tmp.Sync(); err != nil {
			return err
		}
		return whole.ReplaceIn(r, name, path.Join(OwnDir, record))
	})
}
