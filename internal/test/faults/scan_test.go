// SPDX-License-Identifier: MIT

package faults

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"thumbd/internal/test/kit"
)

// seenWhole looks at what is published, and remembers what it has found whole.
type seenWhole struct {
	pictures atomic.Int64
	left     int
	known    map[string]os.FileInfo
}

// scan returns an error if a name in the tree at dir, of those that nginx can
// be asked for, is not of a whole picture. It is not called concurrently.
func (s *seenWhole) scan(dir string) error {
	if s.known == nil {
		s.known = make(map[string]os.FileInfo)
	}
	var errs []error
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir() || strings.HasPrefix(d.Name(), "."):
			return nil
		}
		errs = append(errs, s.look(path))
		return nil
	})
	return errors.Join(append(errs, err)...)
}

func (s *seenWhole) look(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if known, ok := s.known[path]; ok && os.SameFile(known, info) && known.Size() == info.Size() {
		return nil
	}
	b, err := os.ReadFile(path)
	if err == nil {
		err = kit.Decode(b, 0, 0)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	s.known[path] = info
	return nil
}
