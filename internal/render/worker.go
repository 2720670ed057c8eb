// SPDX-License-Identifier: MIT

package render

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"thumbd/internal/render/wire"
)

const (
	workerNice   = 10
	maxWorkerLog = 2 << 10     // bytes of a worker's standard error that are kept
	lastWords    = time.Second // for them to come through once it has ended
)

// errLie is an answer that no honest worker gives.
var errLie = errors.New("the worker broke the protocol")

// worker is one warm thumbd-render process. It is used by one goroutine at a time,
// except distrusted, condemned and the fields that guard reads.
type worker struct {
	cmd        *exec.Cmd
	conn       *net.UnixConn
	hello      wire.Hello
	log        *tail
	gone       chan struct{} // closed when the process has ended
	outputs    int           // made so far
	wear       int           // of them, those that the daemon can't check counted more often
	doubts     int           // originals that it has refused on the word of a decoder in C
	side       side          // of the sites that it has served
	since      time.Time     // when it served the first of them
	distrusted atomic.Bool
	condemned  atomic.Pointer[end] // why guard has killed it
	stat       *os.File            // of openStat
	// When guard first saw it idle after its last job, or a minute ago at most, and
	// how much processor time it had used by then. Under Pool.mu.
	idleSince time.Time
	idleUsed  time.Duration
}

// startWorker starts a worker and waits until it is warm, or ctx or
// Options.StartTime is over.
func startWorker(ctx context.Context, o Options) (w *worker, err error) {
	ours, theirs, err := socketpair()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Program, err)
	}
	w = &worker{conn: ours, log: &tail{}, gone: make(chan struct{})}
	w.cmd = exec.Command(o.Program, "--memory", strconv.FormatInt(o.WorkerMemory, 10))
	w.cmd.ExtraFiles = []*os.File{theirs}
	w.cmd.Dir = "/"
	w.cmd.Env = workerEnv(o)
	w.cmd.Stderr = w.log
	// A process that it has left behind may have it for ever.
	w.cmd.WaitDelay = lastWords
	// A group of its own: a ctrl-C in a terminal is the daemon's to handle.
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = w.cmd.Start()
	theirs.Close()
	if err != nil {
		ours.Close()
		return nil, fmt.Errorf("start worker: %w", err)
	}
	stat, statErr := openStat(w.pid())
	w.stat = stat
	go func() {
		// An error is its exit status: crash reports it.
		_ = w.cmd.Wait()
		w.stat.Close()
		close(w.gone)
	}()
	if statErr != nil {
		w.kill()
		return nil, fmt.Errorf("start worker: %w: thumbd needs /proc", statErr)
	}
	// By group, as it has all of the process's threads and by pid is the first.
	if err := unix.Setpriority(unix.PRIO_PGRP, w.pid(), workerNice); err != nil {
		o.Report(Event{Text: "worker keeps its priority", PID: w.pid(), Err: err})
	}
	if err := w.greet(ctx, o.StartTime); err != nil {
		text := w.crash(err)
		w.kill()
		return nil, fmt.Errorf("start worker %s: %s", o.Program, text)
	}
	return w, nil
}

func workerEnv(o Options) []string {
	return []string{
		"LANG=C.UTF-8",
		"HOME=/nonexistent",
		"PATH=",
		// Two arenas keep resident memory flat.
		"MALLOC_ARENA_MAX=2",
		"VIPS_WARNING=1",
		"VIPS_BLOCK_UNTRUSTED=1",
		"VIPS_CONCURRENCY=1",
		// libimagequant adds up in another order with more threads.
		"OMP_NUM_THREADS=1",
		// It renders in one thread: Go needs none for each processor.
		"GOMAXPROCS=2",
		// A sandboxed worker can't make libvips' temp files, so no image may
		// be large enough for one: at most 16 bytes a pixel.
		"VIPS_DISC_THRESHOLD=" + strconv.FormatInt(16*o.Limits.OriginalPixels+1, 10),
	}
}

func socketpair() (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "worker")
	f := os.NewFile(uintptr(fds[0]), "daemon")
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return conn.(*net.UnixConn), theirs, nil
}

func (w *worker) pid() int { return w.cmd.Process.Pid }

// greet waits for the worker's Hello.
func (w *worker) greet(ctx context.Context, limit time.Duration) error {
	if err := w.conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() {
		// An error means that the socket is closed, so reading ends, too.
		_ = w.conn.SetReadDeadline(time.Unix(1, 0))
	})
	defer stop()
	return w.receive(&w.hello)
}

// do lets the worker make job from the original in files into its outputs, and returns
// the worker's result of each output. After any error the worker must be killed:
// os.ErrDeadlineExceeded past deadline, errLie, or the error of a dead worker.
func (w *worker) do(job *wire.Job, files []*os.File, deadline time.Time) ([]wire.Result, error) {
	message, err := wire.Encode(job)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInternal, err)
	}
	fds := make([]int, len(files))
	for i, f := range files {
		fds[i] = int(f.Fd())
	}
	if err := w.conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	if _, _, err := w.conn.WriteMsgUnix(message, unix.UnixRights(fds...), nil); err != nil {
		return nil, err
	}
	var reply wire.Reply
	if err := w.receive(&reply); err != nil {
		return nil, err
	}
	if reply.ID != job.ID || len(reply.Results) != len(job.Outputs) {
		return nil, fmt.Errorf("%w: a reply of %d results to another job", errLie, len(reply.Results))
	}
	w.outputs += len(job.Outputs)
	return reply.Results, nil
}

// receive reads one message. Descriptors that come with it are not taken.
func (w *worker) receive(m wire.Message) error {
	b := make([]byte, wire.MaxMessage+1)
	n, _, flags, _, err := w.conn.ReadMsgUnix(b, nil)
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("the worker closed its socket")
	case err != nil:
		return err
	case flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0:
		return fmt.Errorf("%w: a message with descriptors or over %d bytes", errLie, wire.MaxMessage)
	}
	if err := wire.Decode(b[:n], m); err != nil {
		return fmt.Errorf("%w: %w", errLie, err)
	}
	return nil
}

// unfit returns why w can't be given another job, if it can't.
func (w *worker) unfit() end {
	if why := w.condemned.Load(); why != nil {
		return *why
	}
	if w.distrusted.Load() {
		return end{"distrusted", "made another picture than it was asked for"}
	}
	raw, err := w.conn.SyscallConn()
	if err != nil {
		return end{"unfit", err.Error()}
	}
	silent := false
	err = raw.Control(func(fd uintptr) {
		_, _, err := unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		silent = err == unix.EAGAIN
	})
	if err != nil || !silent {
		return end{"unfit", "spoke or ended without a job"}
	}
	return end{}
}

// kill kills the worker and waits for its end.
func (w *worker) kill() {
	w.conn.Close()
	// An error is that it has ended already.
	_ = w.cmd.Process.Kill()
	<-w.gone
}

// crash describes the end of a worker after an error of do or greet: its exit status, if
// it has ended, and its last words.
func (w *worker) crash(err error) string {
	if why := w.condemned.Load(); why != nil {
		return why.detail + w.log.quote()
	}
	// A closed socket is the first that is heard of an end.
	if !errors.Is(err, errLie) && !errors.Is(err, os.ErrDeadlineExceeded) {
		select {
		case <-w.gone:
			err = errors.New(w.cmd.ProcessState.String())
		case <-time.After(time.Second):
		}
	}
	return err.Error() + w.log.quote()
}

// tail keeps the last bytes of a worker's standard error.
type tail struct {
	mu sync.Mutex
	b  []byte
}

// Write never fails, so that a worker that writes without end is not held.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	t.b = append(t.b[:0], t.b[max(len(t.b)-maxWorkerLog, 0):]...)
	return len(p), nil
}

// quote returns the text since the last call as ": text", or nothing.
func (t *tail) quote() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := bytes.TrimSpace(t.b)
	if len(text) == 0 {
		return ""
	}
	quoted := fmt.Sprintf(": %q", text)
	t.b = nil
	return quoted
}
