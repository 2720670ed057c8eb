// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"thumbd/internal/config"
	"thumbd/internal/serve"
	"thumbd/internal/systemd"
)

const (
	// idleExit is idle_exit while there is no configuration to say it.
	idleExit = 10 * time.Minute
	// retryTime is between two attempts to start workers.
	retryTime = 10 * time.Second
)

func serveCommand() *cobra.Command {
	var file, listen string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Answer nginx on a socket from systemd, or one of its own",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := &daemon{file: file, activated: listen == ""}
			d.log = newLogger(cmd.ErrOrStderr(), &d.level)
			return d.run(cmd.Context(), listen)
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&listen, "listen", "", "socket to make, `PATH[,mode=0660][,group=NAME]`; without it systemd's")
	return cmd
}

// newLogger writes to w, without times where the journal adds its own.
func newLogger(w io.Writer, level slog.Leveler) *slog.Logger {
	journal := os.Getenv("JOURNAL_STREAM") != ""
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if journal && len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}

// daemon is thumbd serve.
type daemon struct {
	file      string
	activated bool // by a socket from the service manager
	log       *slog.Logger
	level     slog.LevelVar
	handler   *serve.Handler
	service   atomic.Pointer[service] // nil while the configuration has mistakes
	retiring  sync.WaitGroup          // services of before a reload
}

// run serves until ctx is done or nobody has asked for long, and then until
// what runs has finished.
func (d *daemon) run(ctx context.Context, listen string) error {
	// Files are published with modes of their own; this is for all others.
	syscall.Umask(0o022)
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	l, err := d.listener(listen)
	if err != nil {
		return err
	}
	d.handler = serve.New(serve.Options{Log: d.log, Health: d.health})
	err = d.load(ctx)
	if err != nil && !d.activated {
		l.Close()
		return err
	}
	server := serve.NewServer(d.handler, l, d.log)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve() }()
	if cause := d.wait(ctx, reload, failed, err); cause != nil {
		err = fmt.Errorf("serve: %w", cause)
	} else {
		err = nil
	}
	d.notify("STOPPING=1")
	d.stop(server)
	return err
}

// wait loads the configuration again when it is told to, or when err is
// trouble that may have passed, until it is time to stop. It returns what
// failed, if anything.
func (d *daemon) wait(ctx context.Context, reload <-chan os.Signal, failed <-chan error, err error) error {
	loaded := make(chan error, 1)
	loading, again := false, false
	load := func() {
		loading, again = true, false
		go func() { loaded <- d.load(ctx) }()
	}
	// What is being loaded ends before the stop begins.
	defer func() {
		if loading {
			_ = <-loaded // It has been told.
		}
	}()
	beat := time.After(d.beat())
	retry := time.After(d.retry(err))
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-reload:
			d.notify(systemd.Reloading())
			d.log.Info("reloading", "file", d.file)
			if again = loading; !again {
				load()
			}
		case err := <-loaded:
			loading = false
			if again {
				load()
			}
			retry = time.After(d.retry(err))
		case <-retry:
			if !loading {
				load()
			}
		case <-beat:
			if d.idle() {
				d.log.Debug("idle")
				return nil
			}
			d.feed()
			beat = time.After(d.beat())
		}
	}
}

// retry returns how long to wait before the configuration is loaded again of
// itself: for ever, unless it was not its mistakes that failed.
func (d *daemon) retry(err error) time.Duration {
	if err == nil || errors.Is(err, errUsage) || d.service.Load() != nil {
		return math.MaxInt64
	}
	return retryTime
}

// beat returns how often to look whether thumbd is alive and needed.
func (d *daemon) beat() time.Duration {
	beat := time.Second
	for _, limit := range []time.Duration{systemd.Watchdog(), d.idleExit()} {
		if limit > 0 {
			beat = min(beat, limit/3)
		}
	}
	return max(beat, 10*time.Millisecond)
}

// feed tells the watchdog that jobs are handed out, if they are.
func (d *daemon) feed() {
	if s := d.service.Load(); s != nil {
		if err := s.pool.Alive(); err != nil {
			d.log.Error("the watchdog is not fed", "err", err)
			return
		}
	}
	d.notify("WATCHDOG=1")
}

// idle reports whether nobody has asked for anything for idle_exit, and
// somebody holds the socket for those who do so again.
func (d *daemon) idle() bool {
	limit := d.idleExit()
	return d.activated && limit > 0 && d.handler.Idle() >= limit
}

func (d *daemon) idleExit() time.Duration {
	if s := d.service.Load(); s != nil {
		return s.config.IdleExit
	}
	return idleExit
}

func (d *daemon) listener(listen string) (net.Listener, error) {
	if d.activated {
		return systemd.Listener()
	}
	l, err := systemd.Listen(listen)
	if err != nil {
		return nil, usage{fmt.Errorf("thumbd: %w", err)}
	}
	return l, nil
}

// load puts the configuration file to work, in place of what there is, which
// stays where it has mistakes. It tells the service manager and the log.
func (d *daemon) load(ctx context.Context) error {
	s, err := d.read(ctx)
	if err != nil && ctx.Err() != nil {
		// Told to stop meanwhile: nothing is wrong.
		return err
	}
	if err != nil {
		if d.activated || d.service.Load() != nil {
			d.log.Error("not loaded", "file", d.file, "err", err)
		}
		status := "answers 503 until the configuration is mended and reloaded"
		if d.service.Load() != nil {
			status = "goes on with the configuration of before the last reload"
		}
		d.notify("READY=1\nSTATUS=" + status + "; see the log")
		return err
	}
	d.log.Info("loaded", "version", versionText(), "file", d.file, "libvips", s.hello.Vips)
	for _, m := range s.hello.Missing {
		d.log.Warn("the workers' sandbox is not complete", "missing", m)
	}
	for _, err := range s.probe(true) {
		d.log.Error("probe", "err", err)
	}
	d.level.Set(s.config.LogLevel)
	old := d.service.Swap(s)
	wait := d.handler.SetSites(serve.NewSites(s.pool, s.config.QueueTime+2*s.config.RenderTime, s.sites))
	if old != nil {
		d.retiring.Go(func() {
			wait()
			old.close()
		})
	}
	d.notify(fmt.Sprintf("READY=1\nSTATUS=serves %d sites", len(s.sites)))
	return nil
}

func (d *daemon) read(ctx context.Context) (*service, error) {
	warn := func(m config.Mistake) { d.log.Warn("configuration", "warning", m.Error()) }
	c, warnings, err := config.Load(d.file, os.Getenv("CREDENTIALS_DIRECTORY"))
	for _, w := range warnings {
		warn(w)
	}
	if err != nil {
		return nil, usage{err}
	}
	return newService(ctx, c, logEvent(d.log), warn)
}

// stop takes no more connections, answers what it has, for as long as one
// render may take, then refuses what still waits for a worker. What runs
// finishes and is published.
func (d *daemon) stop(server *serve.Server) {
	s := d.service.Load()
	limit := time.Second
	if s != nil {
		limit = s.config.RenderTime
	}
	shutdown(server, limit)
	if s != nil {
		s.stop()
	}
	if !shutdown(server, 2*limit) {
		// An error is a client's that did not take its answer.
		_ = server.Close()
	}
	d.handler.SetSites(nil)()
	if s != nil {
		s.close()
	}
	d.retiring.Wait()
}

// shutdown reports whether server has answered all requests within limit.
func shutdown(server *serve.Server, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return server.Shutdown(ctx) == nil
}

// health is what /_thumbd/health says.
func (d *daemon) health() error {
	s := d.service.Load()
	switch {
	case s == nil:
		return errors.New("the configuration has mistakes: see the log")
	case s.pool.State().Workers == 0:
		return errors.New("no worker runs: see the log")
	}
	return nil
}

func (d *daemon) notify(state string) {
	if err := systemd.Notify(state); err != nil {
		d.log.Warn("notify", "err", err)
	}
}
