// SPDX-License-Identifier: MIT

package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/test/aid"
)

var errAway = errors.New("the store is away")

// memory is a Store in memory. Each entry may be listed later than it was written.
type memory struct {
	mu    sync.Mutex
	files map[string][]byte
	shown map[string]time.Time // by name; from then on it is listed
	delay func() time.Duration // until a new entry is listed; nil: none
	slow  time.Duration        // of a Put
	skew  time.Duration        // of the store's clock
	away  bool
	made  int // calls of Make

	closed atomic.Bool
}

func newMemory() *memory {
	return &memory{files: make(map[string][]byte), shown: make(map[string]time.Time)}
}

func (m *memory) setAway(away bool) { m.mu.Lock(); defer m.mu.Unlock(); m.away = away }

func (m *memory) Close() { m.closed.Store(true) }

func (m *memory) Make(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.made++
	return nil
}

func (m *memory) Put(_ context.Context, name string, data []byte) (time.Time, error) {
	m.mu.Lock()
	slow := m.slow
	m.mu.Unlock()
	time.Sleep(slow)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return time.Time{}, errAway
	}
	m.files[name], m.shown[name] = data, time.Now()
	if m.delay != nil && strings.HasPrefix(name, entries) {
		m.shown[name] = time.Now().Add(m.delay())
	}
	return time.Now().Add(m.skew), nil
}

func (m *memory) Get(_ context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	data, ok := m.files[name]
	switch {
	case m.away:
		return nil, errAway
	case !ok:
		return nil, fs.ErrNotExist
	}
	return data, nil
}

func (m *memory) List(_ context.Context, folder, after string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return nil, errAway
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(m.files)) {
		if base, ok := strings.CutPrefix(name, folder); ok && base > after && !m.shown[name].After(time.Now()) {
			names = append(names, base)
		}
	}
	return names, nil
}

func (m *memory) Delete(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, name)
	return nil
}

// tree is the Trees of one site "a". Like a disk, it stays after its node was killed.
type tree struct {
	mu     sync.Mutex
	names  map[string]bool // thumbnails; each has the name of its original
	record []byte
	purges int
	fails  bool
}

func newTree(names ...string) *tree {
	t := &tree{names: make(map[string]bool)}
	t.fill(names...)
	return t
}

func (t *tree) fill(names ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, name := range names {
		t.names[name] = true
	}
}

func (t *tree) has() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Sorted(maps.Keys(t.names))
}

func (t *tree) Sites() []string    { return []string{"a"} }
func (t *tree) Empty(string) bool  { return len(t.has()) == 0 }
func (t *tree) count() (n int)     { t.mu.Lock(); defer t.mu.Unlock(); return t.purges }
func (t *tree) setFails(fail bool) { t.mu.Lock(); defer t.mu.Unlock(); t.fails = fail }

func (t *tree) Purge(_ context.Context, e Entry) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fails {
		return errors.New("the disk fails")
	}
	t.purges++
	if e.Preset == "unknown" {
		return fmt.Errorf("%w: no such preset", ErrSkip)
	}
	for _, name := range e.Originals {
		delete(t.names, name)
	}
	if e.All {
		clear(t.names)
	}
	return nil
}

func (t *tree) Progress(string) ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.record, nil
}

func (t *tree) SetProgress(_ string, data []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.record = data
	return nil
}

const testKey = "a key of the group of nodes"

// member is a node that runs until kill or stop.
type member struct {
	*Node
	tree   *tree
	stop   func()
	events func(What) int
}

// join starts a node.
func join(t *testing.T, store Store, name string, tree *tree, change func(*Options)) *member {
	t.Helper()
	var mu sync.Mutex
	seen := make(map[What]int)
	o := Options{
		Store: store, Where: "memory", Keys: [][]byte{[]byte(testKey)}, Name: name, Trees: tree,
		Poll: 2 * time.Second, Lag: time.Minute, Keep: 7 * 24 * time.Hour,
		Tell: func(e Event) {
			mu.Lock()
			defer mu.Unlock()
			seen[e.What]++
		},
	}
	if change != nil {
		change(&o)
	}
	// The configuration allows no less: a look may come late by a part of Poll.
	o.Lag = max(o.Lag, 2*o.Poll)
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{Node: New(o), tree: tree, events: func(w What) int { mu.Lock(); defer mu.Unlock(); return seen[w] }}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m.Run(ctx)
	}()
	m.stop = sync.OnceFunc(func() { cancel(); <-ended })
	t.Cleanup(m.stop)
	return m
}

// kill ends a node as kill -9 does: the record is not written again.
func (m *member) kill() {
	m.tree.mu.Lock()
	record := m.tree.record
	m.tree.mu.Unlock()
	m.stop()
	m.tree.mu.Lock()
	m.tree.record = record
	m.tree.mu.Unlock()
}

// purge is what POST /purge does.
func (m *member) purge(t *testing.T, e Entry, limit time.Duration) []Behind {
	t.Helper()
	var names []string
	for _, part := range e.Split() {
		name, err := m.Write(t.Context(), part)
		if err != nil {
			t.Fatal(err)
		}
		m.Done(name, part, m.tree.Purge(t.Context(), part) == nil)
		names = append(names, name)
	}
	return m.Await(t.Context(), names, limit)
}

func original(names ...string) Entry { return Entry{Site: "a", Originals: names} }

func TestPurgeReachesAllNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		a := join(t, store, "n1", newTree("x", "y"), nil)
		b := join(t, store, "n2", newTree("x", "y"), nil)
		c := join(t, store, "n3", newTree("x", "y"), nil)
		synctest.Wait()
		if behind := a.purge(t, original("x"), 10*time.Second); behind != nil {
			t.Errorf("behind: %v", behind)
		}
		for _, m := range []*member{a, b, c} {
			if diff := cmp.Diff([]string{"y"}, m.tree.has()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", m.Name(), diff)
			}
			if n := m.tree.count(); n != 1 {
				t.Errorf("%s has purged %d times, want 1", m.Name(), n)
			}
		}
		time.Sleep(time.Minute)
		if s := a.State(); s.Behind || s.Nodes[Current] != 3 || s.Entries["written"] != 1 || b.State().Entries["applied"] != 1 {
			t.Errorf("state %+v", s)
		}
	})
}

// A purge names a node that is down. After its start the node is behind until it has
// applied all entries.
func TestNodeThatWasDown(t *testing.T) {
	for _, how := range []string{"stopped", "killed", "cut off", "new"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, cut := newMemory(), &cutStore{}
				cut.memory = store
				a := join(t, store, "n1", newTree("x", "y"), nil)
				disk := newTree("x", "y")
				var b *member
				if how != "new" {
					b = join(t, cut, "n2", disk, nil)
				}
				synctest.Wait()
				switch how {
				case "stopped":
					b.stop()
				case "killed":
					b.kill()
				case "cut off":
					cut.set(true)
				}
				behind := a.purge(t, original("x"), 10*time.Second)
				if how != "new" && (len(behind) != 1 || behind[0].Node != "n2") {
					t.Fatalf("behind: %v, want n2", behind)
				}
				time.Sleep(2 * time.Minute)
				if how == "cut off" {
					if !b.State().Behind {
						t.Error("it is not behind while it is cut off")
					}
					cut.set(false)
				} else {
					b = join(t, cut, "n2", disk, nil)
				}
				for b.State().Behind {
					time.Sleep(10 * time.Millisecond)
				}
				if diff := cmp.Diff([]string{"y"}, disk.has()); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if behind := a.purge(t, original("y"), 10*time.Second); behind != nil {
					t.Errorf("behind: %v", behind)
				}
			})
		})
	}
}

// cutStore is one node's connection to the store. A test can cut it.
type cutStore struct {
	*memory
	mu  sync.Mutex
	cut bool
}

func (c *cutStore) set(cut bool) { c.mu.Lock(); defer c.mu.Unlock(); c.cut = cut }

func (c *cutStore) err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut {
		return errAway
	}
	return nil
}

func (c *cutStore) List(ctx context.Context, folder, after string) ([]string, error) {
	if err := c.err(); err != nil {
		return nil, err
	}
	return c.memory.List(ctx, folder, after)
}

func (c *cutStore) Get(ctx context.Context, name string) ([]byte, error) {
	if err := c.err(); err != nil {
		return nil, err
	}
	return c.memory.Get(ctx, name)
}

func (c *cutStore) Put(ctx context.Context, name string, data []byte) (time.Time, error) {
	if err := c.err(); err != nil {
		return time.Time{}, err
	}
	return c.memory.Put(ctx, name, data)
}

// Trees are equal at the end, although entries come in any order and some late, clocks
// differ, and nodes are killed meanwhile.
func TestAnyOrderGivesEqualTrees(t *testing.T) {
	for seed := range uint64(8) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			store := newMemory()
			var mu sync.Mutex
			store.delay = func() time.Duration {
				mu.Lock()
				defer mu.Unlock()
				return time.Duration(random.IntN(60)) * time.Second
			}
			var all []string
			for i := range 60 {
				all = append(all, fmt.Sprintf("o%02d", i))
			}
			disks := []*tree{newTree(all...), newTree(all...), newTree(all...)}
			var members []*member
			start := func(i int) *member { return join(t, store, fmt.Sprintf("n%d", i), disks[i], nil) }
			for i := range disks {
				members = append(members, start(i))
			}
			synctest.Wait()
			left := slices.Clone(all)
			for range 40 {
				mu.Lock()
				i, k, step, kill := random.IntN(3), random.IntN(len(left)), random.IntN(40), random.IntN(4)
				mu.Unlock()
				members[i].purge(t, original(left[k]), 0)
				left = slices.Delete(left, k, k+1)
				time.Sleep(time.Duration(step) * time.Second)
				if kill < 3 {
					members[kill].kill()
					members[kill] = start(kill)
				}
			}
			time.Sleep(2 * time.Minute)
			for i, disk := range disks {
				if diff := cmp.Diff(left, disk.has()); diff != "" {
					t.Errorf("seed %d, n%d (-want +got):\n%s", seed, i, diff)
				}
			}
		})
	}
}

// skewed is a Store for a node with a wrong clock that can't learn the right time: its
// entries have another time in their names.
type skewed struct {
	*memory
	by time.Duration
}

func (s skewed) Put(ctx context.Context, name string, data []byte) (time.Time, error) {
	now, err := s.memory.Put(ctx, name, data)
	return now.Add(s.by), err
}

func TestClocks(t *testing.T) {
	for _, by := range []time.Duration{-9 * time.Minute, -30 * time.Second, 30 * time.Second, 9 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			store := newMemory()
			a := join(t, store, "n1", newTree("x", "y", "z"), nil)
			b := join(t, skewed{store, by}, "n2", newTree("x", "y", "z"), nil)
			synctest.Wait()
			// The newest name is of the clock that is ahead.
			for _, purge := range []struct {
				at   *member
				name string
			}{{a, "x"}, {b, "y"}, {a, "z"}} {
				if behind := purge.at.purge(t, original(purge.name), 10*time.Second); behind != nil {
					t.Errorf("%v: behind: %v", by, behind)
				}
			}
			if left := append(a.tree.has(), b.tree.has()...); len(left) > 0 {
				t.Errorf("%v: left %v", by, left)
			}
		})
	}
}

// A node whose clock is a day ahead harms no other.
func TestClockOfADayAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		a := join(t, store, "n1", newTree("x", "y"), nil)
		b := join(t, skewed{store, 24 * time.Hour}, "n2", newTree("x", "y"), nil)
		c := join(t, store, "n3", newTree("x", "y"), nil)
		synctest.Wait()
		b.purge(t, original("x"), 10*time.Second)
		time.Sleep(time.Minute)
		if behind := c.purge(t, original("y"), 10*time.Second); len(behind) != 1 || behind[0].Node != "n2" {
			t.Errorf("behind: %v, want n2", behind)
		}
		if left := append(a.tree.has(), c.tree.has()...); len(left) > 0 {
			t.Errorf("left %v", left)
		}
	})
}

// The time in names is the store's time, from its answers.
func TestOffset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		store.skew = -2 * time.Hour
		a := join(t, store, "n1", newTree(), nil)
		synctest.Wait()
		name, err := a.Write(t.Context(), original("x"))
		at, ok := timeOf(name)
		if err != nil || !ok || time.Since(at).Round(time.Minute) != 2*time.Hour {
			t.Errorf("%s at %v, %v", name, time.Now(), err)
		}
	})
}

// If the write of an entry takes too long, the entry gets a new name.
func TestSlowWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		a := join(t, store, "n1", newTree(), nil)
		synctest.Wait()
		store.mu.Lock()
		store.slow = 61 * time.Second
		store.mu.Unlock()
		timer := time.AfterFunc(30*time.Second, func() {
			store.mu.Lock()
			defer store.mu.Unlock()
			store.slow = 0
		})
		defer timer.Stop()
		before := time.Now()
		name, err := a.Write(t.Context(), original("x"))
		if at, _ := timeOf(name); err != nil || at.Sub(before) < writeTime {
			t.Errorf("%s, asked for at %v: %v", name, before, err)
		}
	})
}

func TestUnwritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		a := join(t, store, "n1", newTree("x"), nil)
		synctest.Wait()
		store.setAway(true)
		if _, err := a.Write(t.Context(), original("x")); !errors.Is(err, ErrUnwritten) || !errors.Is(err, errAway) {
			t.Errorf("got %v", err)
		}
		time.Sleep(90 * time.Second)
		if s := a.State(); !s.Behind || s.Unread == nil || s.Unwritten == nil || a.events(Unread) != 1 {
			t.Errorf("state %+v", s)
		}
		store.setAway(false)
		time.Sleep(5 * time.Second)
		if s := a.State(); s.Behind || s.Unread != nil || a.events(Read) != 1 {
			t.Errorf("state %+v", s)
		}
	})
}

// After Refresh, State has the errors of the moment, also if the node could not begin yet,
// and no error that has ended.
func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		a := join(t, store, "n1", newTree("x"), rarely)
		synctest.Wait()
		cut := &cutStore{memory: store, cut: true}
		b := join(t, cut, "n2", newTree("x"), rarely)
		synctest.Wait()
		if s := b.State(); s.Unwritten == nil || !errors.Is(s.Unread, s.Unwritten) {
			t.Errorf("state %+v, want that its first report was not written", s)
		}
		store.setAway(true)
		a.Refresh(t.Context())
		if s := a.State(); s.Unwritten == nil || s.Unread == nil {
			t.Errorf("state %+v, want both errors", s)
		}
		store.setAway(false)
		cut.set(false)
		start := time.Now()
		for _, m := range []*member{a, b} {
			m.Refresh(t.Context())
			if s := m.State(); s.Unwritten != nil || s.Unread != nil || time.Since(start) > 0 {
				t.Errorf("%s: state %+v after %v", m.Name(), s, time.Since(start))
			}
		}
		b.stop()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		b.Refresh(ctx)
	})
}

// A report has the node's clock. Differs names the sites that only one of two nodes has.
func TestReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		store.skew = -5 * time.Minute
		settings := func(version string, sites map[string]string) func(*Options) {
			return func(o *Options) { o.Version, o.Libvips, o.Settings = version, "8.14", sites }
		}
		a := join(t, store, "n1", newTree(), settings("1.3", map[string]string{"a": "1", "b": "2", "c": "3"}))
		synctest.Wait()
		join(t, store, "n2", newTree(), settings("1.2", map[string]string{"a": "1", "c": "4", "d": "5"}))
		join(t, store, "n3", newTree(), settings("1.3", map[string]string{"a": "1", "b": "2", "c": "3"}))
		time.Sleep(time.Minute)
		others, err := a.Others(t.Context())
		if err != nil || len(others) != 2 || others[0].Clock < 295 || others[0].Clock > 305 {
			t.Fatalf("%+v, %v", others, err)
		}
		want := []string{"thumbd 1.2, not 1.3", "no site b", "other settings of site c", "a site d"}
		if diff := cmp.Diff(want, others[0].Differs(a.Self())); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if differs := others[1].Differs(a.Self()); len(differs) > 0 {
			t.Errorf("n3 differs: %q", differs)
		}
	})
}

// If a node could not apply an entry, it tries again for as long as necessary, and so does
// its next process.
func TestFailingTree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		a := join(t, store, "n1", newTree(), nil)
		b := join(t, store, "n2", newTree("x", "y"), nil)
		synctest.Wait()
		b.tree.setFails(true)
		if behind := a.purge(t, original("x"), 10*time.Second); len(behind) != 1 {
			t.Errorf("behind: %v, want n2", behind)
		}
		for range 30 {
			a.purge(t, original("other"), 0)
			time.Sleep(time.Minute)
		}
		if !b.State().Behind {
			t.Error("n2 is not behind")
		}
		b.stop()
		b.tree.setFails(false)
		b = join(t, store, "n2", b.tree, nil)
		time.Sleep(time.Second)
		if diff := cmp.Diff([]string{"y"}, b.tree.has()); diff != "" || b.State().Behind {
			t.Errorf("behind %v (-want +got):\n%s", b.State().Behind, diff)
		}
		// And so is a purge of its own.
		e := original("y")
		if _, err := b.Write(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		// It takes longer than the window, and others purge meanwhile.
		for range 15 {
			a.purge(t, original("other"), 0)
			time.Sleep(time.Minute)
		}
		b.stop()
		b = join(t, store, "n2", b.tree, nil)
		time.Sleep(time.Second)
		if left := b.tree.has(); len(left) > 0 {
			t.Errorf("left %v", left)
		}
	})
}

// A program without a key can neither purge nor make a purge look applied.
func TestMAC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		a := join(t, store, "n1", newTree("x"), nil)
		b := join(t, store, "n2", newTree("x"), nil)
		synctest.Wait()
		b.stop()
		stranger := keyring{[]byte("a key that the group does not have")}
		name := newName(time.Now(), "n2")
		forged, err := stranger.seal(entries, name, original("x").escaped())
		if err != nil {
			t.Fatal(err)
		}
		good, err := a.keys.seal(entries, name, original("x").escaped())
		if err != nil {
			t.Fatal(err)
		}
		for i, data := range [][]byte{forged, {}, []byte("{}\n"), good[:len(good)-10], []byte(strings.Replace(string(good), "x", "z", 1))} {
			at := newName(time.Now(), "n2")
			if i == 0 {
				at = name
			}
			if _, err := store.Put(t.Context(), entries+at, data); err != nil {
				t.Fatal(err)
			}
		}
		// A good entry under another name is none.
		if _, err := store.Put(t.Context(), entries+newName(time.Now(), "n2"), good); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if n := a.tree.count(); n > 0 || a.events(Refused) != 6 {
			t.Errorf("applied %d, refused %d, want 0 and 6", n, a.events(Refused))
		}
		entry, err := a.Write(t.Context(), original("x"))
		if err != nil {
			t.Fatal(err)
		}
		said, err := stranger.seal(nodes, "n2", Report{V: version, At: time.Now(), Recent: []string{entry}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Put(t.Context(), nodes+"n2", said); err != nil {
			t.Fatal(err)
		}
		if behind := a.Await(t.Context(), []string{entry}, time.Second); len(behind) != 1 || !strings.Contains(behind[0].Why, "trusted") {
			t.Errorf("behind: %v, want n2", behind)
		}
		// The report of another node under this name is none either.
		said, err = a.keys.seal(nodes, "n3", Report{V: version, At: time.Now(), Recent: []string{entry}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Put(t.Context(), nodes+"n2", said); err != nil {
			t.Fatal(err)
		}
		if behind := a.Await(t.Context(), []string{entry}, time.Second); len(behind) != 1 {
			t.Errorf("behind: %v, want n2", behind)
		}
	})
}

// A second key verifies, so keys can be changed one node at a time.
func TestKeysAreChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		next := []byte("the next key of the group")
		a := join(t, store, "n1", newTree("x"), func(o *Options) { o.Keys = [][]byte{next, []byte(testKey)} })
		b := join(t, store, "n2", newTree("x"), func(o *Options) { o.Keys = [][]byte{[]byte(testKey), next} })
		synctest.Wait()
		for _, m := range []*member{a, b} {
			m.tree.fill("x")
			if behind := m.purge(t, original("x"), 10*time.Second); behind != nil {
				t.Errorf("behind: %v", behind)
			}
		}
	})
}

// If a node gets the key of an entry later, the entry is not lost, however late that is.
// The purge names the node.
func TestKeyComesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		next := []byte("the next key of the group")
		late := func(keys ...[]byte) func(*Options) {
			return func(o *Options) { o.Keys, o.Poll = keys, time.Minute }
		}
		a := join(t, store, "n1", newTree("x", "y", "z"), func(o *Options) { o.Keys = [][]byte{next, []byte(testKey)} })
		b := join(t, store, "n2", newTree("x", "y", "z"), late([]byte(testKey)))
		synctest.Wait()
		gone := a.purge(t, original("z"), 0)
		behind := a.purge(t, original("x"), 5*time.Minute)
		if len(gone) != 1 || len(behind) != 1 || behind[0].Node != "n2" || !strings.Contains(behind[0].Why, "could not apply 2 entries") {
			t.Fatalf("behind: %v and %v, want n2", gone, behind)
		}
		// The window passes both.
		time.Sleep(time.Hour)
		a.purge(t, original("y"), 0)
		time.Sleep(2 * time.Hour)
		for range 2 {
			if s, r := b.State(), b.Self(); s.Behind || s.Unread != nil || r.Waits != 3 || len(b.tree.has()) != 3 {
				t.Errorf("%+v, %d entries wait, left %v; want 3 that hold up nothing", s, r.Waits, b.tree.has())
			}
			// With the same keys nothing changes.
			b.kill()
			b = join(t, store, "n2", b.tree, late([]byte(testKey)))
			time.Sleep(3 * time.Minute)
		}
		names, _ := store.List(t.Context(), entries, "")
		_ = store.Delete(t.Context(), entries+names[0])
		b.kill()
		b = join(t, store, "n2", b.tree, late([]byte(testKey), next))
		for b.State().Behind {
			time.Sleep(time.Second)
		}
		if left, waits := b.tree.has(), b.Self().Waits; len(left) != 1 || waits != 0 || b.State().Unread != nil {
			t.Errorf("left %v, %d entries wait; want one thumbnail, of the entry that was deleted", left, waits)
		}
	})
}

// Entries without a right mac fill no memory, delay no other entry, and are deleted when
// they are old.
func TestManyForgedEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		briefly := func(o *Options) { o.Poll, o.Keep = time.Minute, time.Hour }
		a := join(t, store, "n1", newTree(), briefly)
		b := join(t, store, "n2", newTree("x"), briefly)
		synctest.Wait()
		for range mostWaiting + 5 {
			_, _ = store.Put(t.Context(), entries+newName(time.Now(), "n2"), []byte("{}"))
		}
		if behind := a.purge(t, original("x"), 5*time.Minute); behind != nil {
			t.Errorf("behind: %v", behind)
		}
		if waits := b.Self().Waits; waits != mostWaiting {
			t.Errorf("%d entries wait, want %d", waits, mostWaiting)
		}
		time.Sleep(4 * time.Hour)
		if waits := b.Self().Waits; waits != 0 {
			t.Errorf("%d entries wait, want none", waits)
		}
	})
}

// countingStore counts the requests.
type countingStore struct {
	Store
	puts, gets, lists, listed atomic.Int64
}

func (c *countingStore) Put(ctx context.Context, name string, data []byte) (time.Time, error) {
	c.puts.Add(1)
	return c.Store.Put(ctx, name, data)
}

func (c *countingStore) Get(ctx context.Context, name string) ([]byte, error) {
	c.gets.Add(1)
	return c.Store.Get(ctx, name)
}

func (c *countingStore) List(ctx context.Context, folder, after string) ([]string, error) {
	c.lists.Add(1)
	names, err := c.Store.List(ctx, folder, after)
	c.listed.Add(int64(len(names)))
	return names, err
}

// An idle node and a waiting purge send as many requests as thumbd-nodes(7) says.
func TestCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		counts := &countingStore{Store: store}
		a := join(t, counts, "n1", newTree(), nil)
		b := join(t, store, "n2", newTree(), nil)
		c := join(t, store, "n3", newTree(), nil)
		synctest.Wait()
		for range 100 {
			a.purge(t, original("x"), 0)
		}
		// The last purges do not stay in the list for ever.
		time.Sleep(time.Hour)
		puts, gets, lists, listed := counts.puts.Load(), counts.gets.Load(), counts.lists.Load(), counts.listed.Load()
		const minutes = 10
		time.Sleep(minutes * time.Minute)
		puts, gets, lists, listed = counts.puts.Load()-puts, counts.gets.Load()-gets, counts.lists.Load()-lists, counts.listed.Load()-listed
		// The listed names are reports, and once an hour old entries.
		if puts > 3*minutes+2 || gets > 7*minutes+4 || lists > 32*minutes+4 || listed > 500 {
			t.Errorf("%d PUT, %d GET and %d LIST with %d names in %d minutes, want 3, 7 and 32 a minute, and not the same names each time", puts, gets, lists, listed, minutes)
		}
		b.stop()
		c.stop()
		gets, lists = counts.gets.Load(), counts.lists.Load()
		a.purge(t, original("x"), 10*time.Second)
		// Some are of n1's own looks.
		gets, lists = counts.gets.Load()-gets, counts.lists.Load()-lists
		if gets > 40 || lists > 8 {
			t.Errorf("a purge that waits 10 s for two nodes costs %d GET and %d LIST, want at most 40 and 8", gets, lists)
		}
	})
}

// If a mount caches attributes, a node may render the old original again after a purge. The
// second time that the entry is applied removes this thumbnail.
func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		settles := func(o *Options) { o.Settle = 5 * time.Second; o.Poll = time.Minute }
		a := join(t, store, "n1", newTree("x"), settles)
		b := join(t, store, "n2", newTree("x"), settles)
		synctest.Wait()
		a.purge(t, original("x"), 0)
		a.tree.fill("x")
		time.Sleep(6 * time.Second)
		if left := a.tree.has(); len(left) > 0 {
			t.Errorf("n1 has %v", left)
		}
		for b.tree.count() == 0 {
			time.Sleep(time.Second)
		}
		b.tree.fill("x")
		// If a process is killed before the second time, the next process does it.
		b.kill()
		b = join(t, store, "n2", b.tree, settles)
		synctest.Wait()
		b.tree.fill("x")
		time.Sleep(6 * time.Second)
		if left := b.tree.has(); len(left) > 0 {
			t.Errorf("n2 has %v", left)
		}
		b.tree.fill("x")
		time.Sleep(3 * time.Minute)
		if diff := cmp.Diff([]string{"x"}, b.tree.has()); diff != "" {
			t.Errorf("n2 goes on after the second time (-want +got):\n%s", diff)
		}
	})
}

// An entry is applied the second time also while the journal is away.
func TestSettleWithoutJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cut := &cutStore{memory: newMemory()}
		a := join(t, cut, "n1", newTree("x"), func(o *Options) { o.Settle = 5 * time.Second })
		synctest.Wait()
		a.purge(t, original("x"), 0)
		cut.set(true)
		a.tree.fill("x")
		time.Sleep(6 * time.Second)
		if left := a.tree.has(); len(left) > 0 {
			t.Errorf("left %v", left)
		}
	})
}

// lateStore is a Store in which names of entries are listed before their files are there.
type lateStore struct {
	*memory
	from time.Time // when they are there
}

func (l lateStore) Get(ctx context.Context, name string) ([]byte, error) {
	if strings.HasPrefix(name, entries) && time.Now().Before(l.from) {
		return nil, fs.ErrNotExist
	}
	return l.memory.Get(ctx, name)
}

// If an entry is listed and its file is not found, it is applied later, and not reported as
// applied before.
func TestEntryComesAfterItsName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		a := join(t, store, "n1", newTree("x"), nil)
		b := join(t, lateStore{store, time.Now().Add(15 * time.Second)}, "n2", newTree("x"), nil)
		synctest.Wait()
		if behind := a.purge(t, original("x"), 10*time.Second); len(behind) != 1 {
			t.Errorf("behind: %v, want n2", behind)
		}
		time.Sleep(10 * time.Second)
		if left := b.tree.has(); len(left) > 0 || b.State().Unread != nil {
			t.Errorf("left %v, %v", left, b.State().Unread)
		}
	})
}

// If an entry can't be applied and is deleted, no other entry waits for it.
func TestFailedEntryIsDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		a := join(t, store, "n1", newTree(), nil)
		b := join(t, store, "n2", newTree("x"), nil)
		synctest.Wait()
		b.tree.setFails(true)
		name, err := a.Write(t.Context(), original("x"))
		a.Done(name, original("x"), err == nil)
		time.Sleep(5 * time.Second)
		if waits := b.Self().Waits; waits != 1 {
			t.Errorf("%d entries wait, want 1", waits)
		}
		if err := errors.Join(err, store.Delete(t.Context(), entries+name)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if waits := b.Self().Waits; waits != 0 || b.State().Unread != nil {
			t.Errorf("%d entries wait, %v, want none", waits, b.State().Unread)
		}
	})
}

// A process that was killed may have noted an entry for one tree and not for the next.
func TestEntryOfTheNextTree(t *testing.T) {
	name := newName(time.Now(), "n1")
	n := New(Options{Name: "n2", Store: newMemory()})
	first, next := &progress{applied: map[string]bool{name: true}}, &progress{applied: map[string]bool{}}
	n.trees["a"], n.trees["b"] = first, next
	if r := n.Self(); slices.Contains(r.Recent, name) || r.Applied != "" {
		t.Errorf("applied: %v, want none", r.Recent)
	}
	n.note(name)
	if r := n.Self(); !slices.Contains(r.Recent, name) || r.Applied != name {
		t.Errorf("applied: %v, want %s", r.Recent, name)
	}
}

// How long a node was away tells the clock: the monotonic time stands still while a machine
// is suspended.
func TestSuspendedMachine(t *testing.T) {
	n := New(Options{Store: newMemory(), Name: "n1"})
	n.trees["a"] = &progress{}
	n.advance(time.Now(), nil, true)
	for what, at := range map[string]time.Time{"now": n.now(), "read": n.trees["a"].read} {
		if strings.Contains(at.String(), " m=") {
			t.Errorf("%s is %v, want no monotonic time", what, at)
		}
	}
}

// strangeStore is a Store in which the report of one node can't be read.
type strangeStore struct {
	*memory
	name string
}

func (s strangeStore) Get(ctx context.Context, name string) ([]byte, error) {
	if name == nodes+s.name {
		return nil, fs.ErrPermission
	}
	return s.memory.Get(ctx, name)
}

// If one node's report can't be read, the reports of the others can.
func TestReportCantBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		a := join(t, strangeStore{store, "n3"}, "n1", newTree(), nil)
		join(t, store, "n2", newTree(), nil)
		join(t, store, "n3", newTree(), nil)
		synctest.Wait()
		if behind := a.purge(t, original("x"), 10*time.Second); len(behind) != 1 || behind[0].Node != "n3" || !strings.Contains(behind[0].Why, "can't be read") {
			t.Errorf("behind: %v, want n3", behind)
		}
	})
}

// rarely sets long times, for tests of days.
func rarely(o *Options) { o.Poll = time.Minute }

// If a node was away for longer than entries are kept, its trees are emptied. So are trees
// with a record that can't be read.
func TestAway(t *testing.T) {
	for name, test := range map[string]struct {
		away   time.Duration
		record string
		want   []string
	}{
		"for long":  {away: 8 * 24 * time.Hour},
		"a while":   {away: 6 * 24 * time.Hour, want: []string{"y"}},
		"no record": {record: "{"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := newMemory()
				a := join(t, store, "n1", newTree(), rarely)
				b := join(t, store, "n2", newTree("x", "y"), rarely)
				synctest.Wait()
				b.stop()
				a.purge(t, original("x"), 0)
				time.Sleep(test.away)
				if test.record != "" {
					b.tree.record = []byte(test.record)
				}
				b = join(t, store, "n2", b.tree, rarely)
				synctest.Wait()
				if diff := cmp.Diff(test.want, b.tree.has()); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if emptied := b.events(Emptied) == 1; emptied != (test.want == nil) {
					t.Errorf("emptied is %v", emptied)
				}
			})
		})
	}
}

// Old entries are deleted, and the report of a node that is silent for too long.
func TestTend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		a := join(t, store, "n1", newTree(), rarely)
		b := join(t, store, "n2", newTree(), rarely)
		c := join(t, store, "n3", newTree(), rarely)
		synctest.Wait()
		b.stop()
		c.stop()
		if err := a.Forget(t.Context(), "n3"); err != nil {
			t.Error(err)
		}
		if err := a.Forget(t.Context(), "n3"); !errors.Is(err, ErrNoNode) {
			t.Errorf("got %v, want %v", err, ErrNoNode)
		}
		if behind := a.purge(t, original("x"), 0); len(behind) != 1 || behind[0].Node != "n2" {
			t.Errorf("behind: %v, want n2", behind)
		}
		time.Sleep(7*24*time.Hour + 3*time.Hour)
		if behind := a.purge(t, original("x"), 0); behind != nil {
			t.Errorf("behind: %v, want none", behind)
		}
		if names := slices.Sorted(maps.Keys(store.files)); len(names) != 2 {
			t.Errorf("kept: %v", names)
		}
	})
}

// A stop does not wait until all old entries are deleted.
func TestTendEnds(t *testing.T) {
	store := newMemory()
	old := entries + newName(time.Now().Add(-30*24*time.Hour), "n2")
	if _, err := store.Put(t.Context(), old, []byte{}); err != nil {
		t.Fatal(err)
	}
	n := New(Options{Store: store, Name: "n1", Keep: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := n.tend(ctx); err != nil || store.files[old] == nil {
		t.Errorf("%v, deleted after the stop", err)
	}
	if err := n.tend(t.Context()); err != nil || store.files[old] != nil {
		t.Errorf("%v, not deleted", err)
	}
}

func TestTwoNodesOfOneName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		a := join(t, store, "n1", newTree(), nil)
		time.Sleep(2 * time.Minute)
		a.kill()
		// Its tree knows the journal, so folders that are missing are not made anew.
		a = join(t, store, "n1", a.tree, nil)
		if store.made != 1 {
			t.Errorf("the folders were made %d times, want 1", store.made)
		}
		time.Sleep(time.Minute)
		if a.State().Taken {
			t.Error("its own name counts as taken")
		}
		b := join(t, store, "n1", newTree(), nil)
		time.Sleep(time.Minute)
		if !a.State().Taken || !b.State().Taken {
			t.Errorf("taken: %v, %v", a.State().Taken, b.State().Taken)
		}
		// If one of the two has applied an entry, the other may not have.
		c := join(t, store, "n2", newTree(), nil)
		synctest.Wait()
		for _, m := range []*member{a, c} {
			if behind := m.purge(t, original("x"), 10*time.Second); len(behind) != 1 || behind[0].Node != "n1" {
				t.Errorf("behind: %v, want n1", behind)
			}
		}
		b.stop()
		time.Sleep(2 * time.Minute)
		for _, m := range []*member{a, c} {
			if behind := m.purge(t, original("x"), 10*time.Second); behind != nil || m.State().Taken {
				t.Errorf("behind: %v, taken %v", behind, m.State().Taken)
			}
		}
	})
}

// If an entry can never be applied here, the others are applied all the same.
func TestSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		a := join(t, store, "n1", newTree(), nil)
		b := join(t, store, "n2", newTree("x"), nil)
		synctest.Wait()
		for _, e := range []Entry{{Site: "other", All: true}, {Site: "a", Preset: "unknown"}, original("x")} {
			if behind := a.purge(t, e, 10*time.Second); behind != nil {
				t.Errorf("behind: %v", behind)
			}
		}
		if left := b.tree.has(); len(left) > 0 || b.events(Skipped) != 2 {
			t.Errorf("left %v, skipped %d", left, b.events(Skipped))
		}
	})
}

// noTrees is the Trees of a node without sites.
type noTrees struct{}

func (noTrees) Sites() []string                            { return nil }
func (noTrees) Empty(string) bool                          { panic("there is no tree") }
func (noTrees) Purge(context.Context, Entry) error         { panic("there is no tree") }
func (noTrees) Progress(string) ([]byte, error)            { panic("there is no tree") }
func (noTrees) SetProgress(site string, data []byte) error { panic("there is no tree") }

// No purge waits for a node without sites, for example a node for downloads alone.
func TestNoSites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, cut := newMemory(), &cutStore{}
		cut.memory = store
		a := join(t, store, "n1", newTree("x", "y"), rarely)
		b := join(t, cut, "n2", newTree(), func(o *Options) { rarely(o); o.Trees = noTrees{} })
		synctest.Wait()
		if behind := a.purge(t, original("x"), 2*time.Minute); behind != nil {
			t.Errorf("behind: %v", behind)
		}
		cut.set(true)
		time.Sleep(8 * 24 * time.Hour)
		cut.set(false)
		time.Sleep(2 * time.Minute)
		if behind := a.purge(t, original("y"), 2*time.Minute); behind != nil || b.State().Unread != nil {
			t.Errorf("behind: %v, %v", behind, b.State().Unread)
		}
	})
}

// Names of any bytes are the same after Split, writing and reading, and no file is larger
// than MaxBytes.
func TestEntries(t *testing.T) {
	var many []string
	for i := range 30_000 {
		many = append(many, fmt.Sprintf("%d/ä<%s", i, strings.Repeat("&", 40)))
	}
	odd := []string{"a/b.jpg", "\xff\xfe/%41\n", "ü"}
	for i := range 15_000 {
		odd = append(odd, strings.Repeat("/\xff", 10)+fmt.Sprint(i))
	}
	// One odd name, and parts without one.
	mixed := []string{"\xff"}
	for range 300 {
		mixed = append(mixed, strings.Repeat("\x01", 4000))
	}
	for _, names := range [][]string{many, odd, mixed, {"a.jpg"}, {strings.Repeat("\x01", 4000)}} {
		var got []string
		for _, part := range original(names...).Split() {
			data, err := keyring{[]byte(testKey)}.seal(entries, "n", part.escaped())
			if err != nil {
				t.Fatal(err)
			}
			var e Entry
			if err := (keyring{[]byte("other"), []byte(testKey)}).open(entries, "n", data, &e); err != nil {
				t.Fatal(err)
			}
			if e, err = e.unescaped(); err != nil {
				t.Fatal(err)
			}
			got = append(got, e.Originals...)
		}
		if !slices.Equal(names, got) {
			t.Errorf("%d names are %d", len(names), len(got))
		}
	}
	under := Entry{Site: "a", Under: "\xff/ %"}.escaped()
	if back, err := under.unescaped(); err != nil || back.Under != "\xff/ %" {
		t.Errorf("%q, %v", back.Under, err)
	}
}

// The mac follows the description in the package comment.
func TestMACIsAsWritten(t *testing.T) {
	const name = "20261129T011530.123456Z-n1-k3x7q2m4tz"
	data, err := keyring{[]byte("0123456789abcdef")}.seal(entries, name, Entry{V: 1, Site: "gallery", All: true})
	const want = `{"v":1,"site":"gallery","all":true}` + "\neNLfYcPVccRGE7PayzX75IPRnOK5\n"
	if string(data) != want || err != nil {
		t.Errorf("got %q, want %q, %v", data, want, err)
	}
	if at, ok := timeOf(name); !ok || stamp(at) != name[:stampBytes] {
		t.Errorf("%v, %v", at, ok)
	}
	for _, name := range []string{"", ".new-X", "x", "20261399T011530.123456Z-n1-k3x7q2m4tz", "20261129T011530Z-n1-k3x7q2m4tz"} {
		if _, ok := timeOf(name); ok {
			t.Errorf("%q is the name of an entry", name)
		}
	}
}

// slowTree takes a time for each purge.
type slowTree struct {
	*tree
	slow time.Duration
}

func (s *slowTree) Purge(ctx context.Context, e Entry) error {
	time.Sleep(s.slow)
	return s.tree.Purge(ctx, e)
}

// A node writes an entry while it applies one for longer than the window: entries that
// another node has written meanwhile are not skipped.
func TestEntriesDuringASlowPurge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, disk := newMemory(), newTree("x", "y", "z")
		a := join(t, store, "n1", newTree("x", "y", "z"), nil)
		b := join(t, store, "n2", disk, func(o *Options) { o.Trees = &slowTree{disk, 40 * time.Minute} })
		synctest.Wait()
		a.purge(t, original("x"), 0)
		time.Sleep(time.Minute)
		a.purge(t, original("y"), 0)
		time.Sleep(35 * time.Minute)
		name, err := b.Write(t.Context(), original("z"))
		if err != nil {
			t.Fatal(err)
		}
		b.Done(name, original("z"), disk.Purge(t.Context(), original("z")) == nil)
		time.Sleep(10 * time.Hour)
		if left := disk.has(); len(left) != 0 {
			t.Errorf("left %v", left)
		}
	})
}

// A node is killed between the two times that it applies an entry that waited for a key.
func TestSettleOfAnEntryThatWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		next := []byte("the next key of the group")
		late := func(keys ...[]byte) func(*Options) {
			return func(o *Options) { o.Keys, o.Settle = keys, 4*time.Minute }
		}
		a := join(t, store, "n1", newTree("x"), func(o *Options) { o.Keys = [][]byte{next, []byte(testKey)} })
		b := join(t, store, "n2", newTree("x"), late([]byte(testKey)))
		synctest.Wait()
		a.purge(t, original("x"), 0)
		time.Sleep(time.Hour)
		b.stop()
		b = join(t, store, "n2", b.tree, late([]byte(testKey), next))
		for b.State().Behind {
			time.Sleep(time.Second)
		}
		b.tree.fill("x") // The old picture is made again.
		time.Sleep(time.Minute)
		b.kill()
		b = join(t, store, "n2", b.tree, late([]byte(testKey), next))
		time.Sleep(time.Hour)
		if left := b.tree.has(); len(left) != 0 {
			t.Errorf("left %v", left)
		}
	})
}

// If the journal's folder goes away while a purge waits, the purge still names the nodes:
// they were not forgotten.
func TestFolderGoesAwayInAPurge(t *testing.T) {
	top := filepath.Join(t.TempDir(), "journal")
	if err := os.Mkdir(top, 0o2770); err != nil {
		t.Fatal(err)
	}
	a := join(t, NewFolder(top), "n1", newTree("x"), rarely)
	b := join(t, NewFolder(top), "n2", newTree("x"), rarely)
	<-a.Caught()
	<-b.Caught()
	b.stop()
	name, err := a.Write(t.Context(), original("x"))
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(300*time.Millisecond, func() {
		if err := os.Rename(top, top+".away"); err != nil {
			t.Error(err)
		}
	})
	if behind := a.Await(t.Context(), []string{name}, 3*time.Second); len(behind) == 0 {
		t.Error("nobody is behind")
	}
}

// A purge of many parts that takes longer than the window ends when all nodes have it.
func TestPurgeLongerThanTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		a := join(t, store, "n1", newTree("x", "y"), nil)
		b := join(t, store, "n2", newTree("x", "y"), nil)
		synctest.Wait()
		var names []string
		for _, name := range []string{"x", "y"} {
			e := original(name)
			entry, err := a.Write(t.Context(), e)
			if err != nil {
				t.Fatal(err)
			}
			a.Done(entry, e, a.tree.Purge(t.Context(), e) == nil)
			names = append(names, entry)
			time.Sleep(window + 2*time.Minute)
		}
		e := original("z")
		last, err := a.Write(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		a.Done(last, e, true)
		if behind := a.Await(t.Context(), append(names, last), 30*time.Second); behind != nil {
			t.Errorf("behind: %v", behind)
		}
		// An entry that a node has never reported does not become applied by its age.
		b.tree.setFails(true)
		e = original("x")
		last, err = a.Write(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		a.Done(last, e, true)
		time.Sleep(3 * window)
		if behind := a.Await(t.Context(), []string{last}, 30*time.Second); len(behind) != 1 || behind[0].Node != "n2" {
			t.Errorf("behind: %v, want n2", behind)
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if len(a.acks) > 0 {
			t.Errorf("the acknowledgments of %d entries outlive their purges", len(a.acks))
		}
	})
}

// A tree that comes from another journal may lack purges of that one, so it is emptied.
func TestJournalIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := newMemory(), newMemory()
		disk := newTree("x", "y")
		a := join(t, first, "n1", newTree("x", "y"), nil)
		b := join(t, first, "n2", disk, nil)
		synctest.Wait()
		time.Sleep(time.Minute)
		b.stop()
		if behind := a.purge(t, original("x"), time.Second); len(behind) != 1 {
			t.Errorf("behind: %v, want n2", behind)
		}
		elsewhere := func(o *Options) { o.Where = "elsewhere" }
		b = join(t, second, "n2", disk, elsewhere)
		<-b.Caught()
		if has := disk.has(); len(has) > 0 || b.events(Emptied) != 1 || second.made != 1 {
			t.Errorf("it has %q, emptied %d times, journal made %d times", has, b.events(Emptied), second.made)
		}
		b.stop()
		// The tree is of the second journal from now on, and an empty tree lacks nothing.
		disk.fill("z")
		b = join(t, second, "n2", disk, elsewhere)
		<-b.Caught()
		b.stop()
		if diff := cmp.Diff([]string{"z"}, disk.has()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		c := join(t, second, "n3", newTree(), elsewhere)
		<-c.Caught()
		if c.events(Emptied) != 0 {
			t.Error("an empty tree was emptied")
		}
	})
}

// sluggish is a store that takes some time for each report, whatever the context says.
type sluggish struct {
	*memory
	slow atomic.Int64
}

func (s *sluggish) Get(ctx context.Context, name string) ([]byte, error) {
	time.Sleep(time.Duration(s.slow.Load()))
	return s.memory.Get(ctx, name)
}

// Await keeps its limit, however slow the store is and however many nodes there are.
func TestAwaitKeepsItsLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &sluggish{memory: newMemory()}
		a := join(t, store, "n1", newTree(), nil)
		want := []string{}
		for i := range 5 {
			name := fmt.Sprintf("n%d", i+2)
			want = append(want, name)
			join(t, store, name, newTree(), nil).stop()
		}
		time.Sleep(time.Minute)
		store.slow.Store(int64(9 * time.Second))
		for _, limit := range []time.Duration{0, time.Second, 10 * time.Second, 20 * time.Second} {
			e := original("x")
			name, err := a.Write(t.Context(), e)
			if err != nil {
				t.Fatal(err)
			}
			a.Done(name, e, true)
			start := time.Now()
			var got []string
			for _, b := range a.Await(t.Context(), []string{name}, limit) {
				got = append(got, b.Node)
			}
			if took := time.Since(start); took > max(limit, time.Second) {
				t.Errorf("limit %v: it took %v", limit, took)
			}
			want := want
			if limit < 9*time.Second {
				// The list of nodes is of before the purge.
				want = append([]string{"?"}, want...)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("limit %v (-want +got):\n%s", limit, diff)
			}
		}
		for _, o := range a.known() {
			if o.Err != nil {
				t.Errorf("%s counts as wrong because the store is slow: %v", o.Name, o.Err)
			}
		}
		// Five reports take as long as one.
		fresh := New(a.o)
		start := time.Now()
		if _, err := fresh.Others(t.Context()); err != nil || time.Since(start) > 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		// A node that has not listed the others yet says so.
		if behind := New(a.o).Await(t.Context(), []string{"x"}, 0); len(behind) != 1 || behind[0].Node != "?" {
			t.Errorf("behind: %v, want that there may be more nodes", behind)
		}
		time.Sleep(time.Minute) // The last readings end.
	})
}

// The store is closed after the last use of its node, not before.
func TestStoreIsClosed(t *testing.T) {
	store := newMemory()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	n := New(Options{
		Store: store, Keys: [][]byte{[]byte(testKey)}, Name: "n1", Trees: newTree(), Poll: time.Second, Lag: time.Minute, Keep: time.Hour,
		Tell: func(Event) {},
	})
	go func() {
		defer close(ended)
		n.Run(ctx)
	}()
	<-n.Caught()
	cancel()
	<-ended
	runtime.GC()
	runtime.GC()
	if _, err := n.Others(t.Context()); err != nil || store.closed.Load() {
		t.Errorf("in use: %v, closed: %v", err, store.closed.Load())
	}
	runtime.KeepAlive(n)
	n = nil
	aid.Await(t, func() bool {
		runtime.GC()
		return store.closed.Load()
	})
}
