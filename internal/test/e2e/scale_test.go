// SPDX-License-Identifier: MIT

package e2e

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

var (
	campaign = flag.Bool("campaign", false, "run the long versions of the tests that have one")
	whole    = flag.Bool("whole", false, "fail where a test would be skipped")
	seed     = flag.Uint64("seed", 0, "of the moments that are chosen at random; 0: any")
)

// times is how often a test does what proves more the oftener it is done.
func times(short, long int) int {
	if *campaign {
		return long
	}
	return short
}

// random returns a source of moments. A failed test shows its seed, and so does
// a campaign, which may be ended before.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	s := *seed
	if s == 0 {
		s = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("-seed %d", s)
		}
	})
	if *campaign {
		t.Logf("-seed %d", s)
	}
	return rand.New(rand.NewPCG(s, 0))
}

// skip skips a test that can't run here, unless -whole forbids it.
func skip(t *testing.T, reason string) {
	t.Helper()
	if *whole {
		t.Fatal("skipped though -whole forbids it: " + reason)
	}
	t.Skip(reason)
}

// needPrograms skips the test where a program is missing.
func needPrograms(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			skip(t, err.Error())
		}
	}
}

// mountsVariable is set where this process may mount what it likes.
const mountsVariable = "THUMBD_E2E_MOUNTS"

// ownMounts puts this process into a mount namespace of its own, if it may, so
// that whatever is mounted goes with it, however it ends.
func ownMounts() error {
	if os.Getenv(mountsVariable) != "" {
		return nil
	}
	// A namespace is a thread's. The thread that calls exec is the only one
	// that is left of the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		if errors.Is(err, unix.EPERM) {
			return nil
		}
		return fmt.Errorf("unshare: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(self, os.Args, append(os.Environ(), mountsVariable+"=1"))
}

// needMounts skips the test where nothing can be mounted.
func needMounts(t *testing.T) {
	t.Helper()
	if os.Getenv(mountsVariable) == "" {
		skip(t, "a mount takes root, with the right to mount")
	}
}

// mount mounts a file system until the test ends.
func mount(t *testing.T, source, dir, kind string, flags uintptr, data string) {
	t.Helper()
	if err := unix.Mount(source, dir, kind, flags, data); err != nil {
		t.Fatalf("mount %s on %s: %v", kind, dir, err)
	}
	t.Cleanup(func() {
		// What the test has unmounted itself is no longer there.
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
}
