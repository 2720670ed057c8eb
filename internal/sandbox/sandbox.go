// SPDX-License-Identifier: MIT

// Package sandbox takes from a process what a worker does not need: files,
// network, other processes, new programs and new code.
//
// It is two walls, each complete for files and connections. The seccomp filter
// (policy.go) lets through the system calls that rendering was measured to
// make, and no others; landlock, with no rule at all, is what is left of the
// file system should a call be let through that should not be. What stays:
// the descriptors that the process has or is handed, memory, threads, time,
// its own /proc/PID/task as a list, and the code memory that liborc made in
// the warm-up. Other processes of the user can't look into it either: it is not
// dumpable.
package sandbox

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// Enter shuts the process in: all of its threads, and those to come, for good.
// Where the kernel, or a filter that the process was started under, lacks a
// protection, missing has a short text for the log, and the others are in
// force all the same. After an error the process is not safe and has to end.
func Enter() (missing []string, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// Both walls ask for it. The filter brings it to the other threads.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("give up new privileges: %w", err)
	}
	missing = lockFiles()
	// Landlock's library had to read /proc/self.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("forbid others to look in: %w", err)
	}
	lacks, err := lockCalls()
	return append(missing, lacks...), err
}
