// SPDX-License-Identifier: MIT

package tidy

import (
	"os"

	"golang.org/x/sys/unix"
)

// over returns by how many files and bytes the kept thumbnails exceed the
// budget.
func (r *run) over(path string) (Count, error) {
	var over Count
	if r.Budget.Files > 0 {
		over.Files = max(r.sum.Kept.Files-r.Budget.Files, 0)
	}
	if r.Budget.Bytes > 0 {
		over.Bytes = max(r.sum.Kept.Bytes-r.Budget.Bytes, 0)
	}
	if r.Budget.Free > 0 {
		free, err := Free(path)
		if err != nil {
			return over, err
		}
		if !r.Remove {
			for _, c := range r.sum.Removed {
				free += c.Bytes
			}
		}
		over.Bytes = max(over.Bytes, r.Budget.Free-free)
	}
	return over, nil
}

// Free returns the number of free bytes for ordinary users on the file system
// of path.
func Free(path string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: path, Err: err}
	}
	return int64(st.Bavail) * st.Bsize, nil
}
