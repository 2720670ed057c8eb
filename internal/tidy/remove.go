// SPDX-License-Identifier: MIT

package tidy

import (
	"errors"
	"io/fs"
	"syscall"
)

// tempDir is the tree's folder for files that nobody is to see, publish's.
const tempDir = ".thumbd"

// Files of a run in tempDir, none of which has a temp file's name.
const (
	lockName  = tempDir + "/gc.lock"
	stateName = tempDir + "/gc.json"
	asideName = tempDir + "/gc.aside"
)

// remove removes e and counts it, or only counts it. It returns false where the
// file stays, or was gone before.
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

// takeAway removes e unless the name is that of another file by now, one that
// was just published, or the file was read since e was looked at. No system call
// removes a file by its inode: so it is moved aside, where nobody replaces it,
// looked at, and moved back if it is not the one. A run that is killed between
// leaves it aside; the next one removes it.
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

// is reports whether nothing has happened to e but its moving aside. An inode's
// number may be given to another file at once; that has another atime.
func (e entry) is(fi fs.FileInfo) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && st.Dev == e.stat.Dev && st.Ino == e.stat.Ino && st.Size == e.stat.Size &&
		st.Mtim.Nano() == e.stat.Mtim.Nano() && st.Atim.Nano() == e.stat.Atim.Nano()
}

// putBack gives what is aside its name again, unless there is a newer file.
func (r *run) putBack(name string) error {
	err := r.root.Link(asideName, name)
	switch {
	case err == nil, errors.Is(err, fs.ErrExist), isGone(err):
		return r.root.Remove(asideName)
	}
	// A file system without links.
	return r.root.Rename(asideName, name)
}
