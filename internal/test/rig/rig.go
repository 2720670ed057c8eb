// SPDX-License-Identifier: MIT

// Package rig runs thumbd as an installation does: the built programs behind a
// real nginx that has the shipped files, and a socket that somebody else holds.
// It is for the end-to-end tests, the demo and the benchmarks.
//
// It is larger than other packages because an installation has as many parts: programs,
// units, nginx, logs, shares. Each is a file.
package rig

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"thumbd/internal/test/aid"
)

// Site is a site of thumbd.toml together with its location in nginx.
type Site struct {
	Name      string
	Prefix    string
	Scheme    string   // signed, preset or restthumbnails
	Hosts     []string // none: nginx's default server
	Originals string   // an absolute path
	Key       string   // the key's text; none for the preset scheme
	TOML      string   // lines that follow the site's own keys
	TryFiles  string   // what nginx looks for; "": $uri
	Root      string   // nginx's root; "": the document root
	Location  string   // directives that follow the location's own
	Protected bool     // the location has the shipped snippet for access
	Lines     string   // in place of the site's location; DOCUMENT_ROOT stands for Root
	Unserved  bool     // its locations are in server blocks of Options.HTTP
}

// Options describe a Rig. The zero value of all but Programs and
// Sites is a working default.
type Options struct {
	Programs Programs
	Sites    []Site
	Address  string            // host:port of nginx; "": any free port of 127.0.0.1
	TOML     string            // the [daemon], [limits] and [files] tables
	Keys     map[string]string // further keys, by their files' names
	HTTP     string            // directives of nginx's http block
	Server   string            // directives of each of its server blocks
	// WorkerConnections of each of two nginx processes; 0: 1024.
	WorkerConnections int
	// SocketActivate leaves the socket to systemd-socket-activate, which starts
	// thumbd at the first connection and cannot start it again.
	SocketActivate bool
	// Plain leaves out thumbd and all of its files: nginx serves the files of the
	// sites' document roots.
	Plain bool
	// Node gives nginx snippets/thumbd-node.conf, as on a machine behind a front.
	Node bool
	// Metrics hands over a socket for Prometheus too, with which thumbd never ends
	// of itself.
	Metrics bool
	// Stopped leaves thumbd to a later StartDaemon.
	Stopped bool
	// Nobody has root start thumbd as the user nobody, so that file permissions hold for
	// thumbd. The user must be able to read Programs and Originals.
	Nobody bool
	Env    []string  // of thumbd, beside ours
	Log    io.Writer // gets thumbd's log too; nil: nobody
}

// Front returns the options of an nginx in front of nodes, with a location for a site of
// theirs that has these lines.
func Front(nodes []*Rig, s Site, lines string) Options {
	var servers []string
	for _, n := range nodes {
		servers = append(servers, fmt.Sprintf("server %s max_fails=2 fail_timeout=5s;", n.Addr))
	}
	return Options{
		Plain: true,
		HTTP:  "upstream thumbs { zone thumbs 64k; hash $thumbd_original consistent; " + strings.Join(servers, " ") + " }",
		Server: fmt.Sprintf("location ^~ %s { set $thumbd_scheme %s; set $thumbd_prefix %[1]s; %[3]s proxy_pass http://thumbs; }",
			s.Prefix, s.Scheme, lines),
	}
}

// Rig is a running nginx, a socket and a thumbd, which can be stopped and
// started. Its methods are safe for concurrent use, except for those that
// start and stop.
type Rig struct {
	// Dir has everything: thumbd.toml, nginx.conf, nginx's error.log, the
	// document roots. It goes with Close.
	Dir string
	// Addr is the address of nginx: 127.0.0.1:34567.
	Addr string
	// Log is the daemon's, over all its starts.
	Log *aid.Log
	// Notified has the messages of the daemons to the service manager, sd_notify(3),
	// a line each: "pid=1234 READY=1". It stays empty with SocketActivate.
	Notified *aid.Log

	options Options
	held    *os.File
	admin   *os.File
	metrics *os.File // nil without Options.Metrics
	notify  *notifySocket
	daemon  *process
	nginx   *process
}

// StopTime is the longest that Close and StopDaemon wait for a program that
// was told to stop, before they kill it.
const StopTime = 30 * time.Second

// Start writes all files, starts nginx and thumbd and returns when both serve.
// The caller closes the Rig. If Start fails, it stops the programs that it has started.
func Start(ctx context.Context, o Options) (_ *Rig, err error) {
	r := &Rig{options: o, Log: &aid.Log{Also: o.Log}, Notified: new(aid.Log)}
	// Short, for the path of a unix socket ends after 107 bytes.
	if r.Dir, err = os.MkdirTemp("", "thumbd-rig-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	if err := r.hold(); err != nil {
		return nil, err
	}
	sockets, err := r.listen(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.layOut(); err != nil {
		return nil, errors.Join(err, closeAll(sockets))
	}
	if err := errors.Join(r.startNginx(ctx, sockets), closeAll(sockets)); err != nil {
		return nil, err
	}
	if !o.Stopped && !o.Plain {
		if err := r.StartDaemon(ctx); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Close stops all programs and removes Dir. It is called once.
func (r *Rig) Close() error {
	errs := []error{r.StopDaemon(), r.StopNginx()}
	if r.notify != nil {
		errs = append(errs, r.notify.Close())
	}
	for _, socket := range []*os.File{r.held, r.admin, r.metrics} {
		if socket != nil {
			errs = append(errs, socket.Close())
		}
	}
	return errors.Join(append(errs, os.RemoveAll(r.Dir))...)
}

// URL returns the address of a request target. Request.Target allows raw ones.
func (r *Rig) URL(target string) string { return "http://" + r.Addr + target }

// Root returns the document root of a site.
func (r *Rig) Root(site string) string { return filepath.Join(r.Dir, "root", site) }

// File returns the file that a decoded URI of a site is published as.
func (r *Rig) File(site, uri string) string { return r.Root(site) + uri }

// NginxLog returns the text of nginx's error log.
func (r *Rig) NginxLog() (string, error) {
	b, err := os.ReadFile(filepath.Join(r.Dir, "error.log"))
	return string(b), err
}

// NginxPID returns the process id of nginx's master, whose children are the workers.
func (r *Rig) NginxPID() int { return r.nginx.cmd.Process.Pid }

// StopNginx stops nginx, at once. It does nothing if none runs.
func (r *Rig) StopNginx() error {
	p := r.nginx
	r.nginx = nil
	if p == nil {
		return nil
	}
	err := p.stop(syscall.SIGTERM)
	// A test may end before nginx has come to handle the signal.
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGTERM {
		return nil
	}
	return err
}

// SignalNginx sends nginx's master and its workers a signal.
func (r *Rig) SignalNginx(sig syscall.Signal) error {
	return syscall.Kill(-r.nginx.cmd.Process.Pid, sig)
}

// frontPath is a unix socket of nginx for Do, which would run out of ports in
// a fuzz test.
func (r *Rig) frontPath() string { return filepath.Join(r.Dir, "nginx.sock") }

// listen opens the sockets of nginx: the one for browsers, and frontPath.
func (r *Rig) listen(ctx context.Context) ([]*os.File, error) {
	tcp, err := new(net.ListenConfig).Listen(ctx, "tcp4", cmp.Or(r.options.Address, "127.0.0.1:0"))
	if err != nil {
		return nil, err
	}
	r.Addr = tcp.Addr().String()
	first, err := tcp.(*net.TCPListener).File()
	if err := errors.Join(err, tcp.Close()); err != nil {
		return nil, err
	}
	second, err := listenUnix(r.frontPath())
	if err != nil {
		return nil, errors.Join(err, first.Close())
	}
	return []*os.File{first, second}, nil
}

// listenUnix listens on path until the file is closed. The path stays.
func listenUnix(path string) (*os.File, error) {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	f, err := l.File()
	return f, errors.Join(err, l.Close())
}

func closeAll(files []*os.File) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// startNginx hands nginx its sockets the way in which nginx hands them to its
// own successor, so that requests wait from now on and no port is lost in
// between.
func (r *Rig) startNginx(ctx context.Context, sockets []*os.File) error {
	args := []string{"-p", r.Dir, "-c", filepath.Join(r.Dir, "nginx.conf"), "-e", filepath.Join(r.Dir, "error.log")}
	test := exec.CommandContext(ctx, nginxPath(), append(args, "-t")...)
	inherit(test, sockets)
	if out, err := test.CombinedOutput(); err != nil {
		return fmt.Errorf("nginx -t: %w\n%s", err, out)
	}
	cmd := exec.Command(nginxPath(), args...)
	inherit(cmd, sockets)
	p, err := start(cmd)
	if err != nil {
		return err
	}
	r.nginx = p
	// os/exec has made them block, and nginx expects of its predecessor that
	// they do not: a worker would be stuck in accept.
	for _, socket := range sockets {
		if err := syscall.SetNonblock(int(socket.Fd()), true); err != nil {
			return err
		}
	}
	return nil
}

func inherit(cmd *exec.Cmd, sockets []*os.File) {
	cmd.Env = append(os.Environ(), "NGINX=3;4;")
	cmd.ExtraFiles = sockets
}

// nginxPath looks into PATH and into /usr/sbin, which the PATH of an ordinary user
// lacks.
func nginxPath() string {
	if path, err := exec.LookPath("nginx"); err == nil {
		return path
	}
	return "/usr/sbin/nginx"
}
