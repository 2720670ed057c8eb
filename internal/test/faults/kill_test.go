// SPDX-License-Identifier: MIT

package faults

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// Whoever is killed, workers or thumbd, and whenever: nobody sees a file that
// is not whole, and what is left of temp files goes at the next start.
func TestKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	// An original that loses two workers is quarantined, so there are many.
	files := make(map[string]string)
	for n := range killOriginals {
		files[killOriginal(n)] = "originals/photos/dandelion.jpg"
	}
	r := kit.Start(t, rig.Options{
		Sites: []rig.Site{kit.Gallery(t, kit.Folder(t, files))},
		TOML:  "[daemon]\nworkers = 1",
	})
	moments := kit.Random(t)
	seen := new(seenWhole)
	l := kit.StartLoad(t, 6, func(ctx context.Context, n int) error { return seen.readThrough(ctx, r, n) })
	scan := kit.StartLoad(t, 1, func(ctx context.Context, _ int) error {
		// Not to take the processors from those who render.
		<-time.After(time.Millisecond)
		return seen.scan(r.Root("gallery"))
	})
	kills := kit.Times(30, 1000)
	for i := range kills {
		// The moments are what is tried here.
		<-time.After(time.Duration(moments.Int64N(int64(40 * time.Millisecond))))
		if i%3 > 0 {
			if pids := workers(t, r); len(pids) > 0 {
				kill(t, pids[moments.IntN(len(pids))])
			}
			continue
		}
		r.KillDaemon()
		left := tempFiles(t, r)
		if err := r.StartDaemon(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, path := range left {
			if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is there after the next start: %v", path, err)
			}
		}
		seen.left += len(left)
		l.Await(3)
	}
	requests := l.End()
	t.Logf("%d kills, %d requests, %d pictures, %d scans, %d temp files were left",
		kills, requests, seen.pictures.Load(), scan.End(), seen.left)
	if seen.pictures.Load() < int64(kills) {
		t.Error("hardly a picture was rendered: nothing was killed in the middle")
	}
	kit.StopDaemon(t, r)
	kit.NoTempFiles(t, r, "gallery")
}

// tempFiles returns the temp files of the gallery.
func tempFiles(t *testing.T, r *rig.Rig) []string {
	t.Helper()
	paths, err := filepath.Glob(r.File("gallery", "/thumbs/.thumbd/*"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(paths, kit.Stays)
}

// killOriginals is the number of originals of TestKilledInTheMiddle, and
// killOriginal the name of the original of the n-th request.
const killOriginals = 60

func killOriginal(n int) string { return fmt.Sprintf("%d.jpg", n%killOriginals) }

// readThrough asks for a picture until it is there. Being killed over it is no
// answer that counts; a part of a picture is.
func (s *seenWhole) readThrough(ctx context.Context, r *rig.Rig, n int) error {
	format := []string{"jpg", "png", "webp"}[n%3]
	text, w, h := kit.Spec(n)
	resp, err := r.Get(ctx, kit.Target(killOriginal(n), strings.Replace(text, "crop", "smart", 1), format))
	if err != nil {
		return err
	}
	switch resp.Status {
	case 200:
		s.pictures.Add(1)
		return kit.Decode(resp.Body, w, h)
	case 422, 500, 502, 503:
		return nil
	}
	return fmt.Errorf("status %d, reason %q", resp.Status, resp.Header.Get("X-Thumbd-Reason"))
}

// A worker that is stuck does not outlive a thumbd that was killed.
func TestStuckWorkerEndsWithItsDaemon(t *testing.T) {
	disk := newFaultyDisk(t)
	originals := kit.Folder(t, nil)
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, originals)}, TOML: "[daemon]\nworkers = 1"})
	disk.mount(t, originals)
	b, err := os.ReadFile(kit.Testdata(t, "originals/tests/orientation/1.jpg"))
	aid.Must(t, err)
	kit.Put(t, filepath.Join(originals, "a.jpg"), b)
	reading, release := make(chan struct{}, 1), make(chan struct{})
	end := disk.fail("read", func(do func() fuse.Status) fuse.Status {
		select {
		case reading <- struct{}{}:
		default:
		}
		<-release
		return do()
	})
	defer end()
	defer close(release)
	asked := kit.Ask(t.Context(), r, kit.Target("a.jpg", "20x20_crop", "jpg"))
	select {
	case <-reading:
	case got := <-asked:
		t.Fatalf("status %d, %v: nothing was read", got.Status, got.Err)
	}
	pids := workers(t, r)
	r.KillDaemon()
	if len(pids) == 0 {
		t.Error("no workers")
	}
	for _, pid := range pids {
		awaitEnd(t, pid)
	}
	aid.Must(t, r.StartDaemon(t.Context()))
	end()
	<-asked
}

// awaitEnd waits until a process has ended, whoever is to wait for it.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(aid.Patience); time.Now().Before(deadline); <-time.After(10 * time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		// The state follows the name: proc(5).
		if _, state, _ := strings.Cut(string(stat), ") "); err != nil || strings.HasPrefix(state, "Z") {
			return
		}
		// It has ended, but for a thread that the disk does not let go: one with
		// SIGKILL pending, proc_pid_status(5).
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err == nil && strings.Contains(string(status), "SigPnd:\t0000000000000100") {
			return
		}
	}
	t.Errorf("process %d lives", pid)
	kill(t, pid)
}
