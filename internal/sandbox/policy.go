// SPDX-License-Identifier: MIT

package sandbox

import (
	"slices"

	"golang.org/x/sys/unix"
)

// newCalls is the first number of the calls that all architectures share, since
// Linux 5.1. If the kernel answers that it lacks such a call, libraries fall back
// to older calls: clone3 becomes clone. No filter can see the flags of clone3.
const newCalls = unix.SYS_PIDFD_SEND_SIGNAL

// killed are system calls that nothing in a worker makes by mistake.
var killed = []uintptr{
	unix.SYS_EXECVE, unix.SYS_EXECVEAT,
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV,
	unix.SYS_SOCKET, unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_LISTEN, unix.SYS_ACCEPT, unix.SYS_ACCEPT4,
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT,
	unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE, unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT,
	unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR, unix.SYS_UNSHARE, unix.SYS_SETNS,
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
	unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_REBOOT,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD,
	unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL,
	unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_PIDFD_GETFD,
}

// allowed are system calls with any arguments: the calls of renders of every
// format, good and damaged, of Go's runtime, and of glibc when a process ends
// badly.
var allowed = []uintptr{
	// Calls on open descriptors. Not newfstatat, because it takes paths.
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV,
	unix.SYS_PREAD64, unix.SYS_PWRITE64, unix.SYS_LSEEK, unix.SYS_FSTAT,
	unix.SYS_FTRUNCATE, unix.SYS_DUP, unix.SYS_CLOSE,
	// Not sendmsg, because it can send descriptors.
	unix.SYS_RECVMSG,
	unix.SYS_PPOLL, unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EVENTFD2,

	unix.SYS_BRK, unix.SYS_MUNMAP, unix.SYS_MREMAP,

	unix.SYS_FUTEX, unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ,
	unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY,
	unix.SYS_GETPID, unix.SYS_GETTID, unix.SYS_EXIT, unix.SYS_EXIT_GROUP,

	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN,
	unix.SYS_SIGALTSTACK, unix.SYS_RESTART_SYSCALL,

	// If the vDSO can't read the machine's clock, these are real calls.
	unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_GETTIMEOFDAY,
	unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP,

	// glibc's qsort asks for the size of memory.
	unix.SYS_GETRANDOM, unix.SYS_SYSINFO, unix.SYS_UNAME, unix.SYS_GETRUSAGE,
}

const (
	all = ^uint32(0)
	// From 100 up, madvise breaks hardware on purpose.
	harmlessAdvice = 31
	// clone needs threadFlags and must have none of otherFlags: it makes a thread.
	threadFlags = unix.CLONE_THREAD
	otherFlags  = unix.CLONE_VFORK | unix.CLONE_PTRACE | unix.CLONE_UNTRACED | unix.CLONE_PARENT |
		unix.CLONE_PIDFD | unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS |
		unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET
)

// policy returns the rules for the process pid.
func policy(pid int) []rule {
	var rules []rule
	for _, call := range allowed {
		rules = append(rules, rule{call: call, action: allow})
	}
	rules = append(rules, limited(uint32(pid))...)
	for _, call := range slices.Concat(killed, legacyKilled) {
		rules = append(rules, rule{call: call, action: kill})
	}
	return append(rules, rule{call: unix.SYS_CLONE, action: kill})
}

// limited returns the rules for calls that are needed with some arguments.
func limited(pid uint32) []rule {
	noCode := test{low(2), unix.PROT_EXEC, 0}
	rules := []rule{
		// RLIMIT_DATA counts neither shared memory nor stacks that grow.
		{unix.SYS_MMAP, allow, []test{noCode, {low(3), unix.MAP_SHARED | unix.MAP_GROWSDOWN, 0}}},
		{unix.SYS_MMAP, allow, []test{noCode, {low(3), unix.MAP_ANONYMOUS | unix.MAP_GROWSDOWN, 0}}},
		{unix.SYS_MPROTECT, allow, []test{noCode}},
		{unix.SYS_MADVISE, allow, []test{{low(2), all &^ harmlessAdvice, 0}}},
		{unix.SYS_CLONE, allow, []test{{low(0), threadFlags | otherFlags, threadFlags}}},
		{unix.SYS_SENDTO, allow, []test{{low(4), all, 0}, {high(4), all, 0}}},
		// glibc's getrlimit: no new limits.
		{unix.SYS_PRLIMIT64, allow, []test{{low(2), all, 0}, {high(2), all, 0}, {low(0), all, 0}}},
		{unix.SYS_TGKILL, allow, []test{{low(0), all, pid}}},
		{unix.SYS_KILL, allow, []test{{low(0), all, pid}}},
	}
	for _, option := range []uint32{unix.PR_SET_NAME, unix.PR_SET_VMA} {
		rules = append(rules, rule{unix.SYS_PRCTL, allow, []test{{low(0), all, option}}})
	}
	for _, command := range []uint32{unix.F_GETFD, unix.F_SETFD, unix.F_GETFL, unix.F_SETFL, unix.F_DUPFD_CLOEXEC} {
		rules = append(rules, rule{unix.SYS_FCNTL, allow, []test{{low(1), all, command}}})
	}
	return rules
}
