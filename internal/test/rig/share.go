// SPDX-License-Identifier: MIT

package rig

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// HungShare is a mount that nobody serves (autofs): a process that looks up a name in
// it waits in the kernel, as on a hard NFS mount whose server is away. A signal that
// kills the process ends the wait.
type HungShare struct {
	dir         string
	root        *os.File
	read, write *os.File
	exempt      *exec.Cmd
}

// HangShare mounts one on dir until Release. The caller must not look into dir
// meanwhile. It needs root.
func HangShare(dir string) (_ *HungShare, err error) {
	h := &HungShare{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("hang %s: %w", dir, err), h.end())
		}
	}()
	// autofs lets the processes of one group pass. This one looks up nothing.
	h.exempt = exec.Command("sleep", "infinity")
	h.exempt.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := h.exempt.Start(); err != nil {
		return nil, err
	}
	if h.read, h.write, err = os.Pipe(); err != nil {
		return nil, err
	}
	options := fmt.Sprintf("fd=%d,pgrp=%d,minproto=5,maxproto=5,indirect", h.write.Fd(), h.exempt.Process.Pid)
	if err := unix.Mount("auto", dir, "autofs", 0, options); err != nil {
		return nil, os.NewSyscallError("mount", err)
	}
	if h.root, err = os.Open(dir); err != nil {
		return nil, errors.Join(err, unix.Unmount(dir, unix.MNT_DETACH))
	}
	return h, nil
}

// Release unmounts it: each process that waits gets an error, and the former content
// of the folder is there again. A second Release does nothing.
func (h *HungShare) Release() error {
	if h.root == nil {
		return nil
	}
	const catatonic = 0x9362 // AUTOFS_IOC_CATATONIC
	var errs []error
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, h.root.Fd(), catatonic, 0); errno != 0 {
		errs = append(errs, os.NewSyscallError("ioctl", errno))
	}
	errs = append(errs, h.root.Close(), os.NewSyscallError("umount", unix.Unmount(h.dir, unix.MNT_DETACH)), h.end())
	h.root = nil
	return errors.Join(errs...)
}

// end closes the pipe and ends the process.
func (h *HungShare) end() error {
	var errs []error
	for _, f := range []*os.File{h.read, h.write} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	if h.exempt.Process != nil {
		errs = append(errs, h.exempt.Process.Kill())
		_ = h.exempt.Wait() // it was killed
	}
	return errors.Join(errs...)
}
