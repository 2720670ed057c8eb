// SPDX-License-Identifier: MIT

package render

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
)

// Bounds of a worker's process, unless Options has others.
const (
	lookTime  = time.Second
	idleCPU   = time.Second // of processor time in each idleWindow
	idleEvery = time.Minute
)

// mostThreads is the most threads of an honest worker: the threads of Go's runtime, and
// two for each processor, if a decoder starts so many. thumbd-render on a machine with
// 2 processors has 10 to 20.
func mostThreads() int { return 64 + 2*runtime.NumCPU() }

// usage is the use of resources by a worker's process, as the kernel counts it.
type usage struct {
	threads int
	cpu     time.Duration
}

// openStat opens the kernel's record of a process. It must be opened before
// the process makes itself undumpable: systemd's ProtectProc=invisible then
// hides the process from the daemon. An open record stays readable.
func openStat(pid int) (*os.File, error) { return os.Open(fmt.Sprintf("/proc/%d/stat", pid)) }

// readUsage reads a record of openStat, proc_pid_stat(5), such as
// "7 (thumbd-render) S 1 …".
func readUsage(stat *os.File) (usage, error) {
	b := make([]byte, 1024)
	n, err := stat.ReadAt(b, 0)
	if n == 0 {
		return usage{}, err
	}
	// The name in brackets may hold anything, brackets too.
	fields := bytes.Fields(b[bytes.LastIndexByte(b[:n], ')')+1 : n])
	const user, system, threads = 14 - 3, 15 - 3, 20 - 3
	if len(fields) <= threads {
		return usage{}, errors.New("a record of a process that is cut off")
	}
	var values [3]int64
	for i, at := range []int{user, system, threads} {
		if values[i], err = strconv.ParseInt(string(fields[at]), 10, 64); err != nil {
			return usage{}, err
		}
	}
	// USER_HZ is 100 on each architecture that thumbd is built for.
	const tick = time.Second / 100
	return usage{threads: int(values[2]), cpu: time.Duration(values[0]+values[1]) * tick}, nil
}

// guard looks at all workers, the spare one too, until done is closed.
func (p *Pool) guard(done <-chan struct{}) {
	ticker := time.NewTicker(p.options.Look)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case now := <-ticker.C:
			p.look(now)
		}
	}
}

// look kills each worker that has too many threads or works without a job.
func (p *Pool) look(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := range p.alive {
		if w.ended() {
			delete(p.alive, w)
			continue
		}
		_, busy := p.running[w]
		if why := w.misbehaves(busy, p.options, now); why.detail != "" {
			w.condemn(why)
		}
	}
}

// misbehaves returns why w has to go, if it has. The caller holds Pool.mu.
func (w *worker) misbehaves(busy bool, o Options, now time.Time) end {
	u, err := readUsage(w.stat)
	switch {
	case err != nil:
		return end{} // It has ended.
	case u.threads > o.Threads:
		return end{"threads", fmt.Sprintf("has %d threads, more than %d", u.threads, o.Threads)}
	case busy:
		w.idleSince = time.Time{}
		return end{}
	case w.idleSince.IsZero() || now.Sub(w.idleSince) > idleEvery:
		w.idleSince, w.idleUsed = now, u.cpu
		return end{}
	case u.cpu-w.idleUsed > o.IdleCPU:
		return end{"spun", fmt.Sprintf("used %v of processor time without a job", u.cpu-w.idleUsed)}
	}
	return end{}
}

// condemn kills w for a reason that unfit, crash and the pool then tell.
func (w *worker) condemn(why end) {
	w.condemned.CompareAndSwap(nil, &why)
	// An error is that it has ended already.
	_ = w.cmd.Process.Kill()
}

// ended reports whether w's process has ended.
func (w *worker) ended() bool {
	select {
	case <-w.gone:
		return true
	default:
		return false
	}
}
