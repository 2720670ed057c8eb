// SPDX-License-Identifier: MIT

// Package faults tests the built programs behind nginx while disks, shares,
// workers and processes fail. Many of its tests need root, mounts, FUSE or strace.
package faults

import (
	"testing"

	"thumbd/internal/test/kit"
)

func TestMain(m *testing.M) { kit.Main(m) }
