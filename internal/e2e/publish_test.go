// SPDX-License-Identifier: MIT

package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"thumbd/internal/rig"
)

// published asks for a thumbnail and checks that nginx serves it from its
// file.
func published(t *testing.T, r *rig.Rig, uri string, width, height int) {
	t.Helper()
	resp := get(t, r, rig.Escape(uri))
	picture(t, resp, "jpeg", width, height)
	if got := resp.Header.Get("Cache-Control"); got == "no-store" {
		t.Error("not published")
	}
	if _, err := os.Stat(r.File("gallery", uri)); err != nil {
		t.Error(err)
	}
}

// unpublished asks for a thumbnail of the gallery that can't be published, and
// checks that it comes all the same, and that nothing is left behind.
func unpublished(t *testing.T, r *rig.Rig, uri string, width, height int) {
	t.Helper()
	resp := get(t, r, rig.Escape(uri))
	picture(t, resp, "jpeg", width, height)
	if got := resp.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q, want no-store", got)
	}
	if _, err := os.Lstat(r.File("gallery", uri)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file is there: %v", err)
	}
	noTempFiles(t, r, "gallery")
}

// toldOnce checks that one error of the log, over all that has come since
// thumbd's start, tells that uri was not published, and why.
func toldOnce(t *testing.T, r *rig.Rig, uri, cause string) {
	t.Helper()
	waitLog(t, r, 1, "ERROR", "not published", "site=gallery", uri, cause)
	stopDaemon(t, r)
	if n := r.Log.Count("ERROR", "not published"); n != 1 {
		t.Errorf("%d errors, want 1", n)
	}
}

// steps are the system calls of publishing, as internal/publish lists them,
// that can be told from all others, and the errors that disks give there.
var steps = []struct{ call, errors string }{
	{"openat", "EIO ENOSPC EROFS EDQUOT EMFILE"},
	{"flock", "EIO ENOLCK"},
	{"fchmod", "EIO EROFS"},
	{"utimensat", "EIO EROFS"},
	{"fsync", "EIO ENOSPC EDQUOT"},
	{"renameat", "EIO ENOSPC EROFS EDQUOT"},
	{"mkdirat", "EIO ENOSPC EROFS EDQUOT"},
}

// inject returns strace's arguments for a fault at a call of publishing.
func inject(r *rig.Rig, call, fault string) []string {
	args := []string{"-e", fmt.Sprintf("inject=%s:%s", call, fault)}
	if call == "openat" {
		// Of the temp file, and of nothing else.
		args = append(args, "-P", r.File("gallery", "/thumbs/.thumbd"))
	}
	return args
}

// A fault at any step of publishing costs that thumbnail its place in the
// tree, as long as it lasts, and nothing else.
func TestFaultsAtEachStepOfPublishing(t *testing.T) {
	originals := jpgs(t)
	uri := signed("/thumbs/", "a.jpg", "20x20_crop", "jpg")
	for _, step := range steps {
		for name := range strings.FieldsSeq(step.errors) {
			t.Run(step.call+" "+name, func(t *testing.T) {
				r := start(t, rig.Options{
					Sites: []rig.Site{gallery(t, originals)},
					TOML:  "[daemon]\nworkers = 1",
					Env:   faulty(t, sound, ""),
				})
				end := strace(t, r, inject(r, step.call, "error="+name)...)
				unpublished(t, r, uri, 20, 20)
				if trace := end(); !strings.Contains(trace, "(INJECTED)") {
					t.Errorf("nothing was injected:\n%s", trace)
				}
				published(t, r, uri, 20, 20)
				toldOnce(t, r, uri, "publish")
			})
		}
	}
}

// A temp file that can't be removed is removed at the next start.
func TestFaultAtTheRemovalOfATempFile(t *testing.T) {
	r := start(t, rig.Options{Sites: []rig.Site{gallery(t, jpgs(t))}, TOML: "[daemon]\nworkers = 1"})
	uri := signed("/thumbs/", "a.jpg", "20x20_crop", "jpg")
	end := strace(t, r, "-e", "inject=fsync,unlinkat:error=EIO")
	picture(t, get(t, r, rig.Escape(uri)), "jpeg", 20, 20)
	end()
	if left := tempFiles(t, r); len(left) != 1 {
		t.Errorf("left behind: %q, want one temp file", left)
	}
	published(t, r, uri, 20, 20)
	stopDaemon(t, r)
	if err := r.StartDaemon(t.Context()); err != nil {
		t.Fatal(err)
	}
	noTempFiles(t, r, "gallery")
}

// thumbd is killed as it begins each step of publishing.
func TestKilledAtEachStepOfPublishing(t *testing.T) {
	r := start(t, rig.Options{Sites: []rig.Site{gallery(t, jpgs(t))}, TOML: "[daemon]\nworkers = 1"})
	for n, step := range steps {
		t.Run(step.call, func(t *testing.T) {
			text, w, h := spec(n)
			uri := signed("/thumbs/", "a.jpg", text, "jpg")
			if err := os.RemoveAll(r.File("gallery", "/thumbs/a.jpg")); err != nil {
				t.Fatal(err)
			}
			end := strace(t, r, inject(r, step.call, "signal=KILL")...)
			// Over a kept connection nginx asks again, and then waits for the
			// next thumbd.
			asked := ask(t.Context(), r, rig.Escape(uri))
			<-r.DaemonDone()
			end()
			r.KillDaemon()
			if err := new(seenWhole).scan(r.Root("gallery")); err != nil {
				t.Error(err)
			}
			if err := r.StartDaemon(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := <-asked; got.Status != 502 {
				picture(t, got.Response, "jpeg", w, h)
			}
			published(t, r, uri, w, h)
			noTempFiles(t, r, "gallery")
		})
	}
}
