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

// httpName is FileDescriptorName= of thumbd.socket.
const httpName = "http"

// Listener returns the listening socket that the service manager has handed
// over under the name http, or a single one without a name, as sd_listen_fds(3)
// says. It takes them out of the environment. Closing it leaves the socket's
// file where it is: that is the manager's.
func Listener() (net.Listener, error) {
	named, err := activation.ListenersWithNames()
	if err != nil {
		return nil, fmt.Errorf("sockets from systemd: %w", err)
	}
	if len(named) == 0 {
		return nil, ErrNoSocket
	}
	found := named[httpName]
	if len(named) == 1 && found == nil {
		for _, found = range named {
		}
	}
	if len(found) != 1 || found[0] == nil {
		return nil, fmt.Errorf("sockets from systemd: want one stream socket with FileDescriptorName=%s, have %d", httpName, len(found))
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
