// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"thumbd/internal/engine"
	"thumbd/internal/render/wire"
)

// conn is the worker's end of its socketpair.
type conn struct {
	fd  int
	buf []byte // of a message
	oob []byte // of its descriptors
	// A render sets rendering when it begins, and then reads abandoned. At the daemon's end
	// abandoned is set, and then rendering is read. So one of the two sees both.
	rendering, abandoned atomic.Bool
}

// newConn takes over fd. It must be a SOCK_SEQPACKET socket.
func newConn(fd int) (*conn, error) {
	unix.CloseOnExec(fd)
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return nil, fmt.Errorf("descriptor %d: %w: thumbd starts this program", fd, err)
	}
	if kind != unix.SOCK_SEQPACKET {
		return nil, fmt.Errorf("descriptor %d: not a SOCK_SEQPACKET socket", fd)
	}
	return &conn{
		fd:  fd,
		buf: make([]byte, wire.MaxMessage),
		oob: make([]byte, unix.CmsgSpace(4*(1+2*wire.MaxOutputs))),
	}, nil
}

func (c *conn) close() { _ = unix.Close(c.fd) }

// watch waits until the daemon has closed its end, as it also does if it is killed. If a
// render runs then, watch calls leave, because the render may be stuck. If receive waits,
// it returns by itself.
func (c *conn) watch(leave func()) {
	fds := []unix.PollFd{{Fd: int32(c.fd)}} // POLLHUP comes without being asked for.
	for fds[0].Revents == 0 {
		if _, err := unix.Ppoll(fds, nil, nil); err != nil && !errors.Is(err, unix.EINTR) {
			return
		}
	}
	c.abandoned.Store(true)
	if c.rendering.Load() {
		leave()
	}
}

// serve says hello and renders job after job. It returns nil when the daemon
// has closed its end.
func (c *conn) serve(e *engine.Engine, hello *wire.Hello) error {
	if err := c.send(hello); err != nil {
		return err
	}
	for {
		job, files, err := c.receive()
		if err != nil || job == nil {
			return err
		}
		if c.rendering.Store(true); c.abandoned.Load() {
			closeAll(files)
			return nil
		}
		outputs := 1 + len(job.Watermarks)
		results := e.Render(*job, engine.Files{
			Original: files[0], Watermarks: files[1:outputs], Outputs: files[outputs:],
		})
		closeAll(files)
		c.rendering.Store(false)
		if err := c.send(&wire.Reply{ID: job.ID, Results: results}); err != nil {
			return err
		}
	}
}

func (c *conn) send(m wire.Message) error {
	b, err := wire.Encode(m)
	if err != nil {
		return err
	}
	for {
		err = unix.Send(c.fd, b, unix.MSG_NOSIGNAL)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if errors.Is(err, unix.EPIPE) {
		return nil // the next receive sees the end, too
	}
	if err != nil {
		return fmt.Errorf("send to the daemon: %w", err)
	}
	return nil
}

// receive returns the next job with its files. The caller closes the files. If there will
// be no further job, the job is nil.
func (c *conn) receive() (*wire.Job, []*os.File, error) {
	n, files, err := c.receiveMessage()
	if err != nil || n == 0 {
		closeAll(files)
		return nil, nil, err
	}
	var job wire.Job
	err = wire.Decode(c.buf[:n], &job)
	if err == nil && len(files) != 1+len(job.Watermarks)+len(job.Outputs) {
		err = fmt.Errorf("job %d: %d descriptors for %d outputs and %d watermarks", job.ID, len(files), len(job.Outputs), len(job.Watermarks))
	}
	if err != nil {
		closeAll(files)
		return nil, nil, fmt.Errorf("receive a job: %w", err)
	}
	return &job, files, nil
}

func (c *conn) receiveMessage() (n int, files []*os.File, err error) {
	var oobn, flags int
	for {
		n, oobn, flags, _, err = unix.Recvmsg(c.fd, c.buf, c.oob, unix.MSG_CMSG_CLOEXEC)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if errors.Is(err, unix.ECONNRESET) {
		return 0, nil, nil // closed with a reply unread
	}
	if err != nil {
		return 0, nil, fmt.Errorf("receive from the daemon: %w", err)
	}
	files, err = filesIn(c.oob[:oobn])
	if err == nil && flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		err = errors.New("receive from the daemon: the message is longer than the protocol allows")
	}
	return n, files, err
}

// filesIn returns the files for the descriptors that came with a message.
func filesIn(oob []byte) ([]*os.File, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("receive descriptors: %w", err)
	}
	var files []*os.File
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return files, fmt.Errorf("receive descriptors: %w", err)
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "descriptor"))
		}
	}
	return files, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
