// SPDX-License-Identifier: MIT

package faults

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// published asks for a thumbnail and checks that nginx serves it from its
// file.
func published(t *testing.T, r *rig.Rig, uri string, width, height int) {
	t.Helper()
	resp := kit.Get(t, r, rig.Escape(uri))
	kit.Picture(t, resp, "jpeg", width, height)
	if got := resp.Header.Get("Cache-Control"); got == "no-store" {
		t.Error("not published")
	}
	if _, err := os.Stat(r.File("gallery", uri)); err != nil {
		t.Error(err)
	}
}

// unpublished asks for a thumbnail of the gallery that can't be published, and
// checks that it comes all the same.
func unpublished(t *testing.T, r *rig.Rig, uri string, width, height int) {
	t.Helper()
	resp := kit.Get(t, r, rig.Escape(uri))
	kit.Picture(t, resp, "jpeg", width, height)
	if got := resp.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q, want no-store", got)
	}
}

// nothingLeft checks that neither a thumbnail of the gallery is there nor what
// was to become one.
func nothingLeft(t *testing.T, r *rig.Rig, uri string) {
	t.Helper()
	if _, err := os.Lstat(r.File("gallery", uri)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file is there: %v", err)
	}
	kit.NoTempFiles(t, r, "gallery")
}

// unpublishedErrors returns how many errors of the log tell that a thumbnail was
// not published.
func unpublishedErrors(r *rig.Rig) int { return r.Log.Count("ERROR", "not published") }

// toldOnce stops thumbd and checks that one error of the log tells that uri was
// not published, and why, and that none has come before it since there were so
// many.
func toldOnce(t *testing.T, r *rig.Rig, before int, uri, cause string) {
	t.Helper()
	kit.WaitLog(t, r, 1, "ERROR", "not published", "site=gallery", uri, cause)
	kit.StopDaemon(t, r)
	if n := unpublishedErrors(r) - before; n != 1 {
		t.Errorf("%d errors, want 1", n)
	}
}

// operations are what publishing asks of a disk, and the errors that disks give
// there. OK is that of a disk that has done nothing.
var operations = []struct{ name, errors string }{
	{"lookup", "EIO"},
	{"getattr", "EIO"},
	{"opendir", "EIO"},
	{"create", "EIO ENOSPC EROFS EDQUOT"},
	{"write", "EIO ENOSPC EDQUOT OK"},
	{"second write", "EIO ENOSPC"},
	{"read", "EIO OK"},
	{"chmod", "EIO EROFS"},
	{"utimes", "EIO EROFS"},
	{"fsync", "EIO ENOSPC EDQUOT"},
	{"rename", "EIO ENOSPC EROFS EDQUOT"},
	{"mkdir", "EIO ENOSPC EROFS EDQUOT"},
	{"second chmod", "EIO"},
	// When the file is whole, synced and has its name.
	{"flush", ""},
}

var statuses = map[string]fuse.Status{
	"OK": fuse.OK, "EIO": fuse.EIO, "EROFS": fuse.EROFS,
	"ENOSPC": fuse.Status(unix.ENOSPC), "EDQUOT": fuse.Status(unix.EDQUOT),
}

// startOnFaultyDisk starts a rig whose gallery has its tree on a disk, with the
// folder for temp files in it. Its workers make gray pictures.
func startOnFaultyDisk(t *testing.T) (*rig.Rig, *faultyDisk) {
	t.Helper()
	disk := newFaultyDisk(t)
	r := kit.Start(t, rig.Options{
		Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))},
		TOML:  "[daemon]\nworkers = 1",
		Env:   kit.Faulty(t, kit.Sound, ""),
	})
	disk.mount(t, r.File("gallery", "/thumbs"))
	published(t, r, kit.Signed("/thumbs/", "b.jpg", "20x20_crop", "jpg"), 20, 20)
	return r, disk
}

// A fault of the disk at any operation of publishing costs that thumbnail its
// place in the tree, as long as it lasts, and nothing else.
func TestDiskFaultsAtEachStepOfPublishing(t *testing.T) {
	r, disk := startOnFaultyDisk(t)
	kit.StopDaemon(t, r)
	height := 1500
	for _, operation := range operations {
		for name := range strings.FieldsSeq(operation.errors) {
			t.Run(operation.name+" "+name, func(t *testing.T) {
				// Each has an error of the log of its own, of a thumbd of its own.
				height++
				uri := kit.Signed("/thumbs/", "a.jpg", fmt.Sprintf("2000x%d_crop", height), "jpg")
				told := unpublishedErrors(r)
				aid.Must(t, os.RemoveAll(r.File("gallery", "/thumbs/a.jpg")), r.StartDaemon(t.Context()))
				t.Cleanup(func() { kit.StopDaemon(t, r) })
				end := disk.fail(operation.name, func(func() fuse.Status) fuse.Status { return statuses[name] })
				unpublished(t, r, uri, 2000, height)
				if end() == 0 {
					t.Fatal("nothing has failed")
				}
				nothingLeft(t, r, uri)
				published(t, r, uri, 2000, height)
				if t.Failed() {
					return // and don't wait for the log
				}
				toldOnce(t, r, told, uri, "publish")
			})
		}
	}
}

// An error of close comes too late to be one.
func TestDiskFaultAfterPublishing(t *testing.T) {
	r, disk := startOnFaultyDisk(t)
	end := disk.fail("flush", func(func() fuse.Status) fuse.Status { return fuse.EIO })
	published(t, r, kit.Signed("/thumbs/", "a.jpg", "20x20_crop", "jpg"), 20, 20)
	if end() == 0 {
		t.Error("nothing has failed")
	}
	kit.NoTempFiles(t, r, "gallery")
}

// thumbd is killed before and after the disk does each operation of publishing.
func TestKilledAtEachStepOfPublishing(t *testing.T) {
	r, disk := startOnFaultyDisk(t)
	uri := kit.Signed("/thumbs/", "a.jpg", "2000x1500_crop", "jpg")
	for _, operation := range operations {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, done: %v", operation.name, done), func(t *testing.T) {
				aid.Must(t, os.RemoveAll(r.File("gallery", "/thumbs/a.jpg")))
				end := disk.fail(operation.name, func(do func() fuse.Status) fuse.Status {
					status := fuse.EIO
					if done {
						status = do()
					}
					// It can have ended before.
					_ = r.SignalDaemon(unix.SIGKILL)
					return status
				})
				// Over a kept connection nginx asks again, and then waits for the
				// next thumbd.
				asked := kit.Ask(t.Context(), r, rig.Escape(uri))
				<-r.DaemonDone()
				end()
				r.KillDaemon()
				aid.Must(t, new(seenWhole).scan(r.Root("gallery")), r.StartDaemon(t.Context()))
				if got := <-asked; got.Status != 502 {
					kit.Picture(t, got.Response, "jpeg", 2000, 1500)
				}
				published(t, r, uri, 2000, 1500)
				kit.NoTempFiles(t, r, "gallery")
			})
		}
	}
}

// calls are the system calls of publishing that fail without a disk, at path or
// anywhere. Not those that read the memfd: the picture is sent from there, too,
// and strace counts for each thread.
var calls = []struct{ call, path, fault string }{
	{"openat", "/thumbs/.thumbd", "error=EMFILE"},
	{"flock", "", "error=EIO"},
	{"flock", "", "error=ENOLCK"},
}

// injectAt returns strace's arguments for a fault at a call of publishing.
func injectAt(r *rig.Rig, call, path, fault string) []string {
	args := []string{"-e", fmt.Sprintf("inject=%s:%s", call, fault)}
	if path != "" {
		args = append(args, "-P", r.File("gallery", path))
	}
	return args
}

func TestFaultsAtCallsOfPublishing(t *testing.T) {
	originals := kit.JPGs(t)
	uri := kit.Signed("/thumbs/", "a.jpg", "20x20_crop", "jpg")
	for _, tt := range calls {
		t.Run(tt.call+" "+tt.fault, func(t *testing.T) {
			t.Parallel()
			r := kit.Start(t, rig.Options{
				Sites: []rig.Site{kit.Gallery(t, originals)},
				TOML:  "[daemon]\nworkers = 1",
				Env:   kit.Faulty(t, kit.Sound, ""),
			})
			end := strace(t, r, injectAt(r, tt.call, tt.path, tt.fault)...)
			unpublished(t, r, uri, 20, 20)
			if trace := end(); !strings.Contains(trace, "(INJECTED)") {
				t.Fatalf("nothing was injected:\n%s", trace)
			}
			nothingLeft(t, r, uri)
			published(t, r, uri, 20, 20)
			toldOnce(t, r, 0, uri, "publish")
		})
	}
}

// A temp file that can't be removed is removed at the next start.
func TestFaultAtTheRemovalOfATempFile(t *testing.T) {
	t.Parallel()
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}, TOML: "[daemon]\nworkers = 1"})
	uri := kit.Signed("/thumbs/", "a.jpg", "20x20_crop", "jpg")
	end := strace(t, r, "-e", "inject=fsync,unlinkat:error=EIO")
	kit.Picture(t, kit.Get(t, r, rig.Escape(uri)), "jpeg", 20, 20)
	end()
	if left := tempFiles(t, r); len(left) != 1 {
		t.Errorf("left behind: %q, want one temp file", left)
	}
	published(t, r, uri, 20, 20)
	kit.StopDaemon(t, r)
	if err := r.StartDaemon(t.Context()); err != nil {
		t.Fatal(err)
	}
	kit.NoTempFiles(t, r, "gallery")
}
