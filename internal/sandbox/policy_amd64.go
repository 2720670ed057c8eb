// SPDX-License-Identifier: MIT

package sandbox

import "golang.org/x/sys/unix"

const nativeArch = unix.AUDIT_ARCH_X86_64

// legacyKilled are old calls; newer architectures have only clone.
var legacyKilled = []uintptr{unix.SYS_FORK, unix.SYS_VFORK}
