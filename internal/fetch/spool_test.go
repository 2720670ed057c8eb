// SPDX-License-Identifier: MIT

package fetch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"thumbd/internal/originals"
	"thumbd/internal/test/aid"
)

// testSpool returns a spool for limit bytes.
func testSpool(t *testing.T, limit int64) *Spool {
	t.Helper()
	s := NewSpool(filepath.Join(t.TempDir(), "cache", "spool"), limit)
	t.Cleanup(s.Close)
	return s
}

// keep stores n bytes under key.
func keep(t *testing.T, s *Spool, key string, n int) error {
	t.Helper()
	in, err := s.create(key)
	if err != nil {
		return err
	}
	defer in.discard()
	if _, err := in.Write(bytes.Repeat([]byte(key[:1]), n)); err != nil {
		return err
	}
	_, err = in.commit(record{URL: key, Size: int64(n), Mtime: time.Unix(1, 0)}, func() error { return nil })
	return err
}

// openKey opens the original of key as its record says.
func (s *Spool) openKey(key string) (*os.File, record, error) {
	r, err := s.record(key)
	if err != nil {
		return nil, r, err
	}
	f, err := s.open(key, r)
	return f, r, err
}

// kept returns which keys of several the spool has.
func kept(s *Spool, keys ...string) string {
	var all []string
	for _, key := range keys {
		if _, err := s.dirRecord(key); err == nil {
			all = append(all, key)
		}
	}
	return strings.Join(all, "")
}

// dirRecord is record without being a use.
func (s *Spool) dirRecord(key string) (record, error) {
	dir, release, err := s.acquire()
	if err != nil {
		return record{}, err
	}
	defer release()
	return readRecord(dir, key)
}

// onDisk returns the share of all that the spool's folder has.
func onDisk(t *testing.T, s *Spool) (sum int64) {
	t.Helper()
	for _, name := range files(t, s) {
		if fi, err := os.Stat(filepath.Join(s.dir.Path(), name)); err == nil {
			sum += fileShare(fi.Size())
		}
	}
	return sum
}

// age makes a file of the spool look as if it had been used a while ago.
func age(t *testing.T, s *Spool, name string, d time.Duration) {
	t.Helper()
	at := time.Now().Add(-d)
	if err := os.Chtimes(filepath.Join(s.dir.Path(), name), at, at); err != nil {
		t.Fatal(err)
	}
}

func TestBudgetKeepsWhatWasUsedLast(t *testing.T) {
	limit := 10 * Share(250)
	s := testSpool(t, limit)
	for i := range 10 {
		key := string(rune('a' + i))
		if err := keep(t, s, key, 250); err != nil {
			t.Fatal(err)
		}
		age(t, s, key, time.Duration(20-i)*time.Minute)
	}
	if f, _, err := s.openKey("a"); err != nil {
		t.Fatal(err)
	} else {
		f.Close()
	}
	if err := keep(t, s, "k", 250); err != nil {
		t.Fatal(err)
	}
	if got := kept(s, strings.Split("abcdefghijk", "")...); got != "adefghijk" {
		t.Errorf("kept %q, want those that were used last, with a tenth to spare", got)
	}
	if n := onDisk(t, s); n != 9*Share(250) || n != s.stored {
		t.Errorf("%d bytes on disk, %d are counted", n, s.stored)
	}
	if err := keep(t, s, "l", int(limit)+1); !errors.Is(err, originals.ErrBusy) {
		t.Errorf("more than the budget: %v", err)
	}
	if s.coming != 0 || len(s.writing) != 0 {
		t.Errorf("%d bytes of %d originals are counted as coming", s.coming, len(s.writing))
	}
}

// Many small originals take no more blocks and inodes than the budget says.
func TestSmallOriginalsCountAsTheDiskDoes(t *testing.T) {
	const limit = 1 << 20
	s := testSpool(t, limit)
	for i := range 200 {
		if err := keep(t, s, fmt.Sprintf("%064x", i), 43); err != nil {
			t.Fatal(err)
		}
	}
	var blocks, bytes int64
	names := files(t, s)
	for _, name := range names {
		fi, err := os.Stat(filepath.Join(s.dir.Path(), name))
		if err != nil {
			t.Fatal(err)
		}
		bytes += fi.Size()
		blocks += fi.Sys().(*syscall.Stat_t).Blocks * 512
	}
	t.Logf("spool_bytes %d: %d files (inodes), %d bytes in them, %d bytes of the disk", limit, len(names), bytes, blocks)
	if blocks > limit || len(names)*leastFile > limit || len(names) == 0 {
		t.Errorf("%d files take %d bytes of the disk, of a budget of %d", len(names), blocks, limit)
	}
}

// A look at the folder remembers some of the oldest originals, however many
// there are.
func TestALookAtManyOriginalsIsBounded(t *testing.T) {
	s := testSpool(t, 1<<40)
	if err := s.Probe(); err != nil {
		t.Fatal(err)
	}
	dir, release, err := s.acquire()
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	s.most = 100
	const n = 1009
	now := time.Now()
	for i := range n {
		name := strconv.Itoa(i)
		if err := errors.Join(dir.WriteFile(name, nil, 0o600), dir.Chtimes(name, now, now.Add(time.Duration(i*791%n)*time.Second))); err != nil {
			t.Fatal(err)
		}
	}
	s.swept = time.Now()
	oldest, err := s.scan(dir)
	if err != nil || len(oldest) != s.most || s.stored != n*fileShare(0) {
		t.Fatalf("%d originals are remembered of %d, %d bytes are counted, %v", len(oldest), n, s.stored, err)
	}
	for i, e := range oldest {
		if want := now.Add(time.Duration(i) * time.Second); !e.used.Equal(want) {
			t.Fatalf("the original %d from the oldest was used at %v, want %v", i, e.used, want)
		}
	}
}

// What is open stays what it was, whatever becomes of its name.
func TestOpenOriginalsSurviveEviction(t *testing.T) {
	s := testSpool(t, Share(900))
	if err := keep(t, s, "a", 900); err != nil {
		t.Fatal(err)
	}
	f, _, err := s.openKey("a")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := keep(t, s, "b", 900); err != nil {
		t.Fatal(err)
	}
	if got := kept(s, "a", "b"); got != "b" {
		t.Errorf("kept %q", got)
	}
	if b, err := io.ReadAll(f); err != nil || string(b) != strings.Repeat("a", 900) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

// Two processes that share a spool keep to the budget together, but for what
// they write between two looks at the folder.
func TestSharedSpool(t *testing.T) {
	const limit = 100 * 2 * leastFile
	first := testSpool(t, limit)
	second := NewSpool(first.dir.Path(), limit)
	defer second.Close()
	for i := range 200 {
		s := []*Spool{first, second}[i%2]
		if err := keep(t, s, fmt.Sprintf("%c%d", 'a'+i%26, i), 100); err != nil {
			t.Fatal(err)
		}
		if n := onDisk(t, first); n > limit+2*limit/unseenShare {
			t.Fatalf("%d bytes on disk, of %d", n, limit)
		}
	}
}

func TestSpoolIsTakenOver(t *testing.T) {
	first := testSpool(t, 100*Share(0))
	for i, key := range []string{"a", "b", "c"} {
		if err := keep(t, first, key, 300); err != nil {
			t.Fatal(err)
		}
		age(t, first, key, time.Duration(10-i)*time.Minute)
	}
	dir := first.dir.Path()
	put := func(name, text string, old time.Duration) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		age(t, first, name, old)
	}
	put("d.KILLED", "the half of an original", 2*leftoverTime)
	put("a.KILLED", "the half of the next version", 2*leftoverTime)
	put("e.COMING", "that of another process", time.Minute)
	put("f", `{"Content":"f.gone"}`, 2*leftoverTime)
	put("a.KILLED.record", "{", 2*leftoverTime)

	// For b, c, g and e.COMING, which counts until it is known to be left.
	second := NewSpool(dir, 4*Share(300))
	defer second.Close()
	if err := keep(t, second, "g", 10); err != nil {
		t.Fatal(err)
	}
	if got := kept(second, "a", "b", "c", "g"); got != "bcg" {
		t.Errorf("kept %q", got)
	}
	var left []string
	for _, name := range files(t, second) {
		if !slices.Contains([]string{"b", "c", "g"}, name[:1]) {
			left = append(left, name)
		}
	}
	if fmt.Sprint(left) != "[e.COMING]" {
		t.Errorf("left: %q", left)
	}
}

func TestSpoolWithWhatItDidNotWrite(t *testing.T) {
	for name, spoil := range map[string]func(dir string, r record) error{
		"a record that is cut off": func(dir string, _ record) error {
			return os.WriteFile(filepath.Join(dir, "a"), []byte(`{"Cont`), 0o600)
		},
		"an empty record": func(dir string, _ record) error { return os.Truncate(filepath.Join(dir, "a"), 0) },
		"a record of another": func(dir string, r record) error {
			return errors.Join(os.Rename(filepath.Join(dir, r.Content), filepath.Join(dir, "b.X")),
				os.WriteFile(filepath.Join(dir, "a"), []byte(`{"Content":"b.X","Size":300}`), 0o600))
		},
		"bytes that are missing":         func(dir string, r record) error { return os.Remove(filepath.Join(dir, r.Content)) },
		"bytes that a power cut left":    func(dir string, r record) error { return os.Truncate(filepath.Join(dir, r.Content), 299) },
		"a folder that was cleared away": func(dir string, _ record) error { return os.RemoveAll(filepath.Dir(dir)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := testSpool(t, 3*Share(300))
			if err := keep(t, s, "a", 300); err != nil {
				t.Fatal(err)
			}
			r, err := s.record("a")
			if err != nil {
				t.Fatal(err)
			}
			if err := spoil(s.dir.Path(), r); err != nil {
				t.Fatal(err)
			}
			if _, _, err := s.openKey("a"); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, originals.ErrSpool) {
				t.Errorf("got %v", err)
			}
			if err := keep(t, s, "a", 300); err != nil {
				t.Error(err)
			}
			if f, _, err := s.openKey("a"); err != nil {
				t.Error(err)
			} else {
				f.Close()
			}
		})
	}
}

func TestSpoolThatCanNotBeUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "spool")} {
		s := NewSpool(path, 1000)
		defer s.Close()
		_, createErr := s.create("a")
		_, _, openErr := s.openKey("a")
		for what, err := range map[string]error{"create": createErr, "open": openErr, "Probe": s.Probe(), "Check": s.Check()} {
			if !errors.Is(err, originals.ErrSpool) || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: %s: %v", path, what, err)
			}
		}
	}
}

func TestCheckMakesNothing(t *testing.T) {
	s := testSpool(t, 1000)
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Dir(s.dir.Path())); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it made something: %v", err)
	}
	if err := errors.Join(s.Probe(), s.Check()); err != nil {
		t.Error(err)
	}
	if left := files(t, s); len(left) > 0 {
		t.Errorf("Probe left %q", left)
	}
	for path, want := range map[string]fs.FileMode{s.dir.Path(): 0o700, filepath.Dir(s.dir.Path()): 0o755} {
		fi, err := os.Stat(path)
		if err != nil || fi.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", path, fi.Mode(), err, want)
		}
	}
}

// Whoever fetches and evicts at the same time, what is there is whole, and no
// more than allowed.
func TestSpoolUnderLoad(t *testing.T) {
	const limit = 10 * 2 * leastFile
	s := testSpool(t, limit)
	var load sync.WaitGroup
	for g := range 4 {
		load.Go(func() {
			for i := range 100 {
				key := string(rune('a' + (g*7+i)%10))
				if err := keep(t, s, key, 300+i); err != nil && !errors.Is(err, originals.ErrBusy) {
					t.Error(err)
				}
				f, r, err := s.openKey(key)
				if err != nil {
					continue
				}
				b, err := io.ReadAll(f)
				if err != nil || int64(len(b)) != r.Size || strings.Trim(string(b), key) != "" {
					t.Errorf("%s: %d bytes of %d, %v", key, len(b), r.Size, err)
				}
				f.Close()
			}
		})
	}
	load.Wait()
	if n := onDisk(t, s); n > limit || n != s.stored || s.coming != 0 {
		t.Errorf("%d bytes on disk of %d, counted: %d stored, %d coming", n, limit, s.stored, s.coming)
	}
}

// A copy whose commit was allowed before a purge is dropped, too.
func TestDropAllWaitsForCommits(t *testing.T) {
	s := testSpool(t, 1<<20)
	aid.Must(t, keep(t, s, "other", 1))
	in, err := s.create("key")
	aid.Must(t, err)
	defer in.discard()
	dropped := make(chan struct{})
	_, err = in.commit(record{URL: "key"}, func() error {
		go func() {
			defer close(dropped)
			s.dropAll(func(key string, _ record) bool { return key == "key" })
		}()
		// Without the wait of dropAll, this is time enough.
		select {
		case <-dropped:
		case <-time.After(100 * time.Millisecond):
		}
		return nil
	})
	aid.Must(t, err)
	<-dropped
	if got := kept(s, "key", "other"); got != "other" {
		t.Errorf("kept %q, want other", got)
	}
}
