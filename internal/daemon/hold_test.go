// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thumbd/internal/admin"
	"thumbd/internal/config"
	"thumbd/internal/keep"
	"thumbd/internal/originals"
	"thumbd/internal/publish"
	"thumbd/internal/route"
	"thumbd/internal/test/aid"
	"thumbd/internal/thumb"
)

// openTree returns the tree of the site gallery in the folder dir.
func openTree(t *testing.T, dir string) *publish.Tree {
	tree := publish.New(dir, "/thumbs/", nil)
	t.Cleanup(tree.Close)
	return tree
}

// treeService returns a service without workers, with the trees of gallery in the folders.
func treeService(t *testing.T, dirs ...string) *Service {
	s := &Service{config: new(config.Config), stop: func() {}, done: make(chan struct{})}
	close(s.done)
	for _, dir := range dirs {
		s.sites = append(s.sites, &keep.Site{
			Thumb:     &thumb.Site{Route: route.Route{Name: "gallery", Prefix: "/thumbs/"}, DocumentRoot: dir},
			Tree:      openTree(t, dir),
			Originals: originals.Folder{Dir: originals.New(t.TempDir(), 1)},
		})
	}
	return s
}

// A tree that can't be had is waited for, and then the error says what to do. The trees
// that were had already are given up: another daemon can take them.
func TestTreeOfAnother(t *testing.T) {
	for name, tt := range map[string]struct {
		take  func(*publish.Tree) (giveUp func(), err error)
		alone bool
		err   error
		cure  string
		wait  time.Duration
	}{
		"a daemon's": {func(tree *publish.Tree) (func(), error) {
			lock, err := tree.Own()
			return lock.Close, err
		}, false, publish.ErrOwned, "stop the other one, or change document_root", holdTime},
		"a thumbd warm's": {func(tree *publish.Tree) (func(), error) {
			return tree.Close, tree.Hold(true)
		}, false, publish.ErrHeld, "it has been told to end", holdTime},
		"a daemon's, for a thumbd warm": {func(tree *publish.Tree) (func(), error) {
			return tree.Close, tree.Hold(false)
		}, true, publish.ErrHeld, "name its socket for administrators with --admin", 0},
	} {
		t.Run(name, func(t *testing.T) {
			free, taken := t.TempDir(), t.TempDir()
			other, next := openTree(t, taken), openTree(t, free)
			giveUp, err := tt.take(other)
			aid.Must(t, err)
			s, again := treeService(t, free, taken), treeService(t, free, taken)
			synctest.Test(t, func(t *testing.T) {
				d := newDaemon("")
				d.alone = tt.alone
				begun := time.Now()
				err := d.claim(t.Context(), s)
				if waited := time.Since(begun); !errors.Is(err, tt.err) || !strings.Contains(err.Error(), tt.cure) || waited < tt.wait || waited > tt.wait+lookPause {
					t.Errorf("%v after %v, want %v and %q after %v", err, waited, tt.err, tt.cure, tt.wait)
				}
				lock, err := next.Own()
				aid.Must(t, err)
				lock.Close()
				aid.Must(t, next.Hold(true))
				next.Close()
				giveUp()
				aid.Must(t, d.claim(t.Context(), again))
				again.Close()
				d.disown(again)
			})
		})
	}
}

// The doctor is told of another daemon if the locks of the tree's file system don't reach
// to its machine.
func TestRival(t *testing.T) {
	r := start(t, gallery)
	if got := r.troubles(); got != "" {
		t.Errorf("troubles %q of a good installation", got)
	}
	r.Write("root/thumbs/.thumbd/daemon.lock", "process 7 on elsewhere\n")
	if got, want := r.troubles(), "shared gallery"; got != want {
		t.Errorf("troubles %q, want %q", got, want)
	}
}

// A daemon waits for the end of a thumbd warm, which it has told to end.
func TestStartDuringAWarm(t *testing.T) {
	r := newRig(t, gallery)
	warm := openTree(t, r.Path("root"))
	aid.Must(t, warm.Hold(true))
	r.run()
	aid.Await(t, warm.Wanted)
	warm.Close()
	r.told("READY=1\nSTATUS=serves 1 sites")
}

// A daemon that is told to stop while it waits for a tree has nothing to complain of.
func TestStopDuringAWarm(t *testing.T) {
	r := newRig(t, gallery)
	r.activated = true
	warm := openTree(t, r.Path("root"))
	aid.Must(t, warm.Hold(true))
	r.run()
	aid.Await(t, warm.Wanted)
	r.stop()
	aid.Must(t, <-r.ended)
	r.silent()
	if r.log.Count("level=ERROR") > 0 {
		t.Error("it has logged an error")
	}
}

// A command without a daemon serves its one site to itself, and ends as soon as a daemon
// wants to publish.
func TestAlone(t *testing.T) {
	r := newRig(t, gallery+"[site.other]\nprefix = \"/other/\"\ndocument_root = \"DIR/other\"\noriginals = \"DIR/media\"\nscheme = \"preset\"\n")
	o := Options{File: r.Path("thumbd.toml"), Version: "1.2.3", Log: r.Daemon.log}
	if _, err := StartAlone(t.Context(), o, "nobody"); !errors.Is(err, ErrConfiguration) || !strings.Contains(err.Error(), o.File) {
		t.Errorf("a site that is not there: %v", err)
	}
	alone, err := StartAlone(t.Context(), o, "gallery")
	aid.Must(t, err)
	defer func() {
		if alone != nil {
			alone.Stop()
		}
	}()
	small := admin.Selection{Presets: []string{"small"}}
	warmed, err := alone.Client().Warm(t.Context(), "gallery", small, "a.jpg")
	if err != nil || warmed.Made != 1 {
		t.Errorf("made %+v, %v", warmed, err)
	}
	if _, err := alone.Client().Warm(t.Context(), "other", small, "a.jpg"); err == nil {
		t.Error("it serves another site")
	}
	if _, err := StartAlone(t.Context(), o, "gallery"); !errors.Is(err, publish.ErrHeld) {
		t.Errorf("a second one: %v, want %v", err, publish.ErrHeld)
	}
	ctx, cancel := alone.UntilWanted(t.Context())
	defer cancel()
	if ctx.Err() != nil {
		t.Error("wanted by nobody, and it is to end")
	}
	daemon := openTree(t, r.Path("root"))
	if err := daemon.Hold(false); !errors.Is(err, publish.ErrHeld) {
		t.Errorf("a daemon: %v, want %v", err, publish.ErrHeld)
	}
	<-ctx.Done()
	if err := context.Cause(ctx); !errors.Is(err, ErrWanted) {
		t.Errorf("ended by %v, want %v", err, ErrWanted)
	}
	alone.Stop()
	if _, err := alone.conns.dial(t.Context()); err == nil {
		t.Error("it answers after its end")
	}
	alone = nil
	aid.Must(t, daemon.Hold(false))
}
