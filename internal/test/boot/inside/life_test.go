// SPDX-License-Identifier: MIT

package inside

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// thumbd ends when nobody asks, hits are served without it, and the next miss
// has it started again.
func TestIdleExitAndReactivation(t *testing.T) {
	machine(t, "[daemon]\nidle_exit = \"1s\"\n")
	uri := signed(small, "40x30_crop", "jpg")
	for n := range 3 {
		picture(t, signed(small, "40x30_crop_v="+string(rune('a'+n)), "jpg"), "jpeg", 40, 30)
		picture(t, uri, "jpeg", 40, 30)
		until(t, "idle exit", func() bool { return property(t, "thumbd.service", "ActiveState") == "inactive" })
		if got := property(t, "thumbd.service", "Result"); got != "success" {
			t.Errorf("thumbd has ended with %s", got)
		}
		picture(t, uri, "jpeg", 40, 30)
		if pid := daemon(t); pid != 0 {
			t.Errorf("a hit has started thumbd, as %d", pid)
		}
	}
}

// No request fails while thumbd is restarted again and again.
func TestRestartsUnderLoad(t *testing.T) {
	machine(t, "")
	l := startLoad(t, 4)
	for range 20 {
		l.await(5)
		run(t, "systemctl", "restart", "thumbd.service")
	}
	l.await(5)
	l.endWhole(t)
	noTempFiles(t)
}

// A daemon that is killed is started again. The requests that it had are lost,
// and nothing else: no picture is in parts.
func TestDaemonKilledUnderLoad(t *testing.T) {
	machine(t, "")
	l := startLoad(t, 4)
	for range 10 {
		l.await(1 + rand.IntN(10))
		pid := daemon(t)
		if pid == 0 {
			continue
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		until(t, "another daemon", func() bool { now := daemon(t); return now != 0 && now != pid })
	}
	n, errs := l.end()
	for _, err := range errs {
		if !strings.Contains(err.Error(), "status 502") {
			t.Error(err)
		}
	}
	t.Logf("%d thumbnails, %d requests lost", n, len(errs))
	if restarts := property(t, "thumbd.service", "NRestarts"); restarts == "0" {
		t.Error("systemd has never started it again")
	}
	run(t, "systemctl", "restart", "thumbd.service")
	picture(t, signed(small, "33x22_crop", "jpg"), "jpeg", 33, 22)
	noTempFiles(t)
}

// No request fails when workers are killed, one at a time.
func TestWorkersKilledUnderLoad(t *testing.T) {
	machine(t, "")
	l := startLoad(t, 4)
	l.await(1)
	pid := daemon(t)
	for i := range 20 {
		all := awaitWorkers(t)
		l.await(5)
		// An original that loses a second worker is quarantined: each loses one.
		name := fmt.Sprintf("load-%d.jpg", i)
		run(t, "cp", filepath.Join(originals, small), filepath.Join(originals, name))
		t.Cleanup(func() {
			if err := os.Remove(filepath.Join(originals, name)); err != nil {
				t.Error(err)
			}
		})
		l.turn(name)
		err := syscall.Kill(all[rand.IntN(len(all))], syscall.SIGKILL)
		if err != nil && err != syscall.ESRCH {
			t.Fatal(err)
		}
	}
	l.await(5)
	l.endWhole(t)
	if now := daemon(t); now != pid {
		t.Errorf("the daemon is process %d, and was %d", now, pid)
	}
	noTempFiles(t)
}

// A configuration with mistakes changes nothing when it is reloaded, and the
// mended one counts.
func TestReloadWithABadFile(t *testing.T) {
	machine(t, "")
	picture(t, signed(small, "50x30_crop", "jpg"), "jpeg", 50, 30)
	pid := daemon(t)

	put(t, configuration, gallery+"qualty = 1\n")
	if out, err := try(t, "systemctl", "reload", "thumbd.service"); err == nil {
		t.Errorf("systemctl reload takes a bad file: %s", out)
	}
	if told := journal(t); !strings.Contains(told, "unknown key") {
		t.Errorf("the journal does not say why:\n%s", told)
	}
	until(t, "word of the mistake", func() bool { return strings.Contains(status(t), "before the last reload") })
	picture(t, signed(small, "51x30_crop", "jpg"), "jpeg", 51, 30)

	put(t, configuration, gallery+"formats = [\"png\"]\n")
	run(t, "systemctl", "reload", "thumbd.service")
	until(t, "the mended file", func() bool { return strings.Contains(status(t), "serves 1 sites") })
	refused(t, signed(small, "52x30_crop", "jpg"), http.StatusBadRequest, "extension")
	picture(t, signed(small, "52x30_crop", "png"), "png", 52, 30)
	if now := daemon(t); now != pid {
		t.Errorf("the daemon is process %d, and was %d", now, pid)
	}
}

// Started with mistakes in its configuration, thumbd answers that, and serves
// as soon as they are mended and reloaded.
func TestStartWithABadFile(t *testing.T) {
	machine(t, "qualty = 1\n")
	for range 30 {
		refused(t, signed(small, "50x30_crop", "jpg"), http.StatusServiceUnavailable, "configuration")
	}
	if got := status(t); !strings.Contains(got, "503") {
		t.Errorf("the unit's status is %q", got)
	}
	put(t, configuration, gallery)
	run(t, "systemctl", "reload", "thumbd.service")
	until(t, "the mended file", func() bool { return strings.Contains(status(t), "serves 1 sites") })
	picture(t, signed(small, "50x30_crop", "jpg"), "jpeg", 50, 30)
	if got := property(t, "thumbd.service", "NRestarts"); got != "0" {
		t.Errorf("started again %s times", got)
	}
}

func status(t testing.TB) string {
	t.Helper()
	return property(t, "thumbd.service", "StatusText")
}

// A daemon that says nothing any more is ended and started again, without a
// request that asks for it.
func TestWatchdog(t *testing.T) {
	machine(t, "")
	dropIn(t, "watchdog.conf", "[Service]\nWatchdogSec=2s\n")
	picture(t, signed(small, "50x30_crop", "jpg"), "jpeg", 50, 30)
	pid := daemon(t)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	until(t, "another daemon", func() bool { now := daemon(t); return now != 0 && now != pid })
	until(t, "an end of the first one's process", func() bool { return !exists("/proc/" + strconv.Itoa(pid)) })
	until(t, "its start", func() bool { return strings.Contains(journal(t), "msg=loaded") })
	picture(t, signed(small, "51x30_crop", "jpg"), "jpeg", 51, 30)
	if _, err := os.Stat("/run/thumbd/thumbd.sock"); err != nil {
		t.Error(err)
	}
}

// A start that fails before the program runs is named at once, with systemd's own
// word for it, and is tried again after a while.
func TestStartThatFailsBeforeTheProgram(t *testing.T) {
	for name, tt := range map[string]struct{ seed, heal, status, cure string }{
		"no namespace": {
			serviceDropIn("BindReadOnlyPaths=/nonexistent/folder") + " || true",
			noServiceDropIn, "226/NAMESPACE", "nesting=1",
		},
		"a cache that is a link": {
			"rm -rf " + cache + "; ln -s /nonexistent/cache " + cache + "; systemctl restart thumbd.service || true",
			"rm " + cache + "; systemctl restart thumbd.service", "239/CACHE_DIRECTORY", "not a link",
		},
	} {
		t.Run(name, func(t *testing.T) {
			machine(t, "")
			run(t, "sh", "-c", tt.seed)
			begin := time.Now()
			d := doctor(t)
			if took := time.Since(begin); took > patience/3 {
				t.Errorf("the doctor has taken %v", took)
			}
			checkFinding(t, d, "service-failed", tt.cure)
			if !strings.Contains(fmt.Sprint(d.Findings), tt.status) {
				t.Errorf("the doctor does not name %s: %+v", tt.status, d.Findings)
			}
			run(t, "sh", "-c", tt.heal)
			picture(t, signed(small, "50x30_crop", "jpg"), "jpeg", 50, 30)
		})
	}
	machine(t, "")
	if got := property(t, "thumbd.service", "RestartUSec"); got != "1s" {
		t.Errorf("RestartUSec is %s", got)
	}
	steps, longest := property(t, "thumbd.service", "RestartSteps"), property(t, "thumbd.service", "RestartMaxDelayUSec")
	if steps != "" && (steps != "5" || longest != "10s") {
		t.Errorf("it is tried again in %s steps, at last after %s", steps, longest)
	}
}
