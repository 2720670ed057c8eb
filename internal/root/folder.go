// SPDX-License-Identifier: MIT

package root

import (
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"syscall"
)

// Batch is the number of entries of a folder that are read at once. So memory does not
// grow with the folder.
const Batch = 512

// OpenFolder opens a folder below r for reading. It does not wait for a FIFO's writer, but
// fails.
func OpenFolder(r *os.Root, name string) (*os.File, error) {
	return r.OpenFile(name, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0)
}

// Folder returns the entries of a folder below r, as Entries does. The folder stays open
// until the end of the iteration.
func Folder(r *os.Root, name string) iter.Seq2[fs.DirEntry, error] {
	return func(yield func(fs.DirEntry, error) bool) {
		dir, err := OpenFolder(r, name)
		if err != nil {
			yield(nil, err)
			return
		}
		defer dir.Close()
		Entries(dir.ReadDir)(yield)
	}
}

// Entries returns the entries of a folder, in the order of the file system. It reads them
// by read, for example the ReadDir of an open folder, at most Batch at once. If read
// fails, the error comes last, without an entry.
//
//	for e, err := range root.Entries(dir.ReadDir) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(e.Name())
//	}
func Entries(read func(n int) ([]fs.DirEntry, error)) iter.Seq2[fs.DirEntry, error] {
	return func(yield func(fs.DirEntry, error) bool) {
		for {
			entries, err := read(Batch)
			for _, e := range entries {
				if !yield(e, nil) {
					return
				}
			}
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
	}
}
