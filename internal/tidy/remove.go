// SPDX-License-Identifier: MIT

package tidy

import (
	"errors"
	"io/fs"
	"syscall"

	"thumbd/internal/publish"
)

// Names of a run's files in publish.OwnDir. No temp file has one of these names.
const (
	lockName  = publish.OwnDir + "/gc.lock"
	stateName = publish.OwnDir + "/gc.json"
	asideName = publish.OwnDir + "/gc.aside"
)

// remove removes e, if Remove is set, and counts e as removed for the reason why. If the
// file stays or another process has removed it, remove counts nothing and returns false.
func (r *run) remove(e entry, why string) bool {
	if r.Remove {
		removed, err := r.takeAway(e)
		r.trouble.add(err)
		if err != nil || !removed {
			return false
		}
	}
	c := r.sum.Removed[why]
	c.add(e.bytes())
	r.sum.Removed[why] = c
	return true
}

// takeAway removes e, unless another file was published under its name or e was
// read since the run looked at it. No system call removes a file by its inode.
// So takeAway moves the file aside, so that no other process replaces it, compares
// it with e, and moves it back if it is another file. If the run is killed in between,
// the file stays aside, and the next run removes it.
func (r *run) takeAway(e entry) (removed bool, err error) {
	err = r.root.Rename(e.name, asideName)
	if isGone(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	fi, err := r.root.Lstat(asideName)
	if err != nil {
		return false, err
	}
	if !e.is(fi) {
		return false, r.putBack(e.name)
	}
	return true, r.root.Remove(asideName)
}

// is reports whether fi is e, unread and unchanged since the run looked at it. A
// new file may get the inode number of a removed one, but has another atime.
func (e entry) is(fi fs.FileInfo) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && st.Dev == e.stat.Dev && st.Ino == e.stat.Ino && st.Size == e.stat.Size &&
		st.Mtim.Nano() == e.stat.Mtim.Nano() && st.Atim.Nano() == e.stat.Atim.Nano()
}

// putBack moves the file that is aside back to its name, unless a newer file has
// that name.
func (r *run) putBack(name string) error {
	err := r.root.Link(asideName, name)
	switch {
	case err == nil, errors.Is(err, fs.ErrExist), isGone(err):
		return r.root.Remove(asideName)
	}
	// The file system has no hard links.
	return r.root.Rename(asideName, name)
}
