// SPDX-License-Identifier: MIT

package sandbox

import "golang.org/x/sys/unix"

const nativeArch = unix.AUDIT_ARCH_AARCH64

var legacyKilled []uintptr
