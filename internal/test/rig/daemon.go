// SPDX-License-Identifier: MIT

package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// StartDaemon starts thumbd with the held socket and returns when it says that
// it is ready. Requests that came meanwhile are answered then.
func (r *Rig) StartDaemon(ctx context.Context) error {
	if r.daemon != nil {
		return errors.New("thumbd runs already")
	}
	var err error
	if r.options.SocketActivate {
		r.daemon, err = r.startActivator()
	} else {
		r.daemon, err = r.startHeld()
	}
	if err != nil {
		return err
	}
	return r.awaitReady(ctx)
}

func (r *Rig) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := r.daemon
	go func() {
		select {
		case <-p.done:
			cancel(errors.Join(errors.New("it has ended"), p.err))
		case <-ctx.Done():
		}
	}()
	if r.options.SocketActivate {
		if err := r.Log.Wait(ctx, 1, "Listening on", r.socketPath()); err != nil {
			return err
		}
		return os.Chmod(r.socketPath(), 0o666)
	}
	if err := r.Notified.Wait(ctx, 1, by(r.DaemonPID(), "READY=1")); err != nil {
		return fmt.Errorf("thumbd is not ready: %w\n%s", err, r.Log)
	}
	return nil
}

// StopDaemon stops thumbd as systemd does, and returns an error if it did not
// end with success. The socket stays. It does nothing if none runs.
func (r *Rig) StopDaemon() error { return r.endDaemon(syscall.SIGTERM) }

// KillDaemon kills thumbd without a warning, and returns when it is gone.
func (r *Rig) KillDaemon() {
	// That it was killed is no news.
	_ = r.endDaemon(syscall.SIGKILL)
}

// SignalDaemon sends thumbd a signal.
func (r *Rig) SignalDaemon(sig syscall.Signal) error { return r.daemon.cmd.Process.Signal(sig) }

// DaemonPID returns the process ID of the running thumbd.
func (r *Rig) DaemonPID() int { return r.daemon.cmd.Process.Pid }

// DaemonDone is closed when the running thumbd has ended, by itself or not.
func (r *Rig) DaemonDone() <-chan struct{} { return r.daemon.done }

func (r *Rig) endDaemon(sig syscall.Signal) error {
	p := r.daemon
	r.daemon = nil
	if p == nil {
		return nil
	}
	return p.stop(sig)
}

// AdminPath returns the path of thumbd's socket for administrators.
func (r *Rig) AdminPath() string { return filepath.Join(r.Dir, "admin.sock") }

func (r *Rig) metricsPath() string { return filepath.Join(r.Dir, "metrics.sock") }

func (r *Rig) socketPath() string { return filepath.Join(r.Dir, "thumbd.sock") }
func (r *Rig) configPath() string { return filepath.Join(r.Dir, "thumbd.toml") }

// hold makes the sockets that systemd would make: the one that thumbd is
// started with, and the one that it reports to.
func (r *Rig) hold() (err error) {
	if r.notify, err = newNotifySocket(filepath.Join(r.Dir, "notify.sock"), r.Notified); err != nil {
		return err
	}
	if r.options.SocketActivate {
		return nil
	}
	if r.held, err = listenUnix(r.socketPath()); err != nil {
		return err
	}
	if r.admin, err = listenUnix(r.AdminPath()); err != nil {
		return err
	}
	if r.options.Metrics {
		if r.metrics, err = listenUnix(r.metricsPath()); err != nil {
			return err
		}
	}
	return errors.Join(os.Chmod(r.socketPath(), 0o666), os.Chmod(r.AdminPath(), 0o666))
}

// startHeld starts thumbd through a shell, as LISTEN_PID is to be its own.
func (r *Rig) startHeld() (*process, error) {
	cmd := exec.Command("/bin/sh", "-c", `export LISTEN_PID=$$; exec "$0" "$@"`,
		r.options.Programs.Thumbd, "serve", "-c", r.configPath())
	names := "http:admin"
	cmd.ExtraFiles = []*os.File{r.held, r.admin}
	if r.metrics != nil {
		names += ":metrics"
		cmd.ExtraFiles = append(cmd.ExtraFiles, r.metrics)
	}
	cmd.Env = append(r.environment(),
		fmt.Sprintf("LISTEN_FDS=%d", len(cmd.ExtraFiles)), "LISTEN_FDNAMES="+names, "NOTIFY_SOCKET="+r.notify.path)
	cmd.Stderr = r.Log
	if r.options.Nobody && os.Geteuid() == 0 {
		cred, err := nobody()
		if err != nil {
			return nil, err
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	}
	return start(cmd)
}

func (r *Rig) startActivator() (*process, error) {
	cmd := exec.Command("systemd-socket-activate", "-l", r.socketPath(), "--fdname=http",
		r.options.Programs.Thumbd, "serve", "-c", r.configPath())
	cmd.Env = r.environment()
	cmd.Stderr = r.Log
	return start(cmd)
}

// environment is that of this process without a service manager's variables, and
// the options' variables.
func (r *Rig) environment() []string {
	env := slices.Clone(r.options.Env)
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "JOURNAL_STREAM":
		default:
			env = append(env, v)
		}
	}
	return env
}
