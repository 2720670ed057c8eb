// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// orcCode is the variable that tells liborc how to run the code that it makes. libvips
// 8.14 resizes with liborc. liborc reads it before main runs, so a new value needs a new
// start.
const (
	orcCode    = "ORC_CODE"
	orcEmulate = "emulate"
)

// missingCode is for the log.
const missingCode = "memory for compiled code: resizing is slower, and thumbnails differ a little from those of other machines"

// settleCode starts the program anew, without liborc's compiled code, if liborc
// would find no memory to run that code from: it would abort. systemd's
// MemoryDenyWriteExecute together with a /tmp of noexec is such a place.
func settleCode() error {
	if os.Getenv(orcCode) != "" || !compiles() || codeMemory() {
		return nil
	}
	err := unix.Exec("/proc/self/exe", os.Args, append(os.Environ(), orcCode+"="+orcEmulate))
	return fmt.Errorf("start anew with %s=%s: %w", orcCode, orcEmulate, err)
}

// compiles reports whether liborc is there: from 8.15 on libvips may be built
// without it.
func compiles() bool {
	maps, err := os.ReadFile("/proc/self/maps")
	return err != nil || bytes.Contains(maps, []byte("/liborc-"))
}

// codeMissing names the abilities that settleCode had to give up.
func codeMissing() []string {
	if os.Getenv(orcCode) != orcEmulate {
		return nil
	}
	return []string{missingCode}
}

// codeMemory reports whether liborc can get memory for code: a file of its own mapped
// twice, or, if that fails, one mapping for both writing and running.
func codeMemory() bool {
	return mappedTwice() || runs(-1, unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
}

func mappedTwice() bool {
	f, err := os.CreateTemp("", "thumbd-render-")
	if err != nil {
		return false
	}
	defer f.Close()
	if os.Remove(f.Name()) != nil || f.Truncate(int64(os.Getpagesize())) != nil {
		return false
	}
	return runs(int(f.Fd()), 0, unix.MAP_SHARED)
}

// runs reports whether a page can be mapped from fd for reading, running, and the
// further protection that is asked for.
func runs(fd, protection, flags int) bool {
	p, err := unix.Mmap(fd, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_EXEC|protection, flags)
	if err == nil {
		_ = unix.Munmap(p)
	}
	return err == nil
}
