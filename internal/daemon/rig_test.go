// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thumbd/internal/admin/client"
	"thumbd/internal/render/wire"
	"thumbd/internal/systemd"
	"thumbd/internal/test/aid"
	"thumbd/internal/test/standin"
)

func TestMain(m *testing.M) {
	standin.Main()
	os.Exit(m.Run())
}

// gallery is a configuration of one site, with one original, a.jpg. DIR is the folder of
// the test.
const gallery = `[daemon]
workers = 1
[site.gallery]
prefix = "/thumbs/"
document_root = "DIR/root"
originals = "DIR/media"
scheme = "preset"
`

// rig is a daemon with real sockets, workers and a service manager in a folder of a test.
type rig struct {
	*Daemon
	*standin.Folder
	log     *aid.Log
	manager *net.UnixConn
	front   *http.Client
	admin   *client.Client
	reloads chan os.Signal
	stop    context.CancelFunc // as SIGTERM
	ended   chan error         // has the error of Run
}

// newRig returns a rig with a configuration, whose daemon is not started.
func newRig(t *testing.T, configuration string) *rig {
	t.Helper()
	r := &rig{Folder: standin.NewFolder(t, configuration), log: new(aid.Log), reloads: make(chan os.Signal, 1), ended: make(chan error, 1)}
	var err error
	r.manager, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: r.Path("manager"), Net: "unixgram"})
	aid.Must(t, err)
	t.Cleanup(func() { r.manager.Close() })
	t.Setenv("NOTIFY_SOCKET", r.Path("manager"))
	level := new(slog.LevelVar)
	log := slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: level}))
	r.Daemon = New(Options{File: r.Path("thumbd.toml"), Version: "1.2.3", Log: log, Level: level})
	r.Daemon.holdTime = time.Hour
	r.front = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", r.Path("front"))
	}}}
	r.admin = client.Dial(r.Path("admin"))
	return r
}

// start returns a rig whose daemon has told that it is ready.
func start(t *testing.T, configuration string) *rig {
	t.Helper()
	r := newRig(t, configuration)
	r.run()
	r.told("READY=1\nSTATUS=serves 1 sites")
	return r
}

// run begins to run the daemon. It ends with the test.
func (r *rig) run() {
	r.T.Helper()
	var sockets systemd.Sockets
	var err error
	sockets.Front, err = net.Listen("unix", r.Path("front"))
	aid.Must(r.T, err)
	sockets.Admin, err = net.Listen("unix", r.Path("admin"))
	aid.Must(r.T, err)
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.ended <- r.Run(ctx, sockets, r.reloads)
	}()
	r.T.Cleanup(func() {
		r.stop()
		<-ended
		if r.T.Failed() {
			r.T.Logf("the log:\n%s", r.log)
		}
	})
}

// hello sets the message that workers begin with from now on.
func (r *rig) hello(m *wire.Hello) {
	r.T.Helper()
	standin.Greet(r.T, r.Path("worker"), m)
}

// reload has the daemon load a configuration, and returns the status that it has told the
// manager then.
func (r *rig) reload(text string) string {
	r.T.Helper()
	r.Write("thumbd.toml", text)
	r.reloads <- unix.SIGHUP
	if got := r.next(); !strings.HasPrefix(got, "RELOADING=1\nMONOTONIC_USEC=") {
		r.T.Errorf("told %q, want a reload", got)
	}
	return r.next()
}

// next returns the next message to the manager that is no sign of life.
func (r *rig) next() string {
	r.T.Helper()
	b := make([]byte, 4096)
	for {
		aid.Must(r.T, r.manager.SetReadDeadline(time.Now().Add(aid.Patience)))
		n, err := r.manager.Read(b)
		aid.Must(r.T, err)
		if text := string(b[:n]); text != "WATCHDOG=1" {
			return text
		}
	}
}

// told fails the test if the next message to the manager is another one.
func (r *rig) told(want string) {
	r.T.Helper()
	if got := r.next(); got != want {
		r.T.Errorf("told %q, want %q", got, want)
	}
}

// silent fails the test if there is a message to the manager.
func (r *rig) silent() {
	r.T.Helper()
	raw, err := r.manager.SyscallConn()
	aid.Must(r.T, err)
	aid.Must(r.T, raw.Control(func(fd uintptr) {
		b := make([]byte, 4096)
		if n, _, err := unix.Recvfrom(int(fd), b, unix.MSG_DONTWAIT); err == nil {
			r.T.Errorf("told %q, want nothing", b[:n])
		}
	}))
}

// get returns the status and reason of the answer to nginx, for example "503 shutdown",
// or "200" if there is no reason.
func (r *rig) get(uri string) string {
	resp, err := r.front.Get("http://localhost" + uri)
	if err != nil {
		return err.Error()
	}
	resp.Body.Close()
	return strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("X-Thumbd-Reason")))
}

// ask is get, whose answer comes later.
func (r *rig) ask(uri string) <-chan string {
	answer := make(chan string, 1)
	go func() { answer <- r.get(uri) }()
	return answer
}

// want fails the test if nginx gets another answer.
func (r *rig) want(uri, answer string) {
	r.T.Helper()
	if got := r.get(uri); got != answer {
		r.T.Errorf("%s: got %q, want %q", uri, got, answer)
	}
}

// logged waits for a line with the texts.
func (r *rig) logged(texts ...string) {
	r.T.Helper()
	aid.Await(r.T, func() bool { return r.hasLine(texts...) })
}

func (r *rig) hasLine(texts ...string) bool { return r.log.Count(texts...) > 0 }

// troubles returns the kinds and names of the troubles of the daemon's report, for example
// "originals gallery".
func (r *rig) troubles() string {
	r.T.Helper()
	report, err := r.admin.Report(r.T.Context())
	aid.Must(r.T, err)
	var all []string
	for _, t := range report.Troubles {
		all = append(all, t.Kind+" "+t.Name)
	}
	return strings.Join(all, ", ")
}

// newGate makes the FIFO of workers, or that of their hello.
func (r *rig) newGate(name string) {
	r.T.Helper()
	_ = os.Remove(r.Path("worker/" + name))
	aid.NewGate(r.T, r.Path("worker/"+name))
}

// atGate waits until a worker is at a FIFO. The worker goes on when the file is closed.
func (r *rig) atGate(name string) *os.File {
	r.T.Helper()
	return aid.AtGate(r.T, r.Path("worker/"+name))
}
