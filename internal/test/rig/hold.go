// SPDX-License-Identifier: MIT

package rig

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// pollTime is how long a context that is done may go unnoticed.
const pollTime = 50 * time.Millisecond

// Hold serves the socket as a socket unit of systemd does, until ctx is done: if a
// connection waits and no thumbd runs, it starts thumbd. The caller must not start or
// stop thumbd meanwhile. wait waits for the end and returns the number of starts. If a
// thumbd ended without success, Hold ends, too, and wait returns an error. If a thumbd
// still runs at the end, it goes on.
func (r *Rig) Hold(ctx context.Context) (wait func() (starts int, err error)) {
	var starts int
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		starts, err = r.holdOn(ctx)
	}()
	return func() (int, error) {
		<-done
		return starts, err
	}
}

func (r *Rig) holdOn(ctx context.Context) (starts int, err error) {
	for {
		if r.daemon != nil {
			select {
			case <-ctx.Done():
				return starts, nil
			case <-r.daemon.done:
			}
			err := r.daemon.err
			r.daemon = nil
			if err != nil {
				return starts, err
			}
		}
		if err := r.AwaitClient(ctx); err != nil || ctx.Err() != nil {
			return starts, err
		}
		if r.daemon, err = r.startHeld(); err != nil {
			return starts, err
		}
		starts++
	}
}

// AwaitClient returns when a connection waits in one of the held sockets, or
// ctx is done.
func (r *Rig) AwaitClient(ctx context.Context) error {
	fds := []unix.PollFd{
		{Fd: int32(r.held.Fd()), Events: unix.POLLIN},
		{Fd: int32(r.admin.Fd()), Events: unix.POLLIN},
	}
	for ctx.Err() == nil {
		n, err := unix.Poll(fds, int(pollTime.Milliseconds()))
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n > 0 || err != nil {
			return err
		}
	}
	return nil
}

// CloseSocket lets go of the socket that requests wait in while thumbd is
// stopped, as systemd does when the socket unit is stopped. thumbd can't be
// started again.
func (r *Rig) CloseSocket() error {
	held := r.held
	r.held = nil
	if held == nil {
		return nil
	}
	return held.Close()
}
