// SPDX-License-Identifier: MIT

package sandbox

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
)

// lacks names the protection that landlock lacks before a version of its kernel
// interface: of Linux 6.2, 6.7, 6.10 and 6.12. Protections of later versions are
// used, and not reported if they are missing.
var lacks = []struct {
	before int
	what   string
}{
	{3, "truncation"},
	{4, "TCP"},
	{5, "device ioctls"},
	{6, "abstract sockets"},
	{6, "signals"},
}

// lockFiles puts all threads under a landlock ruleset without rules and
// returns the missing protections.
func lockFiles() []string {
	abi, err := landlockABI()
	if err != nil {
		return []string{fmt.Sprintf("landlock: %v", err)}
	}
	// The library lists the threads there, and kills a process that can't.
	if _, err := os.ReadDir("/proc/self/task"); err != nil {
		return []string{fmt.Sprintf("landlock: find the threads: %v", err)}
	}
	if err := landlock.V11.BestEffort().Restrict(); err != nil {
		return []string{fmt.Sprintf("landlock: %v", err)}
	}
	return olderThan(abi)
}

// landlockABI returns the version of the kernel's interface, from 1.
func landlockABI() (int, error) {
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch errno {
	case 0:
		return int(v), nil
	case unix.ENOSYS:
		return 0, errors.New("the kernel does not have it")
	case unix.EOPNOTSUPP:
		return 0, errors.New("switched off when the kernel was started")
	}
	return 0, errno
}

func olderThan(abi int) []string {
	var open []string
	for _, l := range lacks {
		if abi < l.before {
			open = append(open, l.what)
		}
	}
	if len(open) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("landlock: version %d does not restrict %s", abi, strings.Join(open, ", "))}
}
