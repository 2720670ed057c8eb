// SPDX-License-Identifier: MIT

package rig

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// process is a program that was started and is waited for.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // of Wait, once done is closed
}

// start starts cmd. It is told to end when this program is gone, however that
// came about.
func start(cmd *exec.Cmd) (*process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	// Only this process gets a terminal's Ctrl-C: it stops all others in order.
	cmd.SysProcAttr.Setpgid = true
	cmd.SysProcAttr.Pdeathsig = syscall.SIGTERM
	// A worker that outlives a killed daemon for a moment keeps its stderr.
	cmd.WaitDelay = StopTime
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// Pdeathsig comes when the thread ends that started the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

func (p *process) name() string { return filepath.Base(p.cmd.Path) }

// stop sends sig and waits. It returns an error if the program ended with one,
// or had to be killed.
func (p *process) stop(sig syscall.Signal) error {
	// One that has ended already is an error of Signal; done tells it better.
	_ = p.cmd.Process.Signal(sig)
	select {
	case <-p.done:
	case <-time.After(StopTime):
		_ = p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("%s: killed, as it ran %s after signal %v", p.name(), StopTime, sig)
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w", p.name(), p.err)
	}
	return nil
}
