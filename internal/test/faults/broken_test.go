// SPDX-License-Identifier: MIT

package faults

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
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
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}, Stopped: true})
	good := kit.Configuration(t, r)
	kit.Configure(t, r, broken+good)
	if err := r.StartDaemon(t.Context()); err != nil {
		t.Fatal(err)
	}
	kit.WaitNotified(t, r, 1, waits)
	kit.WaitLog(t, r, 1, "ERROR", "thumbd.toml:1: unknown: ")
	thumbnail := kit.Target("a.jpg", "20x20_crop", "jpg")
	for _, resp := range []rig.Response{kit.Get(t, r, thumbnail), kit.Get(t, r, "/thumbs/nonsense")} {
		kit.Expect(t, resp, 503, "configuration")
		if resp.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	if got := health(t, r); got.Status != 503 || !bytes.Contains(got.Body, []byte("configuration")) {
		t.Errorf("health: %d %q", got.Status, got.Body)
	}
	kit.Reload(t, r, broken+good)
	kit.Expect(t, kit.Get(t, r, thumbnail), 503, "configuration")

	kit.Reload(t, r, good)
	kit.WaitNotified(t, r, 1, mended)
	kit.Picture(t, kit.Get(t, r, thumbnail), "jpeg", 20, 20)
	if got := health(t, r); got.Status != 200 {
		t.Errorf("health: %d %q", got.Status, got.Body)
	}
}

// health asks thumbd for its health.
func health(t *testing.T, r *rig.Rig) rig.Response {
	t.Helper()
	return kit.Do(t, r, rig.Request{Target: "/_thumbd/health", Direct: true})
}

// A thumbd with a socket of its own has nobody to keep the socket for.
func TestListenWithABadConfiguration(t *testing.T) {
	t.Parallel()
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}, Stopped: true})
	// nginx is up before it is told to stop.
	kit.Get(t, r, "/")
	kit.Configure(t, r, broken+kit.Configuration(t, r))
	socket := filepath.Join(r.Dir, "own.sock")
	p, err := kit.Programs()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), p.Thumbd, "serve", "-c", kit.ConfigFile(r), "--listen", socket).CombinedOutput()
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
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}, Env: []string{"THUMBD_RENDER=" + program}})
	kit.WaitLog(t, r, 1, "ERROR", "not loaded", program)
	thumbnail := kit.Target("a.jpg", "20x20_crop", "jpg")
	kit.Expect(t, kit.Get(t, r, thumbnail), 503, "no-worker")
	if got := health(t, r); got.Status != 503 {
		t.Errorf("health: %d %q", got.Status, got.Body)
	}
	installWorker(t, program, kit.Sound)
	kit.WaitNotified(t, r, 1, mended)
	kit.Picture(t, kit.Get(t, r, thumbnail), "jpeg", 20, 20)
}

// installWorker puts a worker at path.
func installWorker(t *testing.T, path, fault string) {
	t.Helper()
	worker := strings.TrimPrefix(kit.Faulty(t, fault, "")[0], "THUMBD_RENDER=")
	if err := os.Symlink(worker, path); err != nil {
		t.Fatal(err)
	}
}

// While no worker can be started requests wait, and are answered when one can.
func TestWorkerProgramGoesAndComesBack(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "render")
	installWorker(t, program, kit.Sound)
	r := kit.Start(t, rig.Options{
		Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))},
		TOML:  "[daemon]\nworkers = 1",
		Env:   []string{"THUMBD_RENDER=" + program},
	})
	kit.Picture(t, kit.Get(t, r, kit.Target("a.jpg", "20x20_crop", "jpg")), "jpeg", 20, 20)
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
	waiting := kit.Ask(t.Context(), r, kit.Target("b.jpg", "20x20_crop", "jpg"))
	installWorker(t, program, kit.Sound)
	got := <-waiting
	if got.Err != nil {
		t.Fatal(got.Err)
	}
	kit.Picture(t, got.Response, "jpeg", 20, 20)
	if got := health(t, r); got.Status != 200 {
		t.Errorf("health: %d %q", got.Status, got.Body)
	}
}

// workers returns the process IDs of the running thumbd's workers.
func workers(t *testing.T, r *rig.Rig) []int {
	t.Helper()
	pids, err := aid.Children(r.DaemonPID())
	aid.Must(t, err)
	return pids
}

// kill kills a process that may be gone.
func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatal(err)
	}
}
