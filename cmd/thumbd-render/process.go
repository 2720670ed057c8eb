// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"thumbd/internal/render/wire"
)

// mostFiles is the number of files of a job, with watermarks, and of some that the
// runtime and libvips open.
const mostFiles = 1 + 2*wire.MaxOutputs + 32

// limit bounds the memory of the process in bytes, unless memory is 0, and its open files
// to those of a job. It also forbids core files, because they would have an original's
// pixels.
func limit(memory uint64) error {
	if memory > 0 {
		// RLIMIT_AS would count memory that Go and libvips reserve and never use.
		l := unix.Rlimit{Cur: memory, Max: memory}
		if err := unix.Setrlimit(unix.RLIMIT_DATA, &l); err != nil {
			return fmt.Errorf("limit memory to %d bytes: %w", memory, err)
		}
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: mostFiles, Max: mostFiles}); err != nil {
		return fmt.Errorf("limit open files to %d: %w", mostFiles, err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbid core files: %w", err)
	}
	return nil
}

// offer makes the process the first that the kernel's OOM killer takes, if it is
// allowed to: a worker is replaced, the daemon is not.
func offer() {
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
}
