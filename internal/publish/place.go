// SPDX-License-Identifier: MIT

package publish

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"

	"thumbd/internal/root"
)

// acquire returns the tree's directory, made if it is missing.
func (t *Tree) acquire() (r *os.Root, release func(), err error) {
	for range attempts {
		r, release, err = t.dir.Acquire()
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err := makeAll(t.dir.Path()); err != nil {
			return nil, nil, err
		}
	}
	return r, release, err
}

// makeAll makes the folder at an absolute path and the folders above it.
func makeAll(dir string) error {
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrNotExist) && dir != "/" {
		if err := makeAll(filepath.Dir(dir)); err != nil {
			return err
		}
		err = os.Mkdir(dir, 0o755)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return os.Chmod(dir, 0o755)
}

// place renames the temp file to rel. It makes the folders above rel only if the rename
// fails for want of them, because mostly they exist. Package whole does not do so, and it
// syncs the folder. Here this is not needed: a thumbnail that a power cut takes away is a
// miss.
func (t *Tree) place(r *os.Root, tmp, rel string) error {
	for range attempts {
		err := r.Rename(tmp, rel)
		var remedy error
		switch {
		case err == nil:
			return nil
		case errors.Is(err, syscall.ENOENT):
			remedy = makeParents(r, rel)
		case errors.Is(err, syscall.ENOTDIR):
			remedy = t.clearFile(r, rel)
		case errors.Is(err, syscall.EISDIR), errors.Is(err, fs.ErrExist):
			remedy = t.clearFolder(r, rel)
		default:
			return err
		}
		// If a file came or went meanwhile, it is looked at again.
		if remedy != nil && !errors.Is(remedy, fs.ErrNotExist) && !errors.Is(remedy, fs.ErrExist) {
			return remedy
		}
	}
	return fmt.Errorf("%s: taken away again and again: %w", path.Dir(rel), fs.ErrNotExist)
}

// makeParents makes the folders above rel. A file in the way is left to the
// next rename to find.
func makeParents(r *os.Root, rel string) error {
	for i, c := range rel {
		if c != '/' {
			continue
		}
		err := r.Mkdir(rel[:i], 0o755)
		if err == nil {
			err = chmodFolder(r, rel[:i])
		}
		if errors.Is(err, syscall.ENOTDIR) {
			return nil
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// chmodFolder lets every user enter a folder, with any umask. Root.Chmod would use
// fchmodat2: the system call filters of older systemd refuse it with EPERM, and
// Root.Chmod then does not fall back.
func chmodFolder(r *os.Root, name string) error {
	f, err := root.OpenFolder(r, name)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Chmod(0o755)
}

// clearFile removes a file that has the name of a folder above rel.
func (t *Tree) clearFile(r *os.Root, rel string) error {
	for i, c := range rel {
		if c != '/' {
			continue
		}
		// Stat, for a link to a folder is not in the way.
		fi, err := r.Stat(rel[:i])
		if err != nil {
			return err
		}
		if fi.IsDir() {
			continue
		}
		if !t.gone(t.prefix + rel[:i]) {
			return fmt.Errorf("%w: %q", ErrInTheWay, t.prefix+rel[:i])
		}
		return r.Remove(rel[:i])
	}
	return nil
}

// clearFolder removes a folder that has the name of the file rel.
func (t *Tree) clearFolder(r *os.Root, rel string) error {
	used, err := t.findUsed(r, rel)
	if err != nil {
		return err
	}
	if used != "" {
		return fmt.Errorf("%w: %q", ErrInTheWay, t.prefix+used)
	}
	return r.RemoveAll(rel)
}

// findUsed returns a file below dir if its original may exist, or "" if all originals are
// gone.
func (t *Tree) findUsed(r *os.Root, dir string) (string, error) {
	f, err := r.Open(dir)
	if err != nil {
		return "", err
	}
	entries, err := f.ReadDir(-1)
	f.Close()
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if !e.IsDir() {
			if !t.gone(t.prefix + name) {
				return name, nil
			}
			continue
		}
		used, err := t.findUsed(r, name)
		if used != "" || err != nil {
			return used, err
		}
	}
	return "", nil
}
