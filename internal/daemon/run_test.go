// SPDX-License-Identifier: MIT

package daemon

import (
	"errors"
	"net"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"thumbd/internal/admin"
	"thumbd/internal/systemd"
	"thumbd/internal/test/aid"
	"thumbd/internal/test/standin"
)

// A reload puts a new configuration into use. If that has mistakes or can't be put to
// work, the old one goes on, and the manager, the log, administrators and the doctor
// are told.
func TestReloads(t *testing.T) {
	r := start(t, gallery)
	r.want("/thumbs/small/a.jpg", "200")
	if got, want := r.reload(strings.ReplaceAll(gallery, "thumbs", "pictures")), "READY=1\nSTATUS=serves 1 sites"; got != want {
		t.Errorf("told %q, want %q", got, want)
	}
	r.want("/pictures/small/a.jpg", "200")
	r.want("/thumbs/small/a.jpg", "404 no-site")

	const status = "READY=1\nSTATUS=goes on with the configuration of before the last reload; see the log"
	for name, tt := range map[string]struct {
		text     string
		worker   string
		err      string
		noWorker bool
	}{
		"a mistake":       {gallery + "typo = 1\n", standin.Name, "thumbd.toml:8: site.gallery.typo: unknown key", false},
		"a worker away":   {gallery, "nobody", "worker/nobody", true},
		"a section wrong": {gallery + "[site.gallery.access]\nproofs = [\"token\"]\ntoken_keys = [\"jwt.key\"]\nrevoked = \"none.txt\"\n", standin.Name, "thumbd.toml:11: site.gallery.access.revoked:", false},
	} {
		r.Write("keys/jwt.key", "thumbd-test-key-0123456789abcdef")
		t.Setenv("THUMBD_RENDER", r.Path("worker/"+tt.worker))
		if got := r.reload(tt.text); got != status {
			t.Errorf("%s: told %q, want %q", name, got, status)
		}
		r.want("/pictures/small/a.jpg", "200")
		if !r.hasLine("level=ERROR", `msg="not loaded"`, tt.err) {
			t.Errorf("%s: no line in the log", name)
		}
		report, err := r.admin.Report(t.Context())
		aid.Must(t, err)
		if !strings.Contains(report.Refused, tt.err) || report.NoWorker != tt.noWorker || report.Unwell != "" {
			t.Errorf("%s: the report has %+v", name, report)
		}
	}
	t.Setenv("THUMBD_RENDER", r.Path("worker/"+standin.Name))
	r.reload(gallery)
	r.want("/thumbs/small/a.jpg", "200")
	report, err := r.admin.Report(t.Context())
	aid.Must(t, err)
	if report.Refused != "" || report.Version != "1.2.3" || report.Vips != standin.Able().Vips || report.Checksum == "" {
		t.Errorf("after the reload of a good file the report has %+v", report)
	}
	r.stop()
	r.told("STOPPING=1")
	aid.Must(t, <-r.ended)
	if _, err := os.Stat(r.Path("front")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket of a daemon that has ended: %v", err)
	}
}

// A daemon that systemd started answers 503 until its configuration is mended. One that
// was started by hand ends with the error.
func TestFirstLoadFails(t *testing.T) {
	for name, tt := range map[string]struct {
		text, hello     string
		status, refused string
		err             string
	}{
		"mistakes":  {gallery + "typo = 1\n", "", "answers 503 until the configuration is mended and reloaded", "503 configuration", "typo: unknown key"},
		"no worker": {gallery, "nonsense", "answers 503 as no worker starts, and tries again every 10s", "503 no-worker", "start worker"},
	} {
		t.Run(name+", by systemd", func(t *testing.T) {
			r := newRig(t, tt.text)
			if tt.hello != "" {
				r.Write("worker/hello", tt.hello)
			}
			r.activated = true
			r.run()
			r.told("READY=1\nSTATUS=" + tt.status + "; see the log")
			r.want("/thumbs/small/a.jpg", tt.refused)
			r.want("/_thumbd/health", "503 unwell")
			report, err := r.admin.Report(t.Context())
			aid.Must(t, err)
			if !strings.Contains(report.Refused, tt.err) || report.Unwell == "" || report.Checksum != "" {
				t.Errorf("the report has %+v", report)
			}
			r.hello(standin.Able())
			if got, want := r.reload(gallery), "READY=1\nSTATUS=serves 1 sites"; got != want {
				t.Errorf("told %q, want %q", got, want)
			}
			r.want("/thumbs/small/a.jpg", "200")
			r.want("/_thumbd/health", "200")
		})
		t.Run(name+", by hand", func(t *testing.T) {
			r := newRig(t, tt.text)
			if tt.hello != "" {
				r.Write("worker/hello", tt.hello)
			}
			r.run()
			if err := <-r.ended; err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want %s", err, tt.err)
			}
			if _, err := net.Dial("unix", r.Path("front")); err == nil {
				t.Error("its socket is open")
			}
			if r.log.Count("not loaded") > 0 {
				t.Error("it has logged the error that its caller prints")
			}
		})
	}
}

// The configuration's log_level holds from its load on.
func TestLogLevel(t *testing.T) {
	r := start(t, strings.Replace(gallery, "[daemon]\n", "[daemon]\nlog_level = \"warn\"\n", 1))
	r.want("/thumbs/small/a.jpg", "200")
	if n := r.log.Count("msg=rendered"); n > 0 {
		t.Errorf("%d lines of level info", n)
	}
	r.reload(gallery)
	r.want("/thumbs/thumb/a.jpg", "200")
	if n := r.log.Count("msg=rendered"); n != 1 {
		t.Errorf("%d lines of level info, want 1", n)
	}
}

// A daemon that is told to stop while it starts leaves the clients that wait to the next
// one, and nothing is wrong.
func TestStopDuringTheFirstLoad(t *testing.T) {
	r := newRig(t, gallery)
	r.activated = true
	r.newGate("hello")
	r.run()
	held := r.atGate("hello")
	defer held.Close()
	r.stop()
	aid.Must(t, <-r.ended)
	if text := r.log.String(); strings.Contains(text, "ERROR") || strings.Contains(text, "loaded") {
		t.Errorf("log %s", text)
	}
	r.silent()
}

// After workers have crashed over an original, a purge has it tried again, although it has
// not changed.
func TestPurgeForgetsACrash(t *testing.T) {
	r := start(t, gallery)
	// A worker can't read a folder, and ends.
	aid.Must(t, os.Mkdir(r.Path("worker/gate"), 0o755))
	r.want("/thumbs/small/a.jpg", "500 crashed")
	aid.Must(t, os.Remove(r.Path("worker/gate")))
	r.want("/thumbs/small/a.jpg", "422 quarantined")
	for _, name := range []string{"another.jpg", "a.jpg"} {
		_, err := r.admin.Purge(t.Context(), admin.Purge{Site: "gallery", Originals: []string{name}})
		aid.Must(t, err)
		r.want("/thumbs/small/a.jpg", map[string]string{"another.jpg": "422 quarantined", "a.jpg": "200"}[name])
	}
}

// A stop finishes the running render, answers its client, and refuses the requests after
// it.
func TestStopFinishesARender(t *testing.T) {
	r := start(t, gallery)
	r.newGate("gate")
	running := r.ask("/thumbs/small/a.jpg")
	held := r.atGate("gate")
	r.stop()
	r.told("STOPPING=1")
	held.Close()
	if got := <-running; got != "200" {
		t.Errorf("the running request got %q", got)
	}
	aid.Must(t, <-r.ended)
	if _, err := os.Stat(r.Path("root/thumbs/small/a.jpg")); err != nil {
		t.Error(err)
	}
}

// A reload lets the requests of before finish with the configuration of before, also one
// that waits for a worker. The workers of before end then.
func TestReloadDuringARender(t *testing.T) {
	r := start(t, gallery)
	before := r.service.Load()
	r.newGate("gate")
	running := r.ask("/thumbs/small/a.jpg")
	held := r.atGate("gate")
	waiting := r.ask("/thumbs/thumb/a.jpg")
	aid.Await(t, func() bool { return before.pool.State().Queued == 1 })
	r.reload(strings.ReplaceAll(gallery, "thumbs", "pictures"))
	select {
	case <-before.done:
		t.Error("the workers of before are gone, and one renders")
	default:
	}
	aid.Must(t, os.Remove(r.Path("worker/gate")))
	held.Close()
	for _, answer := range []<-chan string{running, waiting} {
		if got := <-answer; got != "200" {
			t.Errorf("a request of before got %q", got)
		}
	}
	<-before.done
	r.want("/pictures/small/a.jpg", "200")
}

// A server that fails ends the daemon with its error.
func TestFailingSocket(t *testing.T) {
	r := start(t, gallery)
	r.sockets.Front.Close()
	r.told("STOPPING=1")
	if err := <-r.ended; err == nil || !strings.HasPrefix(err.Error(), "serve: ") {
		t.Errorf("error %v, want that of the socket", err)
	}
}

// Without a socket of systemd RunActivated says how to start thumbd.
func TestNoSocket(t *testing.T) {
	if err := newDaemon("").RunActivated(t.Context(), nil); !errors.Is(err, systemd.ErrNoSocket) {
		t.Errorf("error %v, want %v", err, systemd.ErrNoSocket)
	}
}

// The watchdog hears of a daemon that has nothing to do.
func TestWatchdog(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "30000")
	r := start(t, gallery)
	b := make([]byte, 100)
	for range 3 {
		if n, err := r.manager.Read(b); err != nil || string(b[:n]) != "WATCHDOG=1" {
			t.Fatalf("told %q, %v", b[:n], err)
		}
	}
}

// A daemon whose workers don't start any more is not well until they do.
func TestWorkersDoNotStart(t *testing.T) {
	r := start(t, gallery)
	var workers []int
	aid.Await(t, func() bool {
		var err error
		workers, err = aid.Children(os.Getpid())
		aid.Must(t, err)
		return len(workers) == 2 // one with a place, and one more
	})
	r.Write("worker/hello", "nonsense")
	for _, pid := range workers {
		aid.Must(t, unix.Kill(pid, unix.SIGKILL))
	}
	aid.Await(t, func() bool { return r.get("/_thumbd/health") == "503 unwell" })
	r.logged("level=ERROR", "worker did not start", "start worker")
	r.hello(standin.Able())
	aid.Await(t, func() bool { return r.get("/_thumbd/health") == "200" })
	r.want("/thumbs/small/a.jpg", "200")
}

// The log, the doctor and the metrics tell what a worker lacks. A format that it can't
// write is left out, and one that nginx negotiates is a mistake.
func TestLackingWorker(t *testing.T) {
	r := newRig(t, gallery)
	lacks := standin.Able()
	lacks.Missing = []string{"landlock"}
	lacks.Write = lacks.Write[:3]
	r.hello(lacks)
	r.run()
	r.told("READY=1\nSTATUS=serves 1 sites")
	if !r.hasLine("level=WARN", "sandbox is not complete", "missing=landlock") {
		t.Error("no line of the sandbox")
	}
	if !r.hasLine("level=WARN", "site.gallery.formats: avif", "until then it is left out") {
		t.Error("no line of the format")
	}
	report, err := r.admin.Report(t.Context())
	aid.Must(t, err)
	if len(report.Missing) != 1 || len(report.Formats) != 2 {
		t.Errorf("the report has %+v", report)
	}
	r.reload(gallery + "negotiate = [\"avif\", \"webp\"]\n")
	if !r.hasLine("not loaded", "thumbd.toml:8: site.gallery.negotiate: avif") {
		t.Error("no line of the mistake")
	}
	if report, err = r.admin.Report(t.Context()); err != nil || report.NoWorker {
		t.Errorf("after a mistake the report has %+v, %v", report, err)
	}
	if state := r.state(); state.Vips != standin.Able().Vips || state.Workers != 1 {
		t.Errorf("state %+v", state)
	}
}
