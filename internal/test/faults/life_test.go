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
	r := start(t, rig.Options{Sites: []rig.Site{gallery(t, jpgs(t))}})
	pid, good := r.DaemonPID(), configuration(t, r)
	before := monotonic(t)
	reload(t, r, good)
	after := monotonic(t)
	reload(t, r, good+"unknown = 1\n")
	stopDaemon(t, r)

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
	r := start(t, rig.Options{
		Sites: []rig.Site{gallery(t, jpgs(t))},
		Env:   []string{"WATCHDOG_USEC=90000"},
	})
	waitNotified(t, r, 5, "WATCHDOG=1")
}

// A worker that is killed and does not die leaves its place stuck, and the
// watchdog is not fed until it has.
func TestWatchdogIsNotFedWhileAPlaceIsStuck(t *testing.T) {
	if !*campaign {
		// It takes a minute, of waiting alone.
		return
	}
	t.Parallel()
	r := start(t, rig.Options{
		Sites: []rig.Site{gallery(t, jpgs(t))},
		TOML:  "[daemon]\nworkers = 1\n[limits]\nrender_time = \"1s\"",
		Env:   []string{"WATCHDOG_USEC=300000"},
	})
	// The dead are a tracer's first, and one that is stopped does not let them
	// go to their parent.
	var letGo []func()
	for _, pid := range workers(t, r) {
		tracer, end := traceProcess(t, pid)
		must(t, tracer.Signal(syscall.SIGSTOP))
		letGo = append(letGo, func() {
			must(t, tracer.Signal(syscall.SIGCONT))
			end()
		})
	}
	expect(t, get(t, r, target("a.jpg", "20x20_crop", "jpg")), 504, "deadline")
	waitLog(t, r, 1, "ERROR", "the watchdog is not fed")
	fed := count(r, "WATCHDOG=1")
	waitLog(t, r, 5, "ERROR", "the watchdog is not fed")
	if n := count(r, "WATCHDOG=1"); n != fed {
		t.Errorf("fed %d times all the same", n-fed)
	}
	for _, f := range letGo {
		f()
	}
	waitNotified(t, r, fed+1, "WATCHDOG=1")
	picture(t, get(t, r, target("b.jpg", "20x20_crop", "jpg")), "jpeg", 20, 20)
}

func TestReload(t *testing.T) {
	t.Parallel()
	r := start(t, rig.Options{Sites: []rig.Site{gallery(t, jpgs(t))}})
	good := configuration(t, r)
	card := good + "[site.gallery.preset.card]\nsize = \"40x30\"\nmethod = \"crop\"\n"
	expect(t, get(t, r, target("a.jpg", "card", "jpg")), 404, "unknown-preset")
	reload(t, r, card)
	picture(t, get(t, r, target("a.jpg", "card", "jpg")), "jpeg", 40, 30)

	// A bad file changes nothing, and every mistake is told with its line.
	line := strings.Count(card, "\n") + 1
	reload(t, r, card+"unknown = 1\n[site.gallery.preset.hero]\nsize = \"wide\"\n")
	waitLog(t, r, 1, "ERROR", fmt.Sprintf("thumbd.toml:%d: ", line), fmt.Sprintf("thumbd.toml:%d: ", line+2))
	picture(t, get(t, r, target("b.jpg", "card", "jpg")), "jpeg", 40, 30)

	reload(t, r, strings.Replace(card, "card", "hero", 1))
	expect(t, get(t, r, target("c.jpg", "card", "jpg")), 404, "unknown-preset")
	picture(t, get(t, r, target("c.jpg", "hero", "jpg")), "jpeg", 40, 30)
}

// A second SIGHUP while the first is still being followed is not lost: the
// file that it stands for is loaded.
func TestReloadDuringReload(t *testing.T) {
	t.Parallel()
	gate := filepath.Join(t.TempDir(), "gate")
	r := start(t, rig.Options{
		Sites: []rig.Site{gallery(t, jpgs(t))},
		TOML:  "[daemon]\nworkers = 1",
		Env:   faulty(t, late, gate),
	})
	good := configuration(t, r)
	held := reloadAtGate(t, r, gate)
	configure(t, r, good+"[site.gallery.preset.card]\nsize = \"40x30\"\nmethod = \"crop\"\n")
	hangUp(t, r)
	waitNotified(t, r, 2, "RELOADING=1")
	// The old configuration serves all the while.
	expect(t, get(t, r, target("a.jpg", "card", "jpg")), 404, "unknown-preset")
	if err := os.Remove(gate); err != nil {
		t.Fatal(err)
	}
	held.Close()
	waitNotified(t, r, 3, "READY=1")
	picture(t, get(t, r, target("a.jpg", "card", "jpg")), "jpeg", 40, 30)
}

// reloadAtGate begins a reload that can't end, as its first worker is at the
// gate, until the file is closed.
func reloadAtGate(t *testing.T, r *rig.Rig, gate string) *os.File {
	t.Helper()
	if err := syscall.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	hangUp(t, r)
	return atGate(t, gate)
}

func TestStopDuringReload(t *testing.T) {
	t.Parallel()
	gate := filepath.Join(t.TempDir(), "gate")
	r := start(t, rig.Options{
		Sites: []rig.Site{gallery(t, jpgs(t))},
		TOML:  "[daemon]\nworkers = 1",
		Env:   faulty(t, late, gate),
	})
	held := reloadAtGate(t, r, gate)
	defer held.Close()
	picture(t, get(t, r, target("a.jpg", "40x30_crop", "jpg")), "jpeg", 40, 30)
	stopDaemon(t, r)
	if n := r.Log.Count("ERROR"); n > 0 {
		t.Errorf("%d errors, though nothing is wrong", n)
	}
}
