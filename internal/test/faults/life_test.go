// SPDX-License-Identifier: MIT

package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// told returns what pid has told its manager, without the watchdog's beats.
func told(r *rig.Rig, pid int) []string {
	var lines []string
	for line := range strings.Lines(r.Notified.String()) {
		text, ok := strings.CutPrefix(line, fmt.Sprintf("pid=%d ", pid))
		if ok && !strings.HasPrefix(text, "WATCHDOG=") {
			lines = append(lines, strings.TrimSpace(text))
		}
	}
	return lines
}

// monotonic returns CLOCK_MONOTONIC in microseconds.
func monotonic(t *testing.T) int64 {
	t.Helper()
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		t.Fatal(err)
	}
	return now.Nano() / 1000
}

func TestWhatTheServiceManagerIsTold(t *testing.T) {
	t.Parallel()
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}})
	pid, good := r.DaemonPID(), kit.Configuration(t, r)
	before := monotonic(t)
	kit.Reload(t, r, good)
	after := monotonic(t)
	kit.Reload(t, r, good+"unknown = 1\n")
	kit.StopDaemon(t, r)

	got := told(r, pid)
	for i, line := range got {
		text, ok := strings.CutPrefix(line, "MONOTONIC_USEC=")
		if !ok {
			continue
		}
		usec, err := strconv.ParseInt(text, 10, 64)
		if i == 3 && (err != nil || usec < before || usec > after) {
			t.Errorf("%s, want %d to %d", line, before, after)
		}
		got[i] = "MONOTONIC_USEC="
	}
	want := []string{
		"READY=1", "STATUS=serves 1 sites",
		"RELOADING=1", "MONOTONIC_USEC=", "READY=1", "STATUS=serves 1 sites",
		"RELOADING=1", "MONOTONIC_USEC=", "READY=1", "STATUS=goes on with the configuration of before the last reload; see the log",
		"STOPPING=1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestWatchdogIsFed(t *testing.T) {
	r := kit.Start(t, rig.Options{
		Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))},
		Env:   []string{"WATCHDOG_USEC=90000"},
	})
	kit.WaitNotified(t, r, 5, "WATCHDOG=1")
}

func TestReload(t *testing.T) {
	t.Parallel()
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}})
	good := kit.Configuration(t, r)
	card := good + "[site.gallery.preset.card]\nsize = \"40x30\"\nmethod = \"crop\"\n"
	kit.Expect(t, kit.Get(t, r, kit.Target("a.jpg", "card", "jpg")), 404, "unknown-preset")
	kit.Reload(t, r, card)
	kit.Picture(t, kit.Get(t, r, kit.Target("a.jpg", "card", "jpg")), "jpeg", 40, 30)

	// A bad file changes nothing, and every mistake is told with its line.
	line := strings.Count(card, "\n") + 1
	kit.Reload(t, r, card+"unknown = 1\n[site.gallery.preset.hero]\nsize = \"wide\"\n")
	kit.WaitLog(t, r, 1, "ERROR", fmt.Sprintf("thumbd.toml:%d: ", line), fmt.Sprintf("thumbd.toml:%d: ", line+2))
	kit.Picture(t, kit.Get(t, r, kit.Target("b.jpg", "card", "jpg")), "jpeg", 40, 30)

	kit.Reload(t, r, strings.Replace(card, "card", "hero", 1))
	kit.Expect(t, kit.Get(t, r, kit.Target("c.jpg", "card", "jpg")), 404, "unknown-preset")
	kit.Picture(t, kit.Get(t, r, kit.Target("c.jpg", "hero", "jpg")), "jpeg", 40, 30)
}

// A second SIGHUP while the first is still being followed is not lost: the
// file that it stands for is loaded.
func TestReloadDuringReload(t *testing.T) {
	t.Parallel()
	gate := filepath.Join(t.TempDir(), "gate")
	r := kit.Start(t, rig.Options{
		Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))},
		TOML:  "[daemon]\nworkers = 1",
		Env:   kit.Faulty(t, kit.Late, gate),
	})
	good := kit.Configuration(t, r)
	held := reloadAtGate(t, r, gate)
	kit.Configure(t, r, good+"[site.gallery.preset.card]\nsize = \"40x30\"\nmethod = \"crop\"\n")
	kit.HangUp(t, r)
	kit.WaitNotified(t, r, 2, "RELOADING=1")
	// The old configuration serves all the while.
	kit.Expect(t, kit.Get(t, r, kit.Target("a.jpg", "card", "jpg")), 404, "unknown-preset")
	if err := os.Remove(gate); err != nil {
		t.Fatal(err)
	}
	held.Close()
	kit.WaitNotified(t, r, 3, "READY=1")
	kit.Picture(t, kit.Get(t, r, kit.Target("a.jpg", "card", "jpg")), "jpeg", 40, 30)
}

// reloadAtGate begins a reload that can't end, as its first worker is at the
// gate, until the file is closed.
func reloadAtGate(t *testing.T, r *rig.Rig, gate string) *os.File {
	t.Helper()
	if err := syscall.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	kit.HangUp(t, r)
	return aid.AtGate(t, gate)
}

func TestStopDuringReload(t *testing.T) {
	t.Parallel()
	gate := filepath.Join(t.TempDir(), "gate")
	r := kit.Start(t, rig.Options{
		Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))},
		TOML:  "[daemon]\nworkers = 1",
		Env:   kit.Faulty(t, kit.Late, gate),
	})
	held := reloadAtGate(t, r, gate)
	defer held.Close()
	kit.Picture(t, kit.Get(t, r, kit.Target("a.jpg", "40x30_crop", "jpg")), "jpeg", 40, 30)
	kit.StopDaemon(t, r)
	if n := r.Log.Count("ERROR"); n > 0 {
		t.Errorf("%d errors, though nothing is wrong", n)
	}
}
