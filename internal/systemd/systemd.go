// SPDX-License-Identifier: MIT

// Package systemd is what the service manager and the daemon say to each
// other: the sockets that it hands over, and the daemon's state.
package systemd

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// ErrNoSocket is a start without a socket from the service manager.
var ErrNoSocket = errors.New("no socket from systemd: start thumbd.socket, or use --listen PATH")

// FileDescriptorName= of thumbd.socket and thumbd-admin.socket.
const (
	httpName  = "http"
	adminName = "admin"
)

// Listeners returns the listening sockets that the service manager has handed
// over: front under the name http, or a single one without a name, and admin
// under the name admin, or nil, as sd_listen_fds(3) says. It takes them out of
// the environment. Closing them leaves the sockets' files where they are: those
// are the manager's.
func Listeners() (front, admin net.Listener, err error) {
	named, err := activation.ListenersWithNames()
	if err != nil {
		return nil, nil, fmt.Errorf("sockets from systemd: %w", err)
	}
	if len(named) == 0 {
		return nil, nil, ErrNoSocket
	}
	found := named[httpName]
	if len(named) == 1 && found == nil && named[adminName] == nil {
		for _, found = range named {
		}
	}
	if front, err = one(httpName, found); err != nil {
		return nil, nil, err
	}
	if list, ok := named[adminName]; ok {
		if admin, err = one(adminName, list); err != nil {
			front.Close()
			return nil, nil, err
		}
	}
	return front, admin, nil
}

// one returns the listener of a name that must have one.
func one(name string, found []net.Listener) (net.Listener, error) {
	if len(found) != 1 || found[0] == nil {
		return nil, fmt.Errorf("sockets from systemd: want one stream socket with FileDescriptorName=%s, have %d", name, len(found))
	}
	return found[0], nil
}

// Notify tells the service manager the daemon's state, lines of sd_notify(3).
// Without a manager it does nothing.
func Notify(state string) error {
	if _, err := daemon.SdNotify(false, state); err != nil {
		return fmt.Errorf("notify systemd: %w", err)
	}
	return nil
}

// Reloading returns the state of a daemon that begins to load its
// configuration again. READY=1 ends it.
func Reloading() string {
	var now unix.Timespec
	// It fails for no clock that every kernel has.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", now.Nano()/1000)
}

// Watchdog returns within what time the service manager wants to hear
// WATCHDOG=1 again, or 0 where it does not.
func Watchdog() time.Duration {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return 0
	}
	return limit
}
