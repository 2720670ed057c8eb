// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"thumbd/internal/keep"
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

// newLogger writes to w, which is the process's stderr.
func newLogger(w io.Writer, level slog.Leveler) *slog.Logger {
	if systemd.IsJournal(os.Stderr) {
		return slog.New(systemd.NewJournalHandler(w, level))
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// daemon is thumbd serve.
type daemon struct {
	file      string
	activated bool // by a socket from the service manager
	log       *slog.Logger
	level     slog.LevelVar
	watchdog  time.Duration // how soon the service manager wants to hear; 0: never
	keeper    *keep.Keeper
	handler   *serve.Handler
	metrics   *metrics.Metrics
	sockets   systemd.Sockets
	scraped   string                  // the address of sockets.Metrics, if the configuration names it
	service   atomic.Pointer[service] // nil until a configuration has been loaded
	trouble   atomic.Pointer[error]   // why the file was not loaded the last time
	swapping  sync.RWMutex            // whoever swaps service has it
	retiring  sync.WaitGroup          // services of before a reload
	stuck     bool                    // a worker is, and it has been told
	alone     bool                    // serves one site, while no other thumbd holds its tree
	only      string                  // that site
}

// run serves until ctx is done or no request has come for long, and then until the
// present requests have their answers.
func (d *daemon) run(ctx context.Context, listen, admin string) error {
	// Files are published with modes of their own; this is for all others.
	syscall.Umask(0o022)
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	err := d.listen(listen, admin)
	if err != nil {
		return err
	}
	d.newHandler()
	err = d.load(ctx)
	switch {
	case ctx.Err() != nil:
		// No connection was accepted: the waiting ones are for the next daemon.
		d.sockets.Close()
		d.close()
		return nil
	case err != nil && !d.activated:
		d.sockets.Close()
		return err
	}
	servers := d.servers()
	failed := make(chan error, len(servers))
	for _, server := range servers {
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

// newHandler makes the handler and its keeper, which have no sites yet.
func (d *daemon) newHandler() {
	d.keeper = keep.New(keep.Options{Log: d.log, Count: d.count, Judge: serve.Judge})
	d.handler = serve.New(serve.Options{Keeper: d.keeper, Log: d.log, Health: d.health, Report: d.report, Count: d.count, Metrics: d.metrics})
}

// wait loads the configuration again when it is told to, or when err is
// trouble that may have passed, until it is time to stop. It returns the
// failure, if there is one.
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

// idle reports whether no request has come for idle_exit, systemd holds the socket for
// the next one, and nothing is watched. A scrape is
// no request, but Prometheus would start thumbd again at once: with a socket for
// it, thumbd stays.
func (d *daemon) idle() bool {
	if d.sockets.Metrics != nil {
		return false
	}
	limit := d.idleExit()
	if s := d.service.Load(); s != nil && (s.watches() || s.tidier.Busy()) {
		return false
	}
	return d.activated && limit > 0 && d.keeper.Idle() >= limit
}

func (d *daemon) idleExit() time.Duration {
	if s := d.service.Load(); s != nil {
		return s.config.IdleExit
	}
	return idleExit
}

// listen takes the sockets of the service manager, or makes those of the flags.
func (d *daemon) listen(listen, admin string) (err error) {
	if d.activated {
		d.sockets, err = systemd.Listeners()
		return err
	}
	if d.sockets.Front, err = systemd.Listen("--listen", listen); err == nil && admin != "" {
		d.sockets.Admin, err = systemd.Listen("--admin", admin)
	}
	if err != nil {
		d.sockets.Close()
		return usage{fmt.Errorf("thumbd: %w", err)}
	}
	return nil
}

// listenMetrics makes the socket for Prometheus that the configuration names,
// unless there is one. A daemon that systemd started has no network: it takes that
// of thumbd-metrics.socket.
func (d *daemon) listenMetrics(address string) error {
	switch {
	case d.alone || address == d.scraped:
		return nil
	case d.activated:
		d.log.Warn("metrics is without effect, as systemd makes the sockets: remove it, and enable "+metricsUnit, "metrics", address)
		return nil
	case d.service.Load() != nil:
		d.log.Warn("a change of metrics takes effect when thumbd is started again", "metrics", address, "listens", d.scraped)
		return nil
	}
	l, err := systemd.ListenMetrics("metrics", address)
	if err != nil {
		return err
	}
	d.sockets.Metrics, d.scraped = l, address
	return nil
}

// servers returns a server for each socket.
func (d *daemon) servers() []*serve.Server {
	all := []*serve.Server{serve.NewServer(d.handler, d.sockets.Front, d.log)}
	if d.sockets.Admin != nil {
		all = append(all, serve.NewServer(d.handler.Admin(), d.sockets.Admin, d.log))
	}
	if d.sockets.Metrics != nil {
		all = append(all, serve.NewScrapeServer(d.handler.Scrape(), d.sockets.Metrics, d.log))
	}
	return all
}

// stop takes no more connections and answers the requests that it has, for as long as
// one render may take. Then it refuses those that still wait for a worker. Running
// renders finish and are published.
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
	d.keeper.Close()
	if !shutdown(servers, 2*limit) {
		for _, server := range servers {
			// An error is a client's that did not take its answer.
			_ = server.Close()
		}
	}
	d.keeper.Refuse(render.ErrShutdown)()
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
