// SPDX-License-Identifier: MIT

package publish

import (
	"fmt"
	"os"
	"path"
	"time"
)

// Markers is the folder in OwnDir with an empty file for each thumbnail that its
// original can't have. The file has the thumbnail's name below the folder, for example
// .thumbd/none/2024/a.png.avif, and its modification time depends on the version of the
// original. A purge takes markers away together with thumbnails.
const Markers = OwnDir + "/none"

// Mark notes that there is no thumbnail of that name, with a modification time that
// Marker returns. guard is as Want.Guard. A marker may be lost in a power cut.
func (t *Tree) Mark(name string, mtime time.Time, guard func(place func() error) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("mark %q: %w", name, err)
		}
	}()
	rel, err := t.relative(name)
	if err != nil {
		return err
	}
	return t.create(func(r *os.Root, _ *os.File, temp string) error {
		if err := r.Chtimes(temp, time.Time{}, mtime); err != nil {
			return err
		}
		return guard(func() error { return t.place(r, temp, path.Join(Markers, rel)) })
	})
}

// Marker returns the modification time that Mark has given for that name. ok is
// false if there is no marker.
func (t *Tree) Marker(name string) (mtime time.Time, ok bool) {
	rel, err := t.relative(name)
	if err != nil {
		return time.Time{}, false
	}
	fi, ok := t.lstat(path.Join(Markers, rel))
	if !ok {
		return time.Time{}, false
	}
	return fi.ModTime(), true
}

// Unmark removes the marker of that name, if there is one.
func (t *Tree) Unmark(name string) error {
	rel, err := t.relative(name)
	if err != nil {
		return err
	}
	return t.remove(path.Join(Markers, rel))
}
