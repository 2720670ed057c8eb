// SPDX-License-Identifier: MIT

package fetch

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"thumbd/internal/originals"
	"thumbd/internal/root"
	"thumbd/internal/whole"
)

// Spool keeps fetched originals in a folder, up to a budget. If the budget is full, the
// least recently used originals are evicted. The budget is disk space: an original takes
// its Share of it. The spool stays when the process ends. If several processes share the
// folder, each may be over the budget by a tenth. Safe for concurrent use.
//
// An original has two files: KEY.RANDOM has its bytes and is written once. KEY is a
// record in JSON with the name of KEY.RANDOM; it is written last and removed first. If a
// process is killed, it may leave a KEY.RANDOM without a record.
type Spool struct {
	dir   *root.Dir
	limit int64
	// most originals are remembered in one look at the folder, so that memory
	// does not grow with it.
	most int

	mu      sync.Mutex
	stored  int64           // share of what the folder has, as far as is known
	coming  int64           // share of what is being fetched
	unseen  int64           // share that may be taken before the folder is looked at
	writing map[string]bool // names of files that are counted in coming
	swept   time.Time       // when leftovers were looked for
}

// recordSuffix ends the name of a record that is not yet in its place.
const recordSuffix = ".record"

// record describes an original in the spool.
type record struct {
	URL          string
	Content      string // the name of the file with its bytes
	Size         int64
	Mtime        time.Time
	ETag         string
	LastModified string
}

// conditional reports whether thumbd can ask the origin to send the original only if it
// has changed.
func (r record) conditional() bool { return r.ETag != "" || r.LastModified != "" }

// NewSpool returns the spool at path, an absolute one, with a budget of limit
// bytes. It touches no disk.
func NewSpool(path string, limit int64) *Spool {
	return &Spool{dir: root.New(path), limit: limit, most: evictMost, writing: make(map[string]bool)}
}

// Close lets go of the folder. Files that are open stay so.
func (s *Spool) Close() { s.dir.Close() }

// Probe makes the folder, if it is missing, and a file in it.
func (s *Spool) Probe() error {
	r, release, err := s.acquire()
	if err != nil {
		return err
	}
	defer release()
	name := "probe." + rand.Text()
	f, err := r.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return s.explain(err)
	}
	f.Close()
	return s.explain(r.Remove(name))
}

// Check returns the error that Probe would return, and makes nothing.
func (s *Spool) Check() error {
	path := s.dir.Path()
	err := unix.Access(path, unix.W_OK|unix.X_OK)
	for errors.Is(err, fs.ErrNotExist) && path != "/" {
		path = filepath.Dir(path)
		err = unix.Access(path, unix.W_OK|unix.X_OK)
	}
	if err != nil {
		return s.explain(&fs.PathError{Op: "write to", Path: path, Err: err})
	}
	return nil
}

// acquire returns the folder. If an administrator has removed it, as with any cache,
// acquire makes it anew.
func (s *Spool) acquire() (*os.Root, func(), error) {
	r, release, err := s.dir.Acquire()
	if errors.Is(err, fs.ErrNotExist) {
		// nginx passes through the folders above.
		err = os.MkdirAll(filepath.Dir(s.dir.Path()), 0o755)
		if err == nil {
			err = os.Mkdir(s.dir.Path(), 0o700)
		}
		if err == nil || errors.Is(err, fs.ErrExist) {
			r, release, err = s.dir.Acquire()
		}
	}
	return r, release, s.explain(err)
}

// explain returns an originals.ErrSpool with the text of err, or nil if err is nil.
func (s *Spool) explain(err error) error {
	if err == nil {
		return nil
	}
	// Not wrapped: [fs.ErrNotExist] would say that the original is gone.
	return fmt.Errorf("%w: %q as user %s: %s", originals.ErrSpool, s.dir.Path(), root.User(), err.Error())
}

// record returns the record of key. The error wraps [fs.ErrNotExist] if there is
// none, or if its bytes are missing.
func (s *Spool) record(key string) (record, error) {
	dir, release, err := s.acquire()
	if err != nil {
		return record{}, err
	}
	defer release()
	r, err := readRecord(dir, key)
	if err != nil {
		return record{}, s.missing(err)
	}
	f, err := s.openIn(dir, key, r)
	if err != nil {
		return record{}, err
	}
	f.Close()
	return r, nil
}

// open returns the original of key that the record r describes, and counts as a use of
// the key. The error wraps [fs.ErrNotExist] if its bytes are missing. The caller closes
// the file.
func (s *Spool) open(key string, r record) (*os.File, error) {
	dir, release, err := s.acquire()
	if err != nil {
		return nil, err
	}
	defer release()
	return s.openIn(dir, key, r)
}

// openIn is open in the spool's folder.
func (s *Spool) openIn(dir *os.Root, key string, r record) (*os.File, error) {
	f, err := dir.Open(r.Content)
	if err != nil {
		return nil, s.missing(err)
	}
	// Its age is for eviction alone, which may have come before.
	_ = dir.Chtimes(key, time.Time{}, time.Now())
	if fi, err := f.Stat(); err != nil || fi.Size() != r.Size {
		f.Close()
		return nil, fmt.Errorf("%s: %w as a whole file", key, fs.ErrNotExist)
	}
	return f, nil
}

// missing keeps an error that says that there is no such file, and makes
// originals.ErrSpool of others.
func (s *Spool) missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return s.explain(err)
}

// readRecord returns the record of key. One that nobody can read, or that
// names the content of another, is none.
func readRecord(dir *os.Root, key string) (record, error) {
	b, err := dir.ReadFile(key)
	if err != nil {
		return record{}, err
	}
	var r record
	if json.Unmarshal(b, &r) != nil || !strings.HasPrefix(r.Content, key+".") {
		return record{}, fmt.Errorf("the record %s: %w", key, fs.ErrNotExist)
	}
	return r, nil
}

// incoming is an original on its way into the spool. It is used by one
// goroutine.
type incoming struct {
	spool   *Spool
	dir     *os.Root
	release func()
	key     string
	file    *os.File
	name    string
	size    int64
	share   int64 // that is counted in the spool's coming
}

// create begins an original of key, or returns originals.ErrBusy if the budget has no room
// for it. The caller calls discard at the end, after commit too.
func (s *Spool) create(key string) (*incoming, error) {
	dir, release, err := s.acquire()
	if err != nil {
		return nil, err
	}
	in := &incoming{spool: s, dir: dir, release: release, key: key, name: key + "." + rand.Text()}
	s.mu.Lock()
	s.writing[in.name] = true
	s.mu.Unlock()
	err = in.grow(0)
	if err == nil {
		in.file, err = dir.OpenFile(in.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		err = s.explain(err)
	}
	if err != nil {
		in.discard()
		return nil, err
	}
	return in, nil
}

// grow reserves room in the spool's budget for n more bytes of the original.
func (in *incoming) grow(n int) error {
	share := Share(in.size + int64(n))
	if err := in.spool.reserve(in.dir, share-in.share); err != nil {
		return err
	}
	in.size, in.share = in.size+int64(n), share
	return nil
}

// Write appends p, or returns originals.ErrBusy if the budget has no room for it.
func (in *incoming) Write(p []byte) (int, error) {
	if err := in.grow(len(p)); err != nil {
		return 0, err
	}
	n, err := in.file.Write(p)
	return n, in.spool.explain(err)
}

// commit makes the written bytes the original of its key, with the record r, and returns
// r with their name. If allowed returns an error, commit does nothing but return it.
func (in *incoming) commit(r record, allowed func() error) (record, error) {
	r.Content = in.name
	b, err := json.Marshal(r)
	if err != nil {
		return r, in.spool.explain(err)
	}
	// A record that a power cut leaves must name bytes that are there.
	if err := in.file.Sync(); err != nil {
		return r, in.spool.explain(err)
	}
	next := in.name + recordSuffix
	// Not lasting: if a power cut empties the record, the original is fetched again.
	if _, err := whole.MakeIn(in.dir, next, whole.Content{Data: b, Mode: 0o600}); err != nil {
		return r, in.spool.explain(err)
	}
	s := in.spool
	s.mu.Lock()
	defer s.mu.Unlock()
	// With the lock held: drop then comes before this check or after the rename.
	if err := allowed(); err != nil {
		return r, errors.Join(err, in.dir.Remove(next))
	}
	old, oldErr := readRecord(in.dir, in.key)
	// It stays counted until the new one has its place.
	replaced, replacedErr := in.dir.Lstat(in.key)
	if err := in.dir.Rename(next, in.key); err != nil {
		return r, s.explain(errors.Join(err, in.dir.Remove(next)))
	}
	s.settle(in)
	s.stored += Share(in.size)
	if replacedErr == nil {
		s.stored -= fileShare(replaced.Size())
	}
	if oldErr == nil {
		s.removeFile(in.dir, old.Content)
	}
	return r, nil
}

// settle ends the count of in as one that comes. s.mu is held.
func (s *Spool) settle(in *incoming) {
	delete(s.writing, in.name)
	s.coming -= in.share
	in.share = 0
}

// discard removes the bytes, unless they were committed.
func (in *incoming) discard() {
	defer in.release()
	s := in.spool
	s.mu.Lock()
	defer s.mu.Unlock()
	if in.file != nil {
		in.file.Close()
	}
	if s.writing[in.name] {
		// If a file stays, a later scan finds it.
		_ = in.dir.Remove(in.name)
		s.settle(in)
	}
}
