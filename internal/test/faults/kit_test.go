// SPDX-License-Identifier: MIT

// Package faults tests the built programs behind nginx while disks, shares,
// workers and processes fail. Many of its tests need root, mounts, FUSE or strace.
//
// It is larger than other packages because each kind of failure has a file, and the ways to
// cause them are shared: a worker that waits at a gate, a disk that fails, a share that
// hangs, a system call that strace makes fail.
package faults

import (
	"testing"

	"thumbd/internal/test/kit"
)

func TestMain(m *testing.M) { kit.Main(m) }
