// SPDX-License-Identifier: MIT

package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// newExt4 returns a file with an empty ext4 in it.
func newExt4(t *testing.T, size string) string {
	t.Helper()
	kit.NeedPrograms(t, "mkfs.ext4", "mount")
	image := filepath.Join(t.TempDir(), "ext4")
	kit.Run(t, "mkfs.ext4", "-q", image, size)
	return image
}

// mountImage mounts a file with an ext4 until the test ends.
func mountImage(t *testing.T, image, dir, options string) {
	t.Helper()
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		aid.Skip(t, "no loop devices: "+err.Error())
	}
	kit.Run(t, "mount", "-t", "ext4", "-o", "loop,"+options, image, dir)
	t.Cleanup(func() { kit.Unmount(t, dir) })
}

// fill leaves no room for another file of that size; one of no bytes takes an
// inode.
func fill(t *testing.T, dir string, size int) (end func()) {
	t.Helper()
	fillers := filepath.Join(dir, "fillers")
	aid.Must(t, os.Mkdir(fillers, 0o755))
	var err error
	for i := 0; err == nil; i++ {
		err = os.WriteFile(filepath.Join(fillers, fmt.Sprint(i)), make([]byte, size), 0o600)
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	return func() { aid.Must(t, os.RemoveAll(fillers)) }
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func remount(t *testing.T, dir, options string) {
	t.Helper()
	kit.Run(t, "mount", "-o", "remount,"+options, dir)
}

// A disk that takes no more costs nobody a picture, and is used again as soon
// as it does.
func TestDiskTrouble(t *testing.T) {
	kit.NeedMounts(t)
	tmpfs := func(options string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { kit.Mount(t, "tmpfs", dir, "tmpfs", 0, "mode=755,"+options) }
	}
	ext4 := func(t *testing.T, dir string) { mountImage(t, newExt4(t, "4M"), dir, "nodev") }
	full := func(size int) func(*testing.T, string) func() {
		return func(t *testing.T, dir string) func() { return fill(t, dir, size) }
	}
	readOnly := func(t *testing.T, dir string) func() {
		remount(t, dir, "ro")
		return func() { remount(t, dir, "rw") }
	}
	for name, tt := range map[string]struct {
		mount   func(t *testing.T, dir string)
		trouble func(t *testing.T, dir string) (end func())
		cause   string
	}{
		"tmpfs without blocks": {tmpfs("size=256k"), full(4096), "no space left on device"},
		"tmpfs without inodes": {tmpfs("nr_inodes=20"), full(0), "no space left on device"},
		"tmpfs read-only":      {tmpfs("size=1m"), readOnly, "read-only file system"},
		// Its last blocks come and go: ENOSPC for them is injected, see steps.
		"ext4 without inodes": {ext4, full(0), "no space left on device"},
		"ext4 read-only":      {ext4, readOnly, "read-only file system"},
		// It can't be mended; it is taken away.
		"ext4 aborted": {ext4, func(t *testing.T, dir string) func() {
			remount(t, dir, "abort")
			return func() { kit.Unmount(t, dir) }
		}, "publish"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}, TOML: "[daemon]\nworkers = 1"})
			dir := r.File("gallery", "/thumbs")
			tt.mount(t, dir)
			first := kit.Signed("/thumbs/", "a.jpg", "20x20_crop", "jpg")
			published(t, r, first, 20, 20)
			end := tt.trouble(t, dir)
			uri, other := kit.Signed("/thumbs/", "a.jpg", "30x30_crop", "jpg"), kit.Signed("/thumbs/", "b.jpg", "30x30_crop", "jpg")
			unpublished(t, r, uri, 30, 30)
			unpublished(t, r, other, 30, 30)
			nothingLeft(t, r, uri)
			nothingLeft(t, r, other)
			// Hits are nginx's.
			kit.Picture(t, kit.Get(t, r, rig.Escape(first)), "jpeg", 20, 20)
			end()
			published(t, r, other, 30, 30)
			toldOnce(t, r, 0, uri, tt.cause)
		})
	}
}

// The power is cut: what has been synced is there, of all else only what the
// journal has. Every name of a thumbnail holds all of it.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	kit.NeedMounts(t)
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}})
	dir := r.File("gallery", "/thumbs")
	image := newExt4(t, "64M")
	// The journal is written when it is told to and not by the clock.
	mountImage(t, image, dir, "commit=300")
	after := t.TempDir()
	l := kit.StartLoad(t, 4, func(ctx context.Context, n int) error { return kit.MissAndHit(ctx, r, "a.jpg", n) })
	names := 0
	for i := range kit.Times(5, 100) {
		l.Await(20)
		// Another program's sync has the journal written, with all new names.
		marker := filepath.Join(dir, ".marker")
		if err := errors.Join(os.WriteFile(marker, []byte{byte(i)}, 0o600), syncFile(marker)); err != nil {
			t.Fatal(err)
		}
		cut := filepath.Join(after, "cut")
		whileStopped(t, r, func() { kit.Run(t, "cp", "--sparse=always", image, cut) })
		names += checkCut(t, cut)
	}
	t.Logf("%d names after the cuts, %d requests", names, l.End())
	if names == 0 {
		t.Error("no name was left: nothing is shown")
	}
}

// whileStopped calls do while the running thumbd does nothing.
func whileStopped(t *testing.T, r *rig.Rig, do func()) {
	t.Helper()
	if err := r.SignalDaemon(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := r.SignalDaemon(unix.SIGCONT); err != nil {
			t.Error(err)
		}
	}()
	// The parent hears of it when all threads have stopped.
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, r.DaemonPID(), &info, unix.WSTOPPED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	do()
}

// checkCut returns how many names there are in an image of a disk, and checks
// that they are all of whole pictures.
func checkCut(t *testing.T, image string) int {
	t.Helper()
	dir := t.TempDir()
	// For writing: the journal is to be played back.
	mountImage(t, image, dir, "nodev")
	defer kit.Unmount(t, dir)
	s := new(seenWhole)
	if err := s.scan(dir); err != nil {
		t.Error(err)
	}
	return len(s.known)
}
