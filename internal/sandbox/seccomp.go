// SPDX-License-Identifier: MIT

package sandbox

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// action is the kernel's answer to a system call, seccomp(2).
type action uint32

const (
	allow  action = unix.SECCOMP_RET_ALLOW
	refuse action = unix.SECCOMP_RET_ERRNO | action(unix.EPERM)
	absent action = unix.SECCOMP_RET_ERRNO | action(unix.ENOSYS)
	kill   action = unix.SECCOMP_RET_KILL_PROCESS
)

// rule is the action for a system call if its arguments pass all tests. The first rule
// that fits decides.
type rule struct {
	call   uintptr
	action action
	tests  []test
}

// test looks at half an argument: the kernel takes 32 bits of most arguments, and
// ignores the rest of the register.
type test struct {
	word, mask, want uint32
}

// low returns the word with the lower 32 bits of argument n, and high the word
// with the upper 32 bits. All architectures here are little-endian.
func low(n uint32) uint32  { return 16 + 8*n }
func high(n uint32) uint32 { return 20 + 8*n }

// Offsets in struct seccomp_data.
const (
	callWord = 0
	archWord = 4
)

// x32 is the lowest system call of x32, a variety of x86-64 with the same
// architecture in struct seccomp_data. No other architecture has such high numbers.
const x32 = 0x4000_0000

// compile makes a program of rules. If a call is of another architecture, it kills the
// process. If a call has no rule, the answer is absent from the number newer on, and
// fallback below it.
func compile(rules []rule, newer uint32, fallback action) []unix.SockFilter {
	p := []unix.SockFilter{
		load(archWord),
		jump(unix.BPF_JEQ, nativeArch, 1, 0),
		end(kill),
		load(callWord),
		jump(unix.BPF_JGE, x32, 0, 1),
		end(kill),
	}
	for _, r := range rules {
		p = append(p, r.compile()...)
	}
	return append(p,
		jump(unix.BPF_JGE, newer, 0, 1),
		end(absent),
		end(fallback),
	)
}

// compile returns r's part of the program. It begins and ends with the call's number
// loaded.
func (r rule) compile() []unix.SockFilter {
	const perTest = 3
	rest := uint8(perTest*len(r.tests) + 1)
	if len(r.tests) == 0 {
		return []unix.SockFilter{jump(unix.BPF_JEQ, uint32(r.call), 0, rest), end(r.action)}
	}
	p := []unix.SockFilter{jump(unix.BPF_JEQ, uint32(r.call), 0, rest+1)}
	for _, t := range r.tests {
		rest -= perTest
		p = append(p,
			load(t.word),
			unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: t.mask},
			jump(unix.BPF_JEQ, t.want, 0, rest),
		)
	}
	return append(p, end(r.action), load(callWord))
}

func load(word uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: word}
}

func jump(condition uint16, k uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | condition | unix.BPF_K, Jt: yes, Jf: no, K: k}
}

func end(a action) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: uint32(a)}
}

// lockCalls puts all threads under the policy, or returns the missing protection.
func lockCalls() (missing []string, err error) {
	// Since Linux 4.14, as everything else here.
	wanted := kill
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&wanted)))
	if errno != 0 {
		return []string{fmt.Sprintf("seccomp: %v", errno)}, nil
	}
	if err := install(compile(policy(os.Getpid()), newCalls, refuse)); err != nil {
		return nil, fmt.Errorf("restrict system calls: %w", err)
	}
	return nil, nil
}

// install puts all threads under a program, in addition to the programs that they
// have already.
func install(p []unix.SockFilter) error {
	program := unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	runtime.KeepAlive(p)
	if errno != 0 {
		return errno
	}
	if thread != 0 {
		return errors.New("a thread is under another filter")
	}
	return nil
}
