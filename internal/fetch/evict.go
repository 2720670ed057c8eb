// SPDX-License-Identifier: MIT

package fetch

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// leftoverTime is after how long bytes that no record names are taken to be of
// a process that is gone. No fetch takes as long.
const leftoverTime = time.Hour

// spooled are the files of one key.
type spooled struct {
	key      string
	used     time.Time // the record's; zero: there is none
	contents []content
}

type content struct {
	name  string
	size  int64
	since time.Time
}

// unseenShare of the budget is what is written between two looks at the folder,
// which other processes may use too.
const unseenShare = 10

// reserve counts n bytes that are about to be written, and makes room for
// them.
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
		err = fmt.Errorf("%w: they do not fit into spool_bytes", ErrBusy)
	}
	if err != nil {
		s.coming -= n
	}
	return err
}

// drop removes the original of a key, which its origin has taken back.
func (s *Spool) drop(key string) {
	dir, release, err := s.acquire()
	if err != nil {
		return
	}
	defer release()
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, err := readRecord(dir, key); err == nil {
		s.remove(dir, spooled{key: key, contents: []content{{name: r.Content, size: r.Size}}})
	}
}

// evict counts what is stored and, where that is too much, removes what was
// not used for longest, some more than it must. s.mu is held.
func (s *Spool) evict(dir *os.Root) error {
	all, err := s.scan(dir)
	if err != nil {
		return s.explain(err)
	}
	s.unseen = s.limit / unseenShare
	if s.stored+s.coming <= s.limit {
		return nil
	}
	slices.SortFunc(all, func(a, b spooled) int { return a.used.Compare(b.used) })
	for _, e := range all {
		if s.stored+s.coming <= s.limit-s.limit/10 {
			return nil
		}
		s.remove(dir, e)
	}
	return nil
}

// remove removes the original of one key. What can't be removed stays counted.
func (s *Spool) remove(dir *os.Root, e spooled) {
	if !removed(dir, e.key) {
		return
	}
	for _, c := range e.contents {
		if removed(dir, c.name) {
			s.stored -= c.size
		}
	}
}

func removed(dir *os.Root, name string) bool {
	err := dir.Remove(name)
	return err == nil || errors.Is(err, fs.ErrNotExist)
}

// scan returns what is in the spool, sets what is stored, and removes what
// processes that are gone have left.
func (s *Spool) scan(dir *os.Root) ([]spooled, error) {
	byKey, err := list(dir)
	if err != nil {
		return nil, err
	}
	s.stored = 0
	var all []spooled
	for _, e := range byKey {
		named := e.named(dir)
		i := slices.IndexFunc(e.contents, func(c content) bool { return c.name == named })
		for j, c := range e.contents {
			if j != i && time.Since(c.since) > leftoverTime {
				removed(dir, c.name)
			}
		}
		if i < 0 && !e.used.IsZero() {
			removed(dir, e.key)
			continue
		}
		if i >= 0 {
			s.stored += e.contents[i].size
			all = append(all, spooled{e.key, e.used, e.contents[i : i+1]})
		}
	}
	return all, nil
}

// named returns which of e's contents its record names. Where there is one
// there is no need to read it.
func (e *spooled) named(dir *os.Root) string {
	if len(e.contents) == 1 && !e.used.IsZero() {
		return e.contents[0].name
	}
	r, err := readRecord(dir, e.key)
	if err != nil {
		return ""
	}
	return r.Content
}

// list returns the files of dir by their keys.
func list(dir *os.Root) (map[string]*spooled, error) {
	f, err := dir.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	byKey := make(map[string]*spooled)
	for {
		infos, err := f.Readdir(1000)
		for _, fi := range infos {
			key, _, isContent := strings.Cut(fi.Name(), ".")
			e := cmp.Or(byKey[key], &spooled{key: key})
			byKey[key] = e
			if isContent {
				e.contents = append(e.contents, content{fi.Name(), fi.Size(), fi.ModTime()})
			} else {
				e.used = fi.ModTime()
			}
		}
		if err == io.EOF {
			return byKey, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
