// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"log/slog"
	"os"
	"time"
)

// life decides when a daemon reloads its configuration, tells the service manager that the
// daemon is alive, and ends.
type life struct {
	// load loads the configuration. It is not called concurrently.
	load func(context.Context) error
	// reloading tells that a reload was asked for.
	reloading func()
	// retry returns the time between a load and the next load without a signal. err is
	// the error of the load before, or nil.
	retry func(err error) time.Duration
	// beat returns the time until the next test if the daemon is idle.
	beat func() time.Duration
	// idle reports whether the daemon can end: the service manager starts it again.
	idle func() bool
	// feed tells that the daemon is alive.
	feed func()
	log  *slog.Logger
}

// wait returns when it is time to stop: ctx is done, the daemon is idle, or a server
// has failed; then wait returns the server's error. err is the error of the first load. A
// signal that comes during a load has the configuration loaded once more after it.
func (l *life) wait(ctx context.Context, reload <-chan os.Signal, failed <-chan error, err error) error {
	loaded := make(chan error, 1)
	loading, again := false, false
	load := func() {
		loading, again = true, false
		go func() { loaded <- l.load(ctx) }()
	}
	// A load ends before the stop begins.
	defer func() {
		if loading {
			if err := <-loaded; err != nil {
				l.log.Debug("stopping", "err", err)
			}
		}
	}()
	beat := time.After(l.beat())
	retry := time.After(l.retry(err))
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-reload:
			l.reloading()
			if again = loading; !again {
				load()
			}
		case err := <-loaded:
			loading = false
			if again {
				load()
			}
			retry = time.After(l.retry(err))
		case <-retry:
			if !loading {
				load()
			}
		case <-beat:
			if l.idle() {
				l.log.Debug("idle")
				return nil
			}
			l.feed()
			beat = time.After(l.beat())
		}
	}
}
