// SPDX-License-Identifier: MIT

package faults

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"thumbd/internal/test/rig"
)

const broken = "unknown = 1\n"

// STATUS= while thumbd has thumbnails, and while it has none.
const (
	mended = "STATUS=serves 1 sites"
	waits  = "STATUS=answers 503 until the configuration is mended and reloaded; see the log"
)

func TestStartWithABadConfiguration(t *testing.T) {
	t.Parallel()
	r := start(t, rig.Options{Sites: []rig.Site{gallery(t, jpgs(t))}, Stopped: true})
	good := configuration(t, r)
	configure(t, r, broken+good)
	if err := r.StartDaemon(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitNotified(t, r, 1, waits)
	waitLog(t, r, 1, "ERROR", "thumbd.toml:1: unknown: ")
	thumbnail := target("a.jpg", "20x20_crop", "jpg")
	for _, resp := range []rig.Response{get(t, r, thumbnail), get(t, r, "/thumbs/nonsense")} {
		expect(t, resp, 503, "configuration")
		if resp.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	if got := health(t, r); got.Status != 503 || !bytes.Contains(got.Body, []byte("configuration")) {
		t.Errorf("health: %d %q", got.Status, got.Body)
	}
	reload(t, r, broken+good)
	expect(t, get(t, r, thumbnail), 503, "configuration")

	reload(t, r, good)
	waitNotified(t, r, 1, mended)
	picture(t, get(t, r, thumbnail), "jpeg", 20, 20)
	if got := health(t, r); got.Status != 200 {
		t.Errorf("health: %d %q", got.Status, got.Body)
	}
}

// health asks thumbd for its health.
func health(t *testing.T, r *rig.Rig) rig.Response {
	t.Helper()
	return do(t, r, rig.Request{Target: "/_thumbd/health", Direct: true})
}

// A thumbd with a socket of its own has nobody to keep the socket for.
func TestListenWithABadConfiguration(t *testing.T) {
	t.Parallel()
	r := start(t, rig.Options{Sites: []rig.Site{gallery(t, jpgs(t))}, Stopped: true})
	// nginx is up before it is told to stop.
	get(t, r, "/")
	configure(t, r, broken+configuration(t, r))
	socket := filepath.Join(r.Dir, "own.sock")
	p, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), p.Thumbd, "serve", "-c", configFile(r), "--listen", socket).CombinedOutput()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != 2 || !bytes.Contains(out, []byte("thumbd.toml:1: unknown: ")) {
		t.Errorf("%v, want exit status 2\n%s", err, out)
	}
	if _, err := os.Lstat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

// thumbd waits for its workers' program by itself: nobody sends it a signal.
func TestWorkerProgramComesLater(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "render")
	r := start(t, rig.Options{Sites: []rig.Site{gallery(t, jpgs(t))}, Env: []string{"THUMBD_RENDER=" + program}})
	waitLog(t, r, 1, "ERROR", "not loaded", program)
	thumbnail := target("a.jpg", "20x20_crop", "jpg")
	expect(t, get(t, r, thumbnail), 503, "no-worker")
	if got := health(t, r); got.Status != 503 {
		t.Errorf("health: %d %q", got.Status, got.Body)
	}
	installWorker(t, program, sound)
	waitNotified(t, r, 1, mended)
	picture(t, get(t, r, thumbnail), "jpeg", 20, 20)
}

// installWorker puts a worker at path.
func installWorker(t *testing.T, path, fault string) {
	t.Helper()
	worker := strings.TrimPrefix(faulty(t, fault, "")[0], "THUMBD_RENDER=")
	if err := os.Symlink(worker, path); err != nil {
		t.Fatal(err)
	}
}

// While no worker can be started requests wait, and are answered when one can.
func TestWorkerProgramGoesAndComesBack(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "render")
	installWorker(t, program, sound)
	r := start(t, rig.Options{
		Sites: []rig.Site{gallery(t, jpgs(t))},
		TOML:  "[daemon]\nworkers = 1",
		Env:   []string{"THUMBD_RENDER=" + program},
	})
	picture(t, get(t, r, target("a.jpg", "20x20_crop", "jpg")), "jpeg", 20, 20)
	if err := os.Remove(program); err != nil {
		t.Fatal(err)
	}
	// The one at work, the one in reserve, and whichever was just starting.
	for r.Log.Count("worker did not start") == 0 {
		for _, pid := range workers(t, r) {
			kill(t, pid)
		}
	}
	for health(t, r).Status != 503 {
	}
	waiting := ask(t.Context(), r, target("b.jpg", "20x20_crop", "jpg"))
	installWorker(t, program, sound)
	got := <-waiting
	if got.Err != nil {
		t.Fatal(got.Err)
	}
	picture(t, got.Response, "jpeg", 20, 20)
	if got := health(t, r); got.Status != 200 {
		t.Errorf("health: %d %q", got.Status, got.Body)
	}
}

// workers returns the process IDs of the running thumbd's workers.
func workers(t *testing.T, r *rig.Rig) []int {
	t.Helper()
	return children(t, r.DaemonPID())
}

// children returns the processes that pid has started and not waited for.
func children(t *testing.T, pid int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, stat := range stats {
		// A process that has ended meanwhile has no text. The name, in
		// parentheses, may have spaces: proc(5).
		text, _ := os.ReadFile(stat)
		fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		if len(fields) < 2 || string(fields[1]) != strconv.Itoa(pid) {
			continue
		}
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, child)
	}
	return pids
}

// kill kills a process that may be gone.
func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatal(err)
	}
}
