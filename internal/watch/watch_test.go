// SPDX-License-Identifier: MIT

package watch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/google/go-cmp/cmp"

	"thumbd/internal/test/aid"
)

// told is what somebody was told: "lost", or names, folders with a slash.
type told chan string

func (c told) options(root string, quiet time.Duration) Options {
	return Options{
		Root: root, Quiet: quiet, Pause: time.Millisecond,
		Changed: func(_ context.Context, changes Changes) {
			for _, name := range changes.Files {
				c <- name
			}
			for _, name := range changes.Folders {
				c <- name + "/"
			}
		},
		Lost:    func(context.Context) { c <- "lost" },
		Report:  func(error) { c <- "report" },
		Mounted: func(string, bool) {},
	}
}

// await returns when all of want were told, in whatever order and however
// often.
func (c told) await(t *testing.T, want ...string) {
	t.Helper()
	for len(want) > 0 {
		select {
		case got := <-c:
			i := slices.Index(want, got)
			if i >= 0 {
				want = slices.Delete(want, i, i+1)
			}
		case <-time.After(time.Minute):
			t.Fatalf("not told: %v", want)
		}
	}
}

// run runs Run on a new folder until the test ends.
func run(t *testing.T) (root string, c told) {
	t.Helper()
	root = filepath.Join(t.TempDir(), "root")
	aid.Must(t, os.MkdirAll(filepath.Join(root, "d/e"), 0o755))
	return root, runOn(t, root)
}

func runOn(t *testing.T, root string) told {
	t.Helper()
	c := make(told, 1000)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		Run(ctx, c.options(root, 20*time.Millisecond))
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	c.await(t, "lost")
	return c
}

func write(t *testing.T, path string) {
	t.Helper()
	aid.Must(t, os.WriteFile(path, []byte("x"), 0o644))
}

func TestChangesAreTold(t *testing.T) {
	root, c := run(t)
	at := func(name string) string { return filepath.Join(root, name) }
	for _, step := range []struct {
		name string
		do   func()
		want []string
	}{
		{"written", func() { write(t, at("a")) }, []string{"a"}},
		{"again", func() { write(t, at("a")) }, []string{"a"}},
		{"deep", func() { write(t, at("d/e/b")) }, []string{"d/e/b"}},
		{"renamed", func() { aid.Must(t, os.Rename(at("a"), at("c"))) }, []string{"a", "c"}},
		{"removed", func() { aid.Must(t, os.Remove(at("c"))) }, []string{"c"}},
		{"a folder moved", func() { aid.Must(t, os.Rename(at("d"), at("f"))) }, []string{"d/", "f/e/b"}},
		{"in its new place", func() { write(t, at("f/e/b")) }, []string{"f/e/b"}},
		{"a folder that comes full", func() {
			other := filepath.Join(filepath.Dir(root), "other")
			aid.Must(t, os.MkdirAll(filepath.Join(other, "x/y"), 0o755))
			write(t, filepath.Join(other, "x/y/z"))
			aid.Must(t, os.Rename(other, at("g")))
		}, []string{"g/x/y/z"}},
		{"and in it", func() { write(t, at("g/x/y/w")) }, []string{"g/x/y/w"}},
		{"a folder removed", func() { aid.Must(t, os.RemoveAll(at("g"))) }, []string{"g/x/y/z", "g/x/y/w", "g/"}},
		{"the root replaced", func() {
			aid.Must(t, os.Rename(root, root+".old"), os.MkdirAll(at("n"), 0o755))
		}, []string{"lost"}},
		{"in the new root", func() { write(t, at("n/a")) }, []string{"n/a"}},
	} {
		t.Run(step.name, func(t *testing.T) {
			step.do()
			c.await(t, step.want...)
		})
	}
}

// originals = "/srv/media", and /srv/media is a link to a folder of a disk: the
// last name of the path, or one above it.
func TestARootBehindALinkIsWatched(t *testing.T) {
	for name, root := range map[string]string{"the folder": "media", "a folder above": "srv/media"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			aid.Must(t, os.MkdirAll(filepath.Join(dir, "disk/media/d"), 0o755))
			aid.Must(t, os.Symlink("disk/media", filepath.Join(dir, "media")), os.Symlink("disk", filepath.Join(dir, "srv")))
			root := filepath.Join(dir, root)
			aid.Must(t, Check(root))
			c := runOn(t, root)
			write(t, filepath.Join(dir, "disk/media/a"))
			write(t, filepath.Join(root, "d/b"))
			c.await(t, "a", "d/b")
			aid.Must(t, os.RemoveAll(filepath.Join(root, "d")))
			c.await(t, "d/")
			aid.Must(t, os.RemoveAll(filepath.Join(dir, "disk/media")), os.MkdirAll(filepath.Join(dir, "disk/media"), 0o755))
			c.await(t, "lost")
			write(t, filepath.Join(root, "n"))
			c.await(t, "n")
		})
	}
}

// A link that is turned to another folder, as a deployment does.
func TestALinkThatIsTurnedIsNoticed(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "current")
	aid.Must(t, os.MkdirAll(filepath.Join(dir, "1"), 0o755), os.MkdirAll(filepath.Join(dir, "2"), 0o755), os.Symlink("1", root))
	c := runOn(t, root)
	aid.Must(t, os.Symlink("2", root+".new"), os.Rename(root+".new", root))
	c.await(t, "report", "lost")
	write(t, filepath.Join(root, "a"))
	c.await(t, "a")
}

func TestWhatBeginsWithADotIsNotTold(t *testing.T) {
	root, c := run(t)
	aid.Must(t, os.Mkdir(filepath.Join(root, ".hidden"), 0o755))
	write(t, filepath.Join(root, ".hidden/a"))
	write(t, filepath.Join(root, "d/.b"))
	write(t, filepath.Join(root, "last"))
	for got := ""; got != "last"; {
		if got = <-c; got != "last" {
			t.Errorf("told %q", got)
		}
	}
}

// What is still written is left alone, however long that takes.
func TestFilesAreToldOnceTheyAreQuiet(t *testing.T) {
	w := newTest(t, time.Hour)
	w.next() // lost, as at every beginning
	w.touch("upload")
	w.pending["done"] = time.Now().Add(-2 * time.Hour)
	if diff := cmp.Diff(&Changes{Files: []string{"done"}}, w.next()); diff != "" {
		t.Errorf("first (-want +got):\n%s", diff)
	}
	if c := w.next(); c != nil {
		t.Errorf("told %v of what is still written", c)
	}
	w.pending["upload"] = time.Now().Add(-2 * time.Hour)
	w.touch("upload")
	if c := w.next(); c != nil {
		t.Errorf("told %v, though it was written again", c)
	}
}

func newTest(t *testing.T, quiet time.Duration) *watcher {
	t.Helper()
	w, err := newWatcher(make(told, 10).options(t.TempDir(), quiet))
	aid.Must(t, err)
	t.Cleanup(func() { aid.Must(t, w.notify.Close()) })
	return w
}

// Whoever uploads chooses how many names there are, and how long each is.
func TestTooMuchIsLost(t *testing.T) {
	long := strings.Repeat("long/", 800)
	for _, tt := range []struct {
		name string
		most int
		note func(w *watcher, i int)
	}{
		{"files", most, func(w *watcher, i int) { w.touch(strconv.Itoa(i)) }},
		{"long names", mostBytes / len(long), func(w *watcher, i int) { w.touch(long + strconv.Itoa(i)) }},
		{"folders that went", most, func(w *watcher, i int) {
			path := filepath.Join(w.at, strconv.Itoa(i))
			w.folders.add(path)
			aid.Must(t, w.event(fsnotify.Event{Name: path, Op: fsnotify.Remove}))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newTest(t, time.Hour)
			w.next()
			for i := 0; !w.lost; i++ {
				if tt.note(w, i); i > tt.most {
					t.Fatalf("%d names are remembered, want at most %d", i, tt.most)
				}
			}
			if diff := cmp.Diff(&Changes{}, w.next()); diff != "" || len(w.pending)+len(w.gone) > 0 || w.held != 0 {
				t.Errorf("%d bytes of %d names remembered, (-want +got):\n%s", w.held, len(w.pending)+len(w.gone), diff)
			}
		})
	}
}

// Names that were told are not counted any more.
func TestOnlyWhatIsNotToldIsCounted(t *testing.T) {
	w := newTest(t, 0)
	w.next()
	for i := range 3 {
		w.touch("a")
		w.touch("b" + strconv.Itoa(i))
		path := filepath.Join(w.at, "d")
		w.folders.add(path)
		aid.Must(t, w.event(fsnotify.Event{Name: path, Op: fsnotify.Remove}))
		if w.next() == nil || w.held != 0 {
			t.Errorf("%d bytes are held of names that were told", w.held)
		}
	}
}

// rm -r tells each folder, the innermost first.
func TestAFolderStandsForThoseInIt(t *testing.T) {
	w := newTest(t, time.Hour)
	w.next()
	for _, name := range []string{"d/e/f", "d/e", "d", "dd", "c/d"} {
		w.gone[name] = true
	}
	c := w.next()
	slices.Sort(c.Folders)
	if diff := cmp.Diff([]string{"c/d", "d", "dd"}, c.Folders); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Of so many folders each is found in no time: to look at all of them for each
// would take longer than any test may.
func TestManyFoldersGo(t *testing.T) {
	const n = 400_000
	f := make(folders)
	f.add("/m")
	for i := range n {
		f.add("/m/" + strconv.Itoa(i/1000))
		f.add("/m/" + strconv.Itoa(i/1000) + "/" + strconv.Itoa(i))
	}
	removed := 0
	count := func(string) { removed++ }
	for i := range n / 2 {
		f.remove("/m/"+strconv.Itoa(i/1000)+"/"+strconv.Itoa(i), count)
	}
	if removed != n/2 {
		t.Errorf("%d folders are removed, want %d", removed, n/2)
	}
	removed = 0
	f.remove("/m", count)
	if want := 1 + n/1000 + n/2; removed != want || len(f) != 0 {
		t.Errorf("%d folders are removed, want %d, and %d are left", removed, want, len(f))
	}
}

// The kernel's queue has run over.
func TestAnOverflowIsLost(t *testing.T) {
	w := newTest(t, time.Hour)
	due := make(chan Changes)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.loop(ctx, due, nil) }()
	for range 2 {
		if c := <-due; c.Files != nil || c.Folders != nil {
			t.Errorf("told %v; want everything", c)
		}
		// The second time: of the overflow.
		select {
		case w.notify.Errors <- fsnotify.ErrEventOverflow:
		case <-time.After(time.Minute):
			t.Fatal("nobody listens")
		}
	}
	cancel()
	aid.Must(t, <-ended)
}

func TestCheckNamesWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	aid.Must(t, Check(dir))
	if err := Check(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}
