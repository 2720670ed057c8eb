// SPDX-License-Identifier: MIT

// Package sandbox takes files, network, other processes, new programs and new code
// from a process: a worker needs none of them.
//
// It is two walls, each complete for files and connections. The seccomp filter
// (policy.go) lets through the system calls that rendering was measured to
// make, and no others. Landlock has no rule: if the filter ever lets a call with a
// path through, the file system is closed all the same. The process keeps its
// descriptors, received descriptors, memory, threads, time, its own /proc/PID/task
// as a list, and the code memory that liborc made in the warm-up. Other processes
// of the user can't look into it either: it is not dumpable.
package sandbox

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// Enter shuts the process in for good: all of its threads, and all later threads.
// If the kernel lacks a protection, or a filter of the parent forbids it, missing
// has a text for the log, "landlock: version 4 does not restrict device ioctls",
// and the other protections are in force. After an error the process is not safe
// and has to end.
func Enter() (missing []string, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// Both walls need no_new_privs. The filter sets it for the other threads.
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
