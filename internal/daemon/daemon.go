// SPDX-License-Identifier: MIT

// Package daemon is the life of thumbd serve: it loads the configuration, starts
// workers, holds the trees, follows changes, tells the service manager how it is, and
// ends when it is told to or is not needed.
//
// It is larger than other packages because a reload replaces all of these parts
// together, and keeps the old ones if one part fails. Each part is a file.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"sync"
	"sync/atomic"
	"time"

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

// ErrConfiguration marks the mistakes of a configuration. The text of such an error
// has their lines, for example "thumbd.toml:12: qualty: unknown key".
var ErrConfiguration = errors.New("the configuration has mistakes")

// mistakes wraps an error of a configuration.
type mistakes struct{ error }

func (m mistakes) Is(target error) bool { return target == ErrConfiguration }
func (m mistakes) Unwrap() error        { return m.error }

// Options are the options of a Daemon.
type Options struct {
	File    string // the configuration's, for example /etc/thumbd/thumbd.toml
	Version string // as thumbd version prints it
	Log     *slog.Logger
	Level   *slog.LevelVar // of Log: the configuration sets it; nil: it stays
}

// Daemon answers nginx and administrators by the configuration in a file. New makes
// one.
type Daemon struct {
	file      string
	version   string
	activated bool // by a socket from the service manager
	log       *slog.Logger
	level     *slog.LevelVar
	tell      func(state string) error // tells the service manager
	watchdog  time.Duration            // how soon it wants to hear; 0: never
	holdTime  time.Duration            // how long to wait for a tree that another process holds
	keeper    *keep.Keeper
	handler   *serve.Handler
	metrics   *metrics.Metrics
	sockets   systemd.Sockets
	scraped   string                  // the address of sockets.Metrics, if the configuration names it
	service   atomic.Pointer[Service] // nil until a configuration has been loaded
	trouble   atomic.Pointer[error]   // why the file was not loaded the last time
	member    atomic.Pointer[member]  // nil without [nodes]
	owning    sync.Mutex              // of owned and of Service.owns
	owned     map[string]*owned       // locks of trees, by their folders
	swapping  sync.RWMutex            // whoever swaps service has it
	retiring  sync.WaitGroup          // services of before a reload
	stuck     bool                    // a worker is, and it has been told
	alone     bool                    // serves one site, while no other thumbd holds its tree
	only      string                  // that site
}

// New returns a Daemon that has loaded nothing yet.
func New(o Options) *Daemon {
	d := &Daemon{file: o.File, version: o.Version, log: o.Log, level: o.Level, tell: systemd.Notify, holdTime: holdTime, owned: make(map[string]*owned)}
	d.metrics = metrics.New(d.state)
	d.keeper = keep.New(keep.Options{Log: d.log, Count: d.count, Judge: serve.Judge})
	d.handler = serve.New(serve.Options{Keeper: d.keeper, Log: d.log, Health: d.health, Node: d.node, Report: d.report, Count: d.count, Metrics: d.metrics})
	return d
}

// RunActivated is Run with the sockets of the service manager. It also ends if no request
// has come for idle_exit.
func (d *Daemon) RunActivated(ctx context.Context, reload <-chan os.Signal) error {
	d.activated = true
	sockets, err := systemd.Listeners()
	if err != nil {
		return err
	}
	return d.Run(ctx, sockets, reload)
}

// Run serves on sockets until ctx is done, and then until the present requests have their
// answers. Then it closes the sockets. It loads the configuration at once, and again for
// each signal of reload. It is called once.
func (d *Daemon) Run(ctx context.Context, sockets systemd.Sockets, reload <-chan os.Signal) error {
	d.sockets, d.watchdog = sockets, systemd.Watchdog()
	err := d.load(ctx)
	select {
	case <-ctx.Done():
		// No connection was accepted. If some wait, they are for the next daemon.
		d.sockets.Close()
		d.close()
		return nil
	default:
	}
	if err != nil && !d.activated {
		d.sockets.Close()
		return err
	}
	servers := d.servers()
	failed := make(chan error, len(servers))
	for _, server := range servers {
		go func() { failed <- server.Serve() }()
	}
	cause := d.life().wait(ctx, reload, failed, err)
	d.notify("STOPPING=1")
	d.stop(servers)
	if cause != nil {
		return fmt.Errorf("serve: %w", cause)
	}
	return nil
}

// life is that of d.
func (d *Daemon) life() *life {
	return &life{
		load: d.load,
		reloading: func() {
			d.notify(systemd.Reloading())
			d.log.Info("reloading", "file", d.file)
		},
		retry: d.retry,
		beat:  d.beat,
		idle:  d.idle,
		feed:  d.feed,
		log:   d.log,
	}
}

// retry returns how long to wait before the configuration is loaded again of
// itself: for ever, unless it was not its mistakes that failed.
func (d *Daemon) retry(err error) time.Duration {
	if err == nil || errors.Is(err, ErrConfiguration) || d.service.Load() != nil {
		return math.MaxInt64
	}
	return retryTime
}

// beat returns how often to look whether thumbd is alive and needed.
func (d *Daemon) beat() time.Duration {
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
func (d *Daemon) feed() {
	if s := d.service.Load(); s != nil {
		d.tellStuck(s.pool.Alive())
	}
	if d.watchdog > 0 {
		d.notify("WATCHDOG=1")
	}
}

// tellStuck logs why a worker is stuck, and then not again before a call without an error.
// err is nil if no worker is stuck.
func (d *Daemon) tellStuck(err error) {
	if err != nil && !d.stuck {
		d.log.Error("stuck", "err", err)
	}
	d.stuck = err != nil
}

// idle reports whether no request has come for idle_exit, systemd holds the socket for
// the next one, nothing is watched, and no other node purges here. A scrape is
// no request, but Prometheus would start thumbd again at once: with a socket for
// it, thumbd stays.
func (d *Daemon) idle() bool {
	if d.sockets.Metrics != nil || d.member.Load() != nil {
		return false
	}
	limit := d.idleExit()
	if s := d.service.Load(); s != nil && (s.watches() || s.tidier.Busy()) {
		return false
	}
	return d.activated && limit > 0 && d.keeper.Idle() >= limit
}

func (d *Daemon) idleExit() time.Duration {
	if s := d.service.Load(); s != nil {
		return s.config.IdleExit
	}
	return idleExit
}

// listenMetrics makes the socket for Prometheus that the configuration names,
// unless there is one. A daemon that systemd started has no network: it takes that
// of thumbd-metrics.socket.
func (d *Daemon) listenMetrics(address string) error {
	switch {
	case d.alone || address == d.scraped:
		return nil
	case d.activated:
		d.log.Warn("metrics is without effect, as systemd makes the sockets: remove it, and enable "+systemd.MetricsUnit, "metrics", address)
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
func (d *Daemon) servers() []*serve.Server {
	all := []*serve.Server{serve.NewFrontServer(d.handler, d.sockets.Front, d.log)}
	if d.sockets.Admin != nil {
		all = append(all, serve.NewServer(d.handler.Admin(), d.sockets.Admin, d.log))
	}
	if d.sockets.Metrics != nil {
		all = append(all, serve.NewScrapeServer(d.handler.Scrape(), d.sockets.Metrics, d.log))
	}
	return all
}

// stop takes no more connections. It answers the present requests, for as long as
// one render may take. If a request then still waits for a worker, stop refuses it.
// Running renders finish and are published.
func (d *Daemon) stop(servers []*serve.Server) {
	s := d.service.Load()
	limit := time.Second
	if s != nil {
		limit = s.config.RenderTime
	}
	shutdown(servers, limit)
	d.leave()
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

// close ends the services. Nothing may use them any more.
func (d *Daemon) close() {
	d.leave()
	if s := d.service.Load(); s != nil {
		s.Close()
		d.disown(s)
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

func (d *Daemon) notify(state string) {
	if err := d.tell(state); err != nil {
		d.log.Warn("notify", "err", err)
	}
}
