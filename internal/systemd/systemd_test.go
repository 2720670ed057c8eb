// SPDX-License-Identifier: MIT

package systemd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be a program that is started with sockets.
func TestMain(m *testing.M) {
	if os.Getenv("LISTEN_FDS") != "" {
		os.Exit(accept())
	}
	os.Exit(m.Run())
}

// accept answers one connection at each of its sockets, or prints why it has
// none.
func accept() int {
	sockets, err := Listeners()
	if err != nil {
		fmt.Println(err)
		return 1
	}
	for _, socket := range []struct {
		listener net.Listener
		answer   string
	}{{sockets.Front, "hello"}, {sockets.Admin, "admin"}, {sockets.Metrics, "metrics"}} {
		if socket.listener == nil {
			continue
		}
		conn, err := socket.listener.Accept()
		if err != nil {
			return 1
		}
		fmt.Fprint(conn, socket.answer)
		conn.Close()
	}
	return 0
}

func TestListenerTakesTheSocketOfTheManager(t *testing.T) {
	for name, names := range map[string]string{"named": "http", "unnamed": "", "of its unit": "thumbd.socket"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			cmd := activate(t, names, path)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			conn, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if b, err := io.ReadAll(conn); string(b) != "hello" {
				t.Errorf("got %q, %v", b, err)
			}
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("the manager's socket: %v", err)
			}
		})
	}
}

// activate returns this program as one that gets sockets at paths, made with
// the shell's idea of its process ID.
func activate(t *testing.T, names string, paths ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0"`, os.Args[0])
	cmd.Env = append(os.Environ(), "LISTEN_FDS="+string(rune('0'+len(paths))))
	if names != "" {
		cmd.Env = append(cmd.Env, "LISTEN_FDNAMES="+names)
	}
	for _, path := range paths {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		unix := l.(*net.UnixListener)
		unix.SetUnlinkOnClose(false)
		f, err := unix.File()
		if err != nil {
			t.Fatal(err)
		}
		unix.Close()
		t.Cleanup(func() { f.Close() })
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	return cmd
}

func TestListenersTellTheirSocketsApart(t *testing.T) {
	dir := t.TempDir()
	front, admin, metrics := filepath.Join(dir, "front"), filepath.Join(dir, "admin"), filepath.Join(dir, "metrics")
	cmd := activate(t, "metrics:admin:http", metrics, admin, front)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// In the order in which they are accepted.
	for _, socket := range []struct{ path, want string }{{front, "hello"}, {admin, "admin"}, {metrics, "metrics"}} {
		conn, err := net.Dial("unix", socket.path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if b, err := io.ReadAll(conn); string(b) != socket.want {
			t.Errorf("at %s: %q, %v", socket.path, b, err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestListenerWantsOneSocket(t *testing.T) {
	dir := t.TempDir()
	cmd := activate(t, "a:b", filepath.Join(dir, "a"), filepath.Join(dir, "b"))
	out, err := cmd.Output()
	if err == nil || !strings.Contains(string(out), "FileDescriptorName=http, have 0") {
		t.Errorf("two sockets of other names: %s, %v", out, err)
	}
	for _, name := range []string{"admin", "metrics"} {
		cmd = activate(t, name, filepath.Join(dir, name))
		out, err = cmd.Output()
		if err == nil || !strings.Contains(string(out), "FileDescriptorName=http, have 0") {
			t.Errorf("%s alone: %s, %v", name, out, err)
		}
	}
	if _, err := Listeners(); !errors.Is(err, ErrNoSocket) {
		t.Errorf("without a manager: %v; want %v", err, ErrNoSocket)
	}
}

func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := Listen("--listen", path+",mode=0666")
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o666 {
		t.Errorf("mode %v, %v; want 0666", info.Mode(), err)
	}
	if _, err := Listen("--listen", path); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second one: %v", err)
	}
	l.Close()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Close: %v; want no file", err)
	}
}

// A group may be a number, for root also one without a name.
func TestListenTakesTheNumberOfAGroup(t *testing.T) {
	group := os.Getgid()
	if os.Getuid() == 0 {
		group = 987654321
	}
	path := filepath.Join(t.TempDir(), "s")
	l, err := Listen("--listen", path+",group="+strconv.Itoa(group))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	info, err := os.Stat(path)
	if err != nil || int(info.Sys().(*syscall.Stat_t).Gid) != group {
		t.Errorf("%+v, %v; want the group %d", info, err, group)
	}
}

func TestListenReplacesWhatADeadProcessLeft(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	again, err := Listen("--listen", path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("mode %v, %v; want 0660", info.Mode(), err)
	}
}

func TestListenRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for spec, want := range map[string]string{
		path:                           "is no socket",
		path + "x,mode=9":              "not octal",
		path + "x,mode=":               "not octal",
		path + "x,group=no-such-group": "no-such-group",
		path + "x,owner=me":            "unknown option",
		path + "/x":                    "not a directory",
	} {
		if l, err := Listen("--listen", spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Listen(%q) = %v, %v; want %q", spec, l, err, want)
		}
	}
	if b, _ := os.ReadFile(path); string(b) != "precious" {
		t.Error("a file that is no socket was removed")
	}
}

func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := Notify("READY=1"); err != nil {
		t.Errorf("without a manager: %v", err)
	}
	t.Setenv("NOTIFY_SOCKET", path)
	if err := Notify("READY=1\nSTATUS=well"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	if n, err := conn.Read(b); string(b[:n]) != "READY=1\nSTATUS=well" {
		t.Errorf("told %q, %v", b[:n], err)
	}
}

func TestStopTimeout(t *testing.T) {
	for properties, want := range map[string]time.Duration{
		"LoadState=loaded\nTimeoutStopUSec=1min 30s\n":    90 * time.Second,
		"TimeoutStopUSec=500ms\nLoadState=loaded\n":       500 * time.Millisecond,
		"LoadState=loaded\nTimeoutStopUSec=2d 1h\n":       49 * time.Hour,
		"LoadState=loaded\nTimeoutStopUSec=3d\n":          72 * time.Hour,
		"LoadState=loaded\nTimeoutStopUSec=infinity\n":    0,
		"LoadState=not-found\nTimeoutStopUSec=1min 30s\n": -1,
		"LoadState=loaded\nTimeoutStopUSec=a fortnight\n": -1,
		"": -1,
	} {
		got, err := stopTimeout(parseProperties(properties))
		if (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%q: %v, %v; want %v", properties, got, err, want)
		}
	}
}
