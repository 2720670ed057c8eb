// SPDX-License-Identifier: MIT

package rig

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"thumbd/internal/test/aid"
)

// notifySocket receives the messages of thumbd to systemd, sd_notify(3), and writes
// them into a log, each with its process: "pid=1234 READY=1".
type notifySocket struct {
	path  string
	conn  *net.UnixConn
	log   *aid.Log
	ended chan struct{}
}

func newNotifySocket(path string, log *aid.Log) (*notifySocket, error) {
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	raw, err := conn.SyscallConn()
	if err == nil {
		cerr := raw.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_PASSCRED, 1)
		})
		err = errors.Join(err, cerr)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	n := &notifySocket{path: path, conn: conn, log: log, ended: make(chan struct{})}
	go n.listen()
	return n, nil
}

func (n *notifySocket) listen() {
	defer close(n.ended)
	buf := make([]byte, 4096)
	oob := make([]byte, syscall.CmsgSpace(syscall.SizeofUcred))
	for {
		size, oobSize, _, _, err := n.conn.ReadMsgUnix(buf, oob)
		if err != nil {
			return
		}
		pid := sender(oob[:oobSize])
		for line := range strings.SplitSeq(string(buf[:size]), "\n") {
			fmt.Fprintln(n.log, by(pid, line))
		}
	}
}

// sender returns the process ID that the kernel has attached, or 0.
func sender(oob []byte) int {
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil || len(messages) == 0 {
		return 0
	}
	cred, err := syscall.ParseUnixCredentials(&messages[0])
	if err != nil {
		return 0
	}
	return int(cred.Pid)
}

// by is a line as Rig.Notified has it.
func by(pid int, line string) string { return fmt.Sprintf("pid=%d %s", pid, line) }

// Close returns when nothing is heard any more.
func (n *notifySocket) Close() error {
	err := n.conn.Close()
	<-n.ended
	return err
}
