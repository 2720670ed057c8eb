// SPDX-License-Identifier: MIT

// Package watch reports changed files below a folder, after nothing has happened to them
// for a moment. If it has lost track, it says so.
package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// ErrLimit means that the user's limit of inotify watches or instances is
// reached.
var ErrLimit = errors.New("the kernel's limit is reached")

// Options are the folder to watch and the functions to call. All must be set.
type Options struct {
	// Root is the absolute path of the folder, or of a link to it. Links in the
	// folder are not followed, and names that begin with a dot are ignored.
	Root string
	// Quiet is how long nothing must have happened to a file before Changed
	// reports it: a program may still be writing it.
	Quiet time.Duration
	// Pause is the time between two attempts to watch a folder.
	Pause time.Duration
	// Changed reports files that were written, appeared or disappeared. Lost
	// reports that any file may have: at the beginning, and after more events
	// than Run could follow. Both are never called at the same time.
	Changed func(ctx context.Context, c Changes)
	Lost    func(ctx context.Context)
	// Report reports why the folder, or a part of it, is not watched.
	Report func(error)
	// Mounted reports that a share was mounted at a folder below the root, and is
	// followed from now on, or that it is away.
	Mounted func(folder string, there bool)
}

// Changes are names below the root, segments joined by /.
type Changes struct {
	Files   []string
	Folders []string // that went, with all that was in them
}

const (
	// limitPause is Pause if a limit is reached: another attempt takes as many
	// system calls as there are folders.
	limitPause = 5 * time.Minute
	// lookTime is the time between two checks whether the root is still the same
	// folder.
	lookTime = 5 * time.Second
	// most names, of mostBytes in all, are remembered until they are reported. An
	// uploader chooses their number, and each may have 4 KiB.
	most      = 100_000
	mostBytes = 16 << 20
)

// Run watches until ctx is done. It returns after the functions that it has
// called have returned.
func Run(ctx context.Context, o Options) {
	told := ""
	for {
		err := follow(ctx, o)
		if ctx.Err() != nil {
			return
		}
		if text := err.Error(); text != told {
			told = text
			o.Report(err)
		}
		pause := o.Pause
		if errors.Is(err, ErrLimit) {
			pause = limitPause
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// Check returns an error if root can't be watched. It watches root for a moment only.
func Check(root string) error {
	w, err := newWatcher(Options{Root: root, Report: func(error) {}, Mounted: func(string, bool) {}})
	if err != nil {
		return err
	}
	return errors.Join(w.add(w.at), w.notify.Close())
}

// watcher watches one opening of the root.
type watcher struct {
	Options
	notify  *fsnotify.Watcher
	at      string // Root with its links resolved: a walk does not follow them
	root    os.FileInfo
	folders folders
	mounts  map[string]mount     // below at
	pending map[string]time.Time // names of files, and when something happened last
	gone    map[string]bool      // names of folders
	held    int                  // bytes of the names in pending and gone
	lost    bool
}

func newWatcher(o Options) (*watcher, error) {
	at, err := filepath.EvalSymlinks(o.Root)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", o.Root, err)
	}
	info, err := os.Stat(at)
	if err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	n, err := fsnotify.NewWatcher()
	if errors.Is(err, syscall.EMFILE) {
		return nil, fmt.Errorf("watch %s: %w: raise fs.inotify.max_user_instances (sysctl)", o.Root, ErrLimit)
	}
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", o.Root, err)
	}
	return &watcher{
		Options: o, notify: n, at: at, root: info, lost: true,
		folders: make(folders), pending: make(map[string]time.Time), gone: make(map[string]bool),
	}, nil
}

// follow watches until something is wrong with the root or ctx is done.
func follow(ctx context.Context, o Options) error {
	w, err := newWatcher(o)
	if err != nil {
		return err
	}
	// The descriptor was only read from: its error does not matter.
	defer func() { _ = w.notify.Close() }()
	mounted := make(chan struct{}, 1)
	end, err := w.followMounts(mounted)
	if err != nil {
		return err
	}
	defer end()
	if w.mounts, err = w.readMounts(); err != nil {
		return err
	}
	// Events are kept from now on, so a state that is read later is not too old.
	if err := w.add(w.at); err != nil {
		return err
	}
	w.clear()
	due := make(chan Changes)
	told := make(chan struct{})
	go func() {
		defer close(told)
		w.tell(ctx, due)
	}()
	err = w.loop(ctx, due, mounted)
	close(due)
	<-told
	return err
}

// tell calls Changed and Lost, while the loop goes on to read events.
func (w *watcher) tell(ctx context.Context, due <-chan Changes) {
	for c := range due {
		if c.Files == nil && c.Folders == nil {
			w.Lost(ctx)
		} else {
			w.Changed(ctx, c)
		}
	}
}

func (w *watcher) loop(ctx context.Context, due chan<- Changes, mounted <-chan struct{}) error {
	tick := time.NewTicker(max(w.Quiet/4, time.Millisecond))
	defer tick.Stop()
	look := time.NewTicker(lookTime)
	defer look.Stop()
	next := w.next()
	for {
		var out chan<- Changes
		var changes Changes
		if next != nil {
			out, changes = due, *next
		}
		select {
		case <-ctx.Done():
			return nil
		case out <- changes:
			next = nil
		case e := <-w.notify.Events:
			if err := w.event(e); err != nil {
				return err
			}
		case err := <-w.notify.Errors:
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				return fmt.Errorf("watch %s: %w", w.Root, err)
			}
			w.lose()
			// The remembered names are part of it.
			next = w.next()
		case <-mounted:
			if err := w.remount(); err != nil {
				return err
			}
		case <-tick.C:
			if next == nil {
				next = w.next()
			}
		case <-look.C:
			if info, err := os.Stat(w.Root); err != nil || !os.SameFile(info, w.root) {
				return fmt.Errorf("watch %s: it is another folder now", w.Root)
			}
		}
	}
}

// next returns the changes that are due to be reported: nil for none, empty
// Changes if Run has lost track.
func (w *watcher) next() *Changes {
	if w.lost {
		w.lost = false
		return &Changes{}
	}
	var c Changes
	now := time.Now()
	for name, last := range w.pending {
		if now.Sub(last) >= w.Quiet {
			c.Files = append(c.Files, name)
			delete(w.pending, name)
			w.held -= len(name)
		}
	}
	for name := range w.gone {
		// A removed folder stands for its subfolders: rm -r d reports d/e/f, d/e
		// and d.
		if !hasAbove(w.gone, name) {
			c.Folders = append(c.Folders, name)
		}
		w.held -= len(name)
	}
	clear(w.gone)
	if c.Files == nil && c.Folders == nil {
		return nil
	}
	return &c
}

// lose forgets all names: Run has lost track.
func (w *watcher) lose() {
	w.lost = true
	w.clear()
}

func (w *watcher) clear() {
	clear(w.pending)
	clear(w.gone)
	w.held = 0
}

// hasAbove reports whether names has a folder that name is in.
func hasAbove(names map[string]bool, name string) bool {
	for i := len(name) - 1; i > 0; i-- {
		if name[i] == '/' && names[name[:i]] {
			return true
		}
	}
	return false
}

// event remembers the name of an event.
func (w *watcher) event(e fsnotify.Event) error {
	if e.Name == w.at && e.Has(fsnotify.Remove|fsnotify.Rename) {
		return fmt.Errorf("watch %s: it is gone", w.Root)
	}
	name, ok := w.name(e.Name)
	if !ok || e.Op == fsnotify.Chmod {
		return nil
	}
	if e.Has(fsnotify.Remove|fsnotify.Rename) && w.folders.has(e.Name) {
		w.forget(e.Name)
		if !w.gone[name] && w.room(name) {
			w.gone[name] = true
		}
		return nil
	}
	w.touch(name)
	if e.Has(fsnotify.Create) {
		return w.add(e.Name)
	}
	return nil
}

func (w *watcher) touch(name string) {
	if _, ok := w.pending[name]; ok || w.room(name) {
		w.pending[name] = time.Now()
	}
}

// room reports whether there is room for another name, and counts it. Without
// room it calls lose.
func (w *watcher) room(name string) bool {
	if len(w.pending)+len(w.gone) >= most || w.held+len(name) > mostBytes {
		w.lose()
		return false
	}
	w.held += len(name)
	return true
}

// name returns path as a name below the root, if it is below it.
func (w *watcher) name(path string) (string, bool) {
	name, ok := strings.CutPrefix(path, strings.TrimSuffix(w.at, "/")+"/")
	return name, ok && !strings.HasPrefix(name, ".") && !strings.Contains(name, "/.")
}

// add watches the folder at path and its subfolders, and remembers the files in
// them, because they may have appeared before the folder was watched. If path is no
// folder, add does nothing.
func (w *watcher) add(path string) error {
	err := filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
		name, ok := w.name(path)
		if !ok && path != w.at {
			if err == nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if err == nil && d.IsDir() {
			if err = w.notify.Add(path); err == nil {
				w.folders.add(path)
			}
		} else if err == nil && d.Type().IsRegular() {
			w.touch(name)
		}
		switch {
		case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
			return nil
		case errors.Is(err, syscall.ENOSPC):
			return fmt.Errorf("%w: raise fs.inotify.max_user_watches (sysctl) above the number of folders", ErrLimit)
		case errors.Is(err, fs.ErrPermission):
			w.Report(fmt.Errorf("watch: the files in this folder are not followed: %w", err))
			return fs.SkipDir
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("watch %s: %w", path, err)
	}
	return nil
}

// forget stops watching the folder at path and its subfolders. After the folder
// was renamed, its events would still be reported under this path.
func (w *watcher) forget(path string) {
	// An error means that the kernel has removed the watch already.
	w.folders.remove(path, func(folder string) { _ = w.notify.Remove(folder) })
}
