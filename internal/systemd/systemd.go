// SPDX-License-Identifier: MIT

// Package systemd talks to the service manager: it takes over sockets, reports
// the daemon's state, and reads the properties of units.
package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// ErrNoSocket means that the service manager has handed over no socket.
var ErrNoSocket = errors.New("no socket from systemd: start thumbd.socket, or use --listen PATH")

// FileDescriptorName= of thumbd.socket, thumbd-admin.socket and
// thumbd-metrics.socket.
const (
	httpName    = "http"
	adminName   = "admin"
	metricsName = "metrics"
)

// Sockets are the listening sockets of a daemon.
type Sockets struct {
	Front   net.Listener // for nginx
	Admin   net.Listener // for administrators; nil: there is none
	Metrics net.Listener // for Prometheus; nil: there is none
}

// Close closes the sockets. It may be called again.
func (s Sockets) Close() {
	for _, l := range []net.Listener{s.Front, s.Admin, s.Metrics} {
		if l != nil {
			l.Close()
		}
	}
}

// Listeners returns the sockets that the service manager has handed over, see
// sd_listen_fds(3), by their names: http, admin, metrics. If there is only one socket,
// and it has another name or no name, it is Front. Listeners removes the variables from
// the environment. If a listener is closed, the file of its socket stays, because it
// belongs to the manager.
func Listeners() (sockets Sockets, err error) {
	named, err := activation.ListenersWithNames()
	if err != nil {
		return Sockets{}, fmt.Errorf("sockets from systemd: %w", err)
	}
	if len(named) == 0 {
		return Sockets{}, ErrNoSocket
	}
	defer func() {
		if err != nil {
			sockets.Close()
			sockets = Sockets{}
		}
	}()
	front := named[httpName]
	if len(named) == 1 && front == nil && named[adminName] == nil && named[metricsName] == nil {
		for _, front = range named {
		}
	}
	if sockets.Front, err = one(httpName, front); err != nil {
		return sockets, err
	}
	if list, ok := named[adminName]; ok {
		if sockets.Admin, err = one(adminName, list); err != nil {
			return sockets, err
		}
	}
	if list, ok := named[metricsName]; ok {
		sockets.Metrics, err = one(metricsName, list)
	}
	return sockets, err
}

// one returns the only listener of found, or an error.
func one(name string, found []net.Listener) (net.Listener, error) {
	if len(found) != 1 || found[0] == nil {
		return nil, fmt.Errorf("sockets from systemd: want one stream socket with FileDescriptorName=%s, have %d", name, len(found))
	}
	return found[0], nil
}

// Booted reports whether systemd runs this machine, as sd_booted(3) does. In most
// containers it does not.
func Booted() bool {
	fi, err := os.Lstat("/run/systemd/system")
	return err == nil && fi.IsDir()
}

// Notify sends the daemon's state, lines as in sd_notify(3), for example READY=1,
// to the service manager. Without a manager it does nothing.
func Notify(state string) error {
	if _, err := daemon.SdNotify(false, state); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	return nil
}

// Reloading returns the state of a daemon that begins to reload its
// configuration. READY=1 ends the reload.
func Reloading() string {
	var now unix.Timespec
	// Every kernel has this clock.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/1000)
}

// Watchdog returns the service manager's limit for the time between two WATCHDOG=1, or 0
// if it has no limit.
func Watchdog() time.Duration {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return 0
	}
	return limit
}
