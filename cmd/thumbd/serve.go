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
	"net/http"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"thumbd/internal/metrics"
	"thumbd/internal/render"
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
	var file, listen, admin string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Answer nginx on a socket from systemd, or one of its own",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := &daemon{file: file, activated: listen == "", watchdog: systemd.Watchdog()}
			d.log = newLogger(cmd.ErrOrStderr(), &d.level)
			d.metrics = metrics.New(d.state)
			if admin != "" && listen == "" {
				return asUsage(errors.New("--admin needs --listen: without it both sockets are systemd's"))
			}
			return d.run(cmd.Context(), listen, admin)
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&listen, "listen", "", "socket to make, `PATH[,mode=0660][,group=NAME]`; without it systemd's")
	cmd.Flags().StringVar(&admin, "admin", "", "socket to make for thumbd purge, `PATH[,mode=0660][,group=NAME]`; with --listen")
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
	watchdog  time.Duration // how soon the service manager wants to hear; 0: never
	handler   *serve.Handler
	metrics   *metrics.Metrics
	service   atomic.Pointer[service] // nil until a configuration has been loaded
	trouble   atomic.Pointer[error]   // why the file was not loaded the last time
	swapping  sync.RWMutex            // whoever swaps service has it
	retiring  sync.WaitGroup          // services of before a reload
	stuck     bool                    // a worker is, and it has been told
	alone     bool                    // serves one site, while no other thumbd holds its tree
	only      string                  // that site
}

// run serves until ctx is done or nobody has asked for long, and then until
// what runs has finished.
func (d *daemon) run(ctx context.Context, listen, admin string) error {
	// Files are published with modes of their own; this is for all others.
	syscall.Umask(0o022)
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	listeners, err := d.listeners(listen, admin)
	if err != nil {
		return err
	}
	d.handler = d.newHandler()
	err = d.load(ctx)
	switch {
	case ctx.Err() != nil:
		// Nobody has been accepted: who waits is for the next daemon.
		closeAll(listeners)
		d.close()
		return nil
	case err != nil && !d.activated:
		closeAll(listeners)
		return err
	}
	failed := make(chan error, len(listeners))
	var servers []*serve.Server
	for i, l := range listeners {
		h := []http.Handler{d.handler, d.handler.Admin()}[i]
		server := serve.NewServer(h, l, d.log)
		servers = append(servers, server)
		go func() { failed <- server.Serve() }()
	}
	cause := d.wait(ctx, reload, failed, err)
	d.notify("STOPPING=1")
	d.stop(servers)
	if cause != nil {
		return fmt.Errorf("serve: %w", cause)
	}
	return nil
}

func (d *daemon) newHandler() *serve.Handler {
	return serve.New(serve.Options{Log: d.log, Health: d.health, Report: d.report, Count: d.count, Metrics: d.metrics})
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
			if err := <-loaded; err != nil {
				d.log.Debug("stopping", "err", err)
			}
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
	beat := time.Minute
	for _, limit := range []time.Duration{d.watchdog, d.idleExit()} {
		if limit > 0 {
			beat = min(beat, limit/3)
		}
	}
	return max(beat, 10*time.Millisecond)
}

// feed tells the watchdog that jobs can be handed out. A worker that is stuck
// keeps its place and no other: that is for health and the log.
func (d *daemon) feed() {
	if s := d.service.Load(); s != nil {
		err := s.pool.Alive()
		if err != nil && !d.stuck {
			d.log.Error("stuck", "err", err)
		}
		d.stuck = err != nil
	}
	if d.watchdog > 0 {
		d.notify("WATCHDOG=1")
	}
}

// idle reports whether nobody has asked for anything for idle_exit, somebody
// holds the socket for those who do so again, and nothing is watched.
func (d *daemon) idle() bool {
	limit := d.idleExit()
	if s := d.service.Load(); s != nil && (s.watches() || s.keeper.Busy()) {
		return false
	}
	return d.activated && limit > 0 && d.handler.Idle() >= limit
}

func (d *daemon) idleExit() time.Duration {
	if s := d.service.Load(); s != nil {
		return s.config.IdleExit
	}
	return idleExit
}

// listeners returns the socket for nginx and, where there is one, that for
// administrators.
func (d *daemon) listeners(listen, admin string) ([]net.Listener, error) {
	if d.activated {
		front, admin, err := systemd.Listeners()
		if err != nil || admin == nil {
			return []net.Listener{front}, err
		}
		return []net.Listener{front, admin}, nil
	}
	var all []net.Listener
	for _, l := range []struct{ flag, spec string }{{"--listen", listen}, {"--admin", admin}} {
		if l.spec == "" {
			continue
		}
		made, err := systemd.Listen(l.flag, l.spec)
		if err != nil {
			closeAll(all)
			return nil, usage{fmt.Errorf("thumbd: %w", err)}
		}
		all = append(all, made)
	}
	return all, nil
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}

// stop takes no more connections, answers what it has, for as long as one
// render may take, then refuses what still waits for a worker. What runs
// finishes and is published.
func (d *daemon) stop(servers []*serve.Server) {
	s := d.service.Load()
	limit := time.Second
	if s != nil {
		limit = s.config.RenderTime
	}
	shutdown(servers, limit)
	if s != nil {
		s.stop()
	}
	d.handler.Close()
	if !shutdown(servers, 2*limit) {
		for _, server := range servers {
			// An error is a client's that did not take its answer.
			_ = server.Close()
		}
	}
	d.handler.Refuse(render.ErrShutdown)()
	d.close()
}

// close ends the services, which nothing uses any more.
func (d *daemon) close() {
	if s := d.service.Load(); s != nil {
		s.close()
	}
	d.retiring.Wait()
}

// shutdown reports whether servers have answered all requests within limit.
func shutdown(servers []*serve.Server, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	done := make(chan error, len(servers))
	for _, server := range servers {
		go func() { done <- server.Shutdown(ctx) }()
	}
	answered := true
	for range servers {
		answered = <-done == nil && answered
	}
	return answered
}

func (d *daemon) notify(state string) {
	if err := systemd.Notify(state); err != nil {
		d.log.Warn("notify", "err", err)
	}
}
