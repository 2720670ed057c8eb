// SPDX-License-Identifier: MIT

package sandbox

import (
	"runtime/debug"
	"unsafe"

	"golang.org/x/sys/unix"
)

// archAttempts has the ways of an x86-64 processor into the kernel that number
// system calls differently.
func archAttempts() map[string]attempt {
	return map[string]attempt{
		"call as i386": {killed: true, prepare: func() func() error {
			f := code(
				0xb8, 20, 0, 0, 0, // mov eax, getpid
				0xcd, 0x80, // int 0x80
				0xc3, // ret
			)
			return func() (err error) {
				defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
				defer func() {
					if recover() != nil {
						err = errNoEntry
					}
				}()
				f()
				return nil
			}
		}},
		"call as x32":          fatal("any", func() error { return call(x32 | unix.SYS_GETPID) }),
		"fork by its own call": fatal("", func() error { return forked(unix.SYS_FORK, 0) }),
	}
}

// code returns a function of the given machine code.
func code(b ...byte) func() {
	p := must(page())
	copy(p, b)
	must(0, unix.Mprotect(p, unix.PROT_READ|unix.PROT_EXEC))
	// A function's value points to a pointer to its code.
	entry := unsafe.Pointer(&p[0])
	value := unsafe.Pointer(&entry)
	return *(*func())(unsafe.Pointer(&value))
}
