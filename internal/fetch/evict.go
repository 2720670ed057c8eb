// SPDX-License-Identifier: MIT

package fetch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"thumbd/internal/originals"
	"thumbd/internal/root"
)

// leftoverTime is after how long bytes that no record names are taken to be of
// a process that is gone. No fetch takes as long.
const leftoverTime = time.Hour

// evictMost is a Spool's most.
const evictMost = 10_000

// The disk space of a file beside its bytes. ext4 has one inode for each 16 KiB: if files
// are small, they use up inodes before bytes.
const (
	blockSize = 4 << 10
	leastFile = 16 << 10
)

// fileShare returns how much of the budget a file of size bytes takes: its
// blocks, and not less than an inode's share of the disk.
func fileShare(size int64) int64 {
	return max((size+blockSize-1)/blockSize*blockSize, leastFile)
}

// Share returns how much of a spool's budget an original of size bytes takes:
// its file and its record.
func Share(size int64) int64 { return fileShare(size) + fileShare(0) }

// spooled is an original that the spool has.
type spooled struct {
	key  string
	used time.Time
}

// unseenShare is the part of the budget, 1/10, that may be written between two scans of
// the folder. If other processes use the folder too, a scan finds their files.
const unseenShare = 10

// reserve counts n bytes of the budget that are about to be used, and makes
// room for them.
func (s *Spool) reserve(dir *os.Root, n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.coming += n
	s.unseen -= n
	if s.unseen > 0 && s.stored+s.coming <= s.limit {
		return nil
	}
	err := s.evict(dir)
	if err == nil && s.stored+s.coming > s.limit {
		err = fmt.Errorf("%w: they do not fit into spool_bytes", originals.ErrBusy)
	}
	if err != nil {
		s.coming -= n
	}
	return err
}

// drop removes the original of a key.
func (s *Spool) drop(key string) {
	dir, release, err := s.acquire()
	if err != nil {
		return
	}
	defer release()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(dir, key)
}

// dropAll removes each original that covers reports true for.
func (s *Spool) dropAll(covers func(key string, r record) bool) {
	dir, release, err := s.acquire()
	if err != nil {
		return
	}
	defer release()
	// A folder that is read meanwhile may lack the names that these commits give.
	s.awaitCommits()
	// If the folder can't be read, no copy is used either.
	_ = each(dir, func(fi os.FileInfo) {
		key := fi.Name()
		if strings.Contains(key, ".") {
			return
		}
		if r, err := readRecord(dir, key); err == nil && covers(key, r) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.remove(dir, key)
		}
	})
}

// awaitCommits waits for the commits that are allowed already.
func (s *Spool) awaitCommits() {
	s.mu.Lock()
	defer s.mu.Unlock()
}

// evict counts the stored bytes. If they are over the budget, it removes the
// originals that were not used for longest, and some more than it must. The caller
// holds s.mu.
func (s *Spool) evict(dir *os.Root) error {
	for {
		oldest, err := s.scan(dir)
		if err != nil {
			return s.explain(err)
		}
		s.unseen = s.limit / unseenShare
		if s.stored+s.coming <= s.limit {
			return nil
		}
		before := s.stored
		for _, e := range oldest {
			if s.stored+s.coming <= s.limit-s.limit/10 {
				return nil
			}
			s.remove(dir, e.key)
		}
		if s.stored+s.coming <= s.limit || s.stored == before {
			return nil
		}
	}
}

// remove removes the original of a key, if there is one. If a file can't be removed, it
// still counts. s.mu is held.
func (s *Spool) remove(dir *os.Root, key string) {
	r, err := readRecord(dir, key)
	if s.removeFile(dir, key) && err == nil {
		s.removeFile(dir, r.Content)
	}
}

// removeFile removes a file that is counted, and reports whether it is gone.
func (s *Spool) removeFile(dir *os.Root, name string) bool {
	fi, err := dir.Lstat(name)
	if err == nil {
		err = dir.Remove(name)
	}
	if err == nil {
		s.stored -= fileShare(fi.Size())
	}
	return err == nil || errors.Is(err, fs.ErrNotExist)
}

// scan looks at all files once, sets s.stored, and returns the originals that were
// not used for longest, in that order, at most s.most. Now and then it removes
// the leftovers of dead processes. The caller holds s.mu.
func (s *Spool) scan(dir *os.Root) ([]spooled, error) {
	sweep := time.Since(s.swept) > leftoverTime
	var oldest []spooled
	byAge := func(a, b spooled) int { return a.used.Compare(b.used) }
	s.stored = 0
	err := each(dir, func(fi os.FileInfo) {
		name := fi.Name()
		if s.writing[strings.TrimSuffix(name, recordSuffix)] {
			return
		}
		s.stored += fileShare(fi.Size())
		if sweep && s.isLeftover(dir, fi) && s.removeFile(dir, name) {
			return
		}
		if strings.Contains(name, ".") {
			return
		}
		if oldest = append(oldest, spooled{name, fi.ModTime()}); len(oldest) == 2*s.most {
			slices.SortFunc(oldest, byAge)
			oldest = oldest[:s.most]
		}
	})
	if err != nil {
		return nil, err
	}
	if sweep {
		s.swept = time.Now()
	}
	slices.SortFunc(oldest, byAge)
	return oldest[:min(len(oldest), s.most)], nil
}

// isLeftover reports whether a file is a record that names nothing, or is old
// and named by no record.
func (s *Spool) isLeftover(dir *os.Root, fi os.FileInfo) bool {
	key, _, isContent := strings.Cut(fi.Name(), ".")
	if isContent && time.Since(fi.ModTime()) < leftoverTime {
		return false
	}
	r, err := readRecord(dir, key)
	if isContent || err != nil {
		return r.Content != fi.Name()
	}
	_, err = dir.Lstat(r.Content)
	return errors.Is(err, fs.ErrNotExist)
}

// each calls f with each file of dir. It does not hold all names in memory at once.
func each(dir *os.Root, f func(os.FileInfo)) error {
	for e, err := range root.Folder(dir, ".") {
		if err != nil {
			return err
		}
		fi, err := e.Info()
		switch {
		case err == nil:
			f(fi)
		case !errors.Is(err, fs.ErrNotExist): // Another process may have removed it.
			return err
		}
	}
	return nil
}
