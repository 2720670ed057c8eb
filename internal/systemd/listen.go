// SPDX-License-Identifier: MIT

package systemd

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
)

// Listen makes a unix socket, if no service manager does. spec is
// PATH[,mode=0660][,group=NAME or number], for example
// /run/thumbd.sock,group=www-data.
// Closing the listener removes the file of the socket. Listen replaces a file
// that a dead process has left; if another process listens on it, that is an
// error.
//
// Errors name flag, the command's flag that spec was given with.
func Listen(flag, spec string) (net.Listener, error) {
	path, options, _ := strings.Cut(spec, ",")
	mode, group, err := parseOptions(options)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", flag, spec, err)
	}
	if err := removeStale(path); err != nil {
		return nil, fmt.Errorf("%s %s: %w", flag, spec, err)
	}
	l, err := listen(path)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", flag, spec, err)
	}
	if group >= 0 {
		err = os.Chown(path, -1, group)
	}
	if err == nil {
		err = os.Chmod(path, mode)
	}
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("%s %s: %w", flag, spec, err)
	}
	return l, nil
}

// ListenMetrics makes the socket for Prometheus. spec is an address and a port, for
// example 127.0.0.1:9105, or a unix socket as Listen takes it.
//
// Errors name flag, as the errors of Listen do.
func ListenMetrics(flag, spec string) (net.Listener, error) {
	if strings.HasPrefix(spec, "/") {
		return Listen(flag, spec)
	}
	l, err := net.Listen("tcp", spec)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", flag, spec, err)
	}
	return l, nil
}

// listen makes the socket. No other user can connect before the socket has its
// mode and group.
func listen(path string) (net.Listener, error) {
	old := syscall.Umask(0o177)
	defer syscall.Umask(old)
	return net.Listen("unix", path)
}

func parseOptions(s string) (mode fs.FileMode, group int, err error) {
	mode, group = 0o660, -1
	if s == "" {
		return mode, group, nil
	}
	for option := range strings.SplitSeq(s, ",") {
		name, value, _ := strings.Cut(option, "=")
		switch name {
		case "mode":
			n, err := strconv.ParseUint(value, 8, 9)
			if err != nil {
				return 0, 0, fmt.Errorf("mode %q is not octal, as 0660", value)
			}
			mode = fs.FileMode(n)
		case "group":
			if group, err = groupID(value); err != nil {
				return 0, 0, err
			}
		default:
			return 0, 0, fmt.Errorf("unknown option %q: want mode or group", name)
		}
	}
	return mode, group, nil
}

// groupID returns the ID of a group by its name or number: a container may have no
// name for the group of another container's nginx.
func groupID(group string) (int, error) {
	if id, err := strconv.ParseUint(group, 10, 31); err == nil {
		return int(id), nil
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(g.Gid)
}

// removeStale removes the file of a socket if no process listens on it.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is there and is no socket: remove it", path)
	}
	conn, err := net.Dial("unix", path)
	switch {
	case err == nil:
		conn.Close()
		return fmt.Errorf("%s is in use by another process: stop it, or choose another path", path)
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	}
	return err
}
