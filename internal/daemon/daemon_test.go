// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thumbd/internal/config"
	"thumbd/internal/keep"
	"thumbd/internal/publish"
	"thumbd/internal/render"
	"thumbd/internal/render/wire"
	"thumbd/internal/route"
	"thumbd/internal/serve"
	"thumbd/internal/systemd"
	"thumbd/internal/test/aid"
	"thumbd/internal/test/standin"
	"thumbd/internal/thumb"
	"thumbd/internal/tidy"
)

// recorder is a daemon without sockets, with what it has said.
type recorder struct {
	*Daemon
	log  *aid.Log
	told []string // the service manager
}

func newDaemon(file string) *recorder {
	r := &recorder{log: new(aid.Log)}
	r.Daemon = New(Options{File: file, Version: "1.2.3", Log: slog.New(slog.NewTextHandler(r.log, nil))})
	r.tell = func(state string) error {
		r.told = append(r.told, state)
		return nil
	}
	return r
}

// causes are errors of a load, with what is said of them where nothing was loaded
// before.
var causes = []struct {
	err            error
	status, health string
	retry          time.Duration
}{
	{mistakes{errors.New("thumbd.toml:1: typo: unknown key")}, "answers 503 until the configuration is mended and reloaded", "the configuration has mistakes", math.MaxInt64},
	{fmt.Errorf("%w by a thumbd warm", publish.ErrHeld), "answers 503 as a tree is held, and tries again every 10s", "a thumbd warm holds a tree", retryTime},
	{fmt.Errorf("%w (process 7 on n2)", publish.ErrOwned), "answers 503 as a tree is held, and tries again every 10s", "another thumbd publishes into a tree", retryTime},
	{errors.New("thumbd-render is not there"), "answers 503 as no worker starts, and tries again every 10s", "no worker starts", retryTime},
}

func TestCausesAreTold(t *testing.T) {
	for _, tt := range causes {
		d := newDaemon("thumbd.toml")
		d.activated = true
		d.refuse(tt.err)
		if want := "READY=1\nSTATUS=" + tt.status + "; see the log"; len(d.told) != 1 || d.told[0] != want {
			t.Errorf("%v: told %q, want %q", tt.err, d.told, want)
		}
		if !strings.Contains(d.log.String(), `msg="not loaded" file=thumbd.toml err="`+tt.err.Error()) {
			t.Errorf("%v: log %s", tt.err, d.log)
		}
		if err := d.health(); err == nil || !strings.HasPrefix(err.Error(), tt.health) {
			t.Errorf("%v: health %v, want %s", tt.err, err, tt.health)
		}
		if got := d.retry(tt.err); got != tt.retry {
			t.Errorf("%v: retry after %v, want %v", tt.err, got, tt.retry)
		}
		d.close()
	}
	if got := newDaemon("").retry(nil); got != math.MaxInt64 {
		t.Errorf("a load that did not fail: retry after %v", got)
	}
}

// The caller tells the error of a daemon that was started by hand.
func TestErrorsOfADaemonOfItsOwn(t *testing.T) {
	d := newDaemon("thumbd.toml")
	d.refuse(causes[0].err)
	if len(d.told) > 0 || d.log.String() != "" {
		t.Errorf("told %q, log %s", d.told, d.log)
	}
}

// A reload that fails leaves the present configuration at work.
func TestRefusedReload(t *testing.T) {
	d := newDaemon("thumbd.toml")
	d.activated = true
	d.service.Store(&Service{config: new(config.Config)})
	d.refuse(causes[2].err)
	if want := "READY=1\nSTATUS=goes on with the configuration of before the last reload; see the log"; len(d.told) != 1 || d.told[0] != want {
		t.Errorf("told %q, want %q", d.told, want)
	}
	if got := d.retry(causes[2].err); got != math.MaxInt64 {
		t.Errorf("retry after %v, though thumbnails are served", got)
	}
}

func TestLoadTellsEveryMistake(t *testing.T) {
	file := filepath.Join(t.TempDir(), "thumbd.toml")
	for text, want := range map[string]string{
		"typo = 1\n[daemon]\nworkers = -1\n": "thumbd.toml:1: typo: unknown key",
		"":                                   "thumbd.toml: no [site.NAME] section",
	} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		err := newDaemon(file).load(t.Context())
		if !errors.Is(err, ErrConfiguration) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if err := newDaemon(file + ".none").load(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
}

func TestBeat(t *testing.T) {
	for name, tt := range map[string]struct{ watchdog, idle, want time.Duration }{
		"neither":         {0, 0, time.Minute},
		"watchdog":        {30 * time.Second, 0, 10 * time.Second},
		"idle":            {0, 6 * time.Second, 2 * time.Second},
		"the sooner":      {3 * time.Second, 6 * time.Second, time.Second},
		"much too soon":   {time.Millisecond, 0, 10 * time.Millisecond},
		"later than that": {time.Hour, time.Hour, time.Minute},
	} {
		d := newDaemon("")
		d.watchdog = tt.watchdog
		d.service.Store(&Service{config: &config.Config{IdleExit: tt.idle}})
		if got := d.beat(); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
	if got := newDaemon("").beat(); got != time.Minute {
		t.Errorf("without a configuration: %v", got)
	}
}

// Only a daemon of a socket that systemd holds ends by itself.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDaemon("")
		d.activated = true
		if d.idle() {
			t.Error("idle at once")
		}
		time.Sleep(idleExit)
		if !d.idle() {
			t.Error("not idle after idle_exit")
		}
		d.activated = false
		if d.idle() {
			t.Error("idle, though nobody holds its socket")
		}
		d.activated, d.sockets.Metrics = true, newPipes()
		if d.idle() {
			t.Error("idle, though Prometheus would start it again at once")
		}
	})
}

// A daemon is not idle while a request is under way, nor if it must see changes of
// originals or the purges of other nodes, nor with idle_exit = "0".
func TestNoIdleExit(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*recorder, *config.Config)
		idle   bool
	}{
		"nothing to do": {func(*recorder, *config.Config) {}, true},
		"a request":     {func(d *recorder, _ *config.Config) { d.keeper.Busy() }, false},
		"a request of before": {func(d *recorder, _ *config.Config) {
			done := d.keeper.Busy()
			time.Sleep(time.Second)
			done()
		}, false},
		"watch":     {func(_ *recorder, c *config.Config) { c.Sites = []config.Site{{}, {Watch: true}} }, false},
		"nodes":     {func(d *recorder, _ *config.Config) { d.member.Store(new(member)) }, false},
		"idle_exit": {func(_ *recorder, c *config.Config) { c.IdleExit = 0 }, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			d, c := newDaemon(""), &config.Config{IdleExit: time.Minute}
			d.activated = true
			d.service.Store(&Service{config: c, tidier: tidy.NewKeeper(nil, nil)})
			begun := time.Now()
			tt.change(d, c)
			time.Sleep(time.Until(begun.Add(time.Minute)))
			if got := d.idle(); got != tt.idle {
				t.Errorf("%s: idle %v, want %v", name, got, tt.idle)
			}
		})
	}
}

// The log tells once that a worker is stuck, until none is.
func TestStuckWorkerIsTold(t *testing.T) {
	d, stuck := newDaemon(""), errors.New("the job of worker 7 runs since 2m0s, past its deadline")
	for i, tt := range []struct {
		err   error
		lines int
	}{{nil, 0}, {stuck, 1}, {stuck, 1}, {nil, 1}, {stuck, 2}} {
		d.tellStuck(tt.err)
		if got := d.log.Count("level=ERROR msg=stuck err=\"the job of worker 7"); got != tt.lines {
			t.Errorf("look %d: %d lines, want %d", i, got, tt.lines)
		}
	}
}

// A message that the service manager does not take is told, and the daemon goes on.
func TestManagerIsGone(t *testing.T) {
	r := newRig(t, gallery)
	aid.Must(t, os.Remove(r.Path("manager")))
	r.run()
	r.logged("level=WARN", "msg=notify")
	r.want("/thumbs/small/a.jpg", "200")
}

// A daemon that was started by hand makes the socket for Prometheus. It says if a change of
// its address has no effect.
func TestSocketForPrometheus(t *testing.T) {
	at := func(name string) string {
		return strings.Replace(gallery, "[daemon]\n", "[daemon]\nmetrics = \"DIR/"+name+"\"\n", 1)
	}
	scrape := func(r *rig, name string) (string, error) {
		conn, err := net.Dial("unix", r.Path(name))
		if err != nil {
			return "", err
		}
		defer conn.Close()
		_, err = io.WriteString(conn, "GET /metrics HTTP/1.0\r\n\r\n")
		aid.Must(t, err)
		b, err := io.ReadAll(conn)
		return string(b), err
	}
	t.Run("by hand", func(t *testing.T) {
		r := start(t, at("scraped"))
		if text, err := scrape(r, "scraped"); err != nil || !strings.Contains(text, "\nthumbd_build_info{") {
			t.Errorf("scraped %.200s, %v", text, err)
		}
		r.reload(at("scraped"))
		if r.log.Count("metrics=") > 0 {
			t.Error("a line, though nothing has changed")
		}
		r.reload(at("another"))
		if !r.hasLine("level=WARN", "takes effect when thumbd is started again", "metrics="+r.Path("another"), "listens="+r.Path("scraped")) {
			t.Error("no line in the log")
		}
		if _, err := scrape(r, "another"); err == nil {
			t.Error("it listens at another address")
		}
		r.stop()
		aid.Must(t, <-r.ended)
		if _, err := scrape(r, "scraped"); err == nil {
			t.Error("it listens after its end")
		}
	})
	t.Run("by systemd", func(t *testing.T) {
		r := newRig(t, at("scraped"))
		r.activated = true
		r.run()
		r.told("READY=1\nSTATUS=serves 1 sites")
		if !r.hasLine("level=WARN", "metrics is without effect", systemd.MetricsUnit) {
			t.Error("no line in the log")
		}
		if _, err := scrape(r, "scraped"); err == nil {
			t.Error("it listens")
		}
	})
	t.Run("in use", func(t *testing.T) {
		r := newRig(t, at("scraped"))
		l, err := net.Listen("unix", r.Path("scraped"))
		aid.Must(t, err)
		defer l.Close()
		r.run()
		if err := <-r.ended; err == nil || !strings.Contains(err.Error(), "metrics "+r.Path("scraped")) {
			t.Errorf("error %v, want one that names the address", err)
		}
		if got, err := aid.Children(os.Getpid()); err != nil || len(got) > 0 {
			t.Errorf("the workers %v go on, %v", got, err)
		}
	})
}

// The log has errors of workers as errors, and tells the replacement of a worker. That a
// worker starts is for those who look for trouble.
func TestEventsOfWorkers(t *testing.T) {
	log := new(aid.Log)
	told := logEvent(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	for _, tt := range []struct {
		event render.Event
		want  string
	}{
		{render.Event{Text: "worker started", PID: 7}, `level=DEBUG msg="worker started" pid=7`},
		{render.Event{Text: "worker replaced", PID: 7, Detail: "died while idle"}, `level=INFO msg="worker replaced" pid=7 detail="died while idle"`},
		{render.Event{Text: "worker did not start", Err: errors.New("exec format error")}, `level=ERROR msg="worker did not start" pid=0 err="exec format error"`},
	} {
		if told(tt.event); log.Count(tt.want+"\n") != 1 {
			t.Errorf("log %s, want %s", log, tt.want)
		}
	}
}

// If the worker's program is missing, the error says where it belongs.
func TestNoWorkerProgram(t *testing.T) {
	t.Setenv("THUMBD_RENDER", "")
	const installed = "/usr/libexec/thumbd/thumbd-render"
	path, err := WorkerProgram()
	if _, missing := os.Stat(installed); missing == nil {
		if err != nil || path != installed {
			t.Errorf("program %s, %v; want %s", path, err, installed)
		}
		return
	}
	if err == nil || !strings.Contains(err.Error(), installed) || !strings.Contains(err.Error(), "set THUMBD_RENDER") {
		t.Errorf("error %v", err)
	}
}

// If the configuration's limits, formats or libraries change, an original that was refused
// is tried again. Other keys don't matter.
func TestLimitsOfRefusals(t *testing.T) {
	text := func(change func(*config.Config, *config.Site, *wire.Hello, *string)) string {
		c, s, hello, version := config.Config{OriginalBytes: 1, OriginalPixels: 1}, config.Site{}, *standin.Able(), "1.2.3"
		change(&c, &s, &hello, &version)
		return limitsText(&c, &s, hello, version)
	}
	none := text(func(*config.Config, *config.Site, *wire.Hello, *string) {})
	for name, tt := range map[string]struct {
		change func(*config.Config, *config.Site, *wire.Hello, *string)
		equal  bool
	}{
		"version":         {func(_ *config.Config, _ *config.Site, _ *wire.Hello, v *string) { *v = "1.2.4" }, false},
		"libvips":         {func(_ *config.Config, _ *config.Site, h *wire.Hello, _ *string) { h.Vips = "8.99.1" }, false},
		"decoders":        {func(_ *config.Config, _ *config.Site, h *wire.Hello, _ *string) { h.Read = nil }, false},
		"original_bytes":  {func(c *config.Config, _ *config.Site, _ *wire.Hello, _ *string) { c.OriginalBytes = 2 }, false},
		"original_pixels": {func(c *config.Config, _ *config.Site, _ *wire.Hello, _ *string) { c.OriginalPixels = 2 }, false},
		"original_formats": {func(_ *config.Config, s *config.Site, _ *wire.Hello, _ *string) {
			s.OriginalFormats = standin.Able().Read
		}, false},
		"workers": {func(c *config.Config, _ *config.Site, _ *wire.Hello, _ *string) { c.Workers = 9 }, true},
	} {
		if got := text(tt.change); (got == none) != tt.equal {
			t.Errorf("%s: %q and %q, want equal: %v", name, none, got, tt.equal)
		}
	}
}

// A tree is this daemon's as long as one of its services has it: after a site was removed
// another daemon may take it.
func TestOwnedTree(t *testing.T) {
	dir := t.TempDir()
	open := func() *Service {
		tree := publish.New(dir, "/t/", nil)
		t.Cleanup(tree.Close)
		return &Service{sites: []*keep.Site{{Thumb: &thumb.Site{DocumentRoot: dir, Route: route.Route{Prefix: "/t/"}}, Tree: tree}}}
	}
	d := newDaemon("")
	before, after, other := open(), open(), open().sites[0].Tree
	for _, s := range []*Service{before, after} {
		if err := d.hold(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	d.disown(before)
	if _, err := other.Own(); !errors.Is(err, publish.ErrOwned) {
		t.Errorf("after a reload: %v, want %v", err, publish.ErrOwned)
	}
	d.disown(after)
	lock, err := other.Own()
	if err != nil {
		t.Fatalf("after the site was removed: %v", err)
	}
	lock.Close()
}

// A tree that another process holds is waited for, as that is told to end.
func TestHeldTree(t *testing.T) {
	dir := t.TempDir()
	tree := func() *publish.Tree {
		tree := publish.New(dir, "/t/", nil)
		t.Cleanup(tree.Close)
		return tree
	}
	for name, tt := range map[string]struct {
		ends, want time.Duration // the other one; the wait
		err        error
	}{
		"for ever":  {time.Hour, holdTime, publish.ErrHeld},
		"for a bit": {time.Second, time.Second, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			d, other, own := newDaemon(""), tree(), tree()
			if err := other.Hold(true); err != nil {
				t.Fatal(err)
			}
			end := time.AfterFunc(tt.ends, other.Close)
			begun := time.Now()
			hold := func() error { return own.Hold(d.alone) }
			err := d.holdTree(t.Context(), hold)
			if waited := time.Since(begun); !errors.Is(err, tt.err) || waited < tt.want || waited > tt.want+lookPause {
				t.Errorf("%s: %v after %v, want %v after %v", name, err, waited, tt.err, tt.want)
			}
			if d.alone, begun = true, time.Now(); tt.err != nil {
				if err := d.holdTree(t.Context(), hold); !errors.Is(err, tt.err) || time.Since(begun) > 0 {
					t.Errorf("%s: alone: %v after %v, want %v at once", name, err, time.Since(begun), tt.err)
				}
			}
			end.Stop()
			other.Close()
			own.Close()
		})
	}
}

// While the thumbnails of another configuration are removed, the service manager is
// told to wait.
func TestFollowTellsToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDaemon("")
		d.follow(t.Context(), func(context.Context) error {
			time.Sleep(2*followTime + time.Second)
			return errors.New("read-only file system")
		})
		if len(d.told) != 4 || d.told[0] != "EXTEND_TIMEOUT_USEC=40000000" {
			t.Errorf("told %q, want it four times", d.told)
		}
		if !strings.Contains(d.log.String(), "read-only file system") {
			t.Errorf("log %s", d.log)
		}
	})
	// One that was interrupted is no news.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d := newDaemon("")
	d.follow(ctx, func(ctx context.Context) error { return ctx.Err() })
	if d.log.String() != "" {
		t.Errorf("log %s", d.log)
	}
}

// A stop answers the requests that it has, for three times as long as a render may
// take, here a second, and then hangs up.
func TestStop(t *testing.T) {
	for name, tt := range map[string]struct {
		takes, stops time.Duration
		answered     bool
	}{
		"a short request": {500 * time.Millisecond, 500 * time.Millisecond, true},
		"a long one":      {2 * time.Second, 2 * time.Second, true},
		"one too long":    {time.Hour, 3 * time.Second, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			d, conns := newDaemon(""), newPipes()
			asked := make(chan struct{})
			server := serve.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				close(asked)
				select {
				case <-time.After(tt.takes):
					_, _ = io.WriteString(w, "a picture")
				case <-r.Context().Done():
				}
			}), conns, d.Daemon.log)
			go func() { _ = server.Serve() }()
			conn, err := conns.dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			answer := make(chan string)
			go func() {
				_, _ = io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n")
				b, _ := io.ReadAll(conn)
				answer <- string(b)
			}()
			<-asked
			begun := time.Now()
			d.stop([]*serve.Server{server})
			// A server looks for the end of its requests every half second.
			if took := time.Since(begun); took < tt.stops || took > tt.stops+500*time.Millisecond {
				t.Errorf("%s: stopped after %v, want %v", name, took, tt.stops)
			}
			if got := <-answer; strings.HasSuffix(got, "a picture") != tt.answered {
				t.Errorf("%s: answer %q", name, got)
			}
			w := httptest.NewRecorder()
			d.handler.ServeHTTP(w, httptest.NewRequest("GET", "/thumbs/a.jpg", nil))
			if reason := w.Header().Get("X-Thumbd-Reason"); w.Code != 503 || reason != "shutdown" {
				t.Errorf("%s: a later request: status %d, reason %q", name, w.Code, reason)
			}
		})
	}
}

// root makes nothing in a tree of another user.
func TestCheckOwner(t *testing.T) {
	dir := t.TempDir()
	if err := checkOwner(filepath.Join(dir, "not/there/yet")); err != nil {
		t.Error(err)
	}
	if os.Geteuid() != 0 {
		return // An ordinary user is kept out by the permissions.
	}
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if err := checkOwner(filepath.Join(dir, "not/there/yet")); err == nil || !strings.Contains(err.Error(), "runuser -u ") {
		t.Errorf("a tree of nobody's: %v", err)
	}
}
