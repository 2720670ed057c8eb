// SPDX-License-Identifier: MIT

package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// attempt is something that a worker must not do.
type attempt struct {
	// prepare gets ready, before the walls, what try needs.
	prepare func() (try func() error)
	killed  bool // behind the walls; else refused with an error
	// open says what becomes of it without them: "" for done. Where that
	// depends on user, machine or kernel, it is "any": any answer of the
	// kernel's own.
	open string
}

// errNoEntry is the result of an attempt by a way into the kernel that this
// kernel does not have, such as int 0x80 without CONFIG_IA32_EMULATION.
const errNoEntry = unix.ENOEXEC

// direct is an attempt that needs no preparation.
func direct(try func() error) attempt {
	return attempt{prepare: func() func() error { return try }}
}

// fatal is direct for what kills.
func fatal(open string, try func() error) attempt {
	return attempt{prepare: func() func() error { return try }, killed: true, open: open}
}

// held is an attempt on a descriptor that is there before the walls are.
func held(open func() (int, error), try func(fd int) error) attempt {
	return attempt{prepare: func() func() error {
		fd := must(open())
		return func() error { return try(fd) }
	}}
}

func must[T any](v T, err error) T {
	if err != nil {
		fmt.Println("fault: prepare:", err)
		unix.Exit(0)
	}
	return v
}

// call makes a system call for its error alone.
func call(number uintptr, arguments ...uintptr) error {
	var a [6]uintptr
	copy(a[:], arguments)
	if _, _, errno := unix.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
		return errno
	}
	return nil
}

func openOnce(path string, flags int) error {
	fd, err := unix.Open(path, flags, 0o600)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func folder() (int, error) { return unix.Open(".", unix.O_RDONLY|unix.O_DIRECTORY, 0) }
func itself() (int, error) { return unix.Open("/proc/self/exe", unix.O_RDONLY, 0) }
func page() ([]byte, error) {
	return unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
}

func socket(domain, kind int) func() (int, error) {
	return func() (int, error) { return unix.Socket(domain, kind, 0) }
}

// needs are what a worker goes on doing.
func needs() map[string]attempt {
	return map[string]attempt{
		"nothing": direct(func() error { return nil }),
		// As C's abort does, whatever Go makes of the signal.
		"abort": direct(func() error {
			_ = call(unix.SYS_RT_SIGACTION, uintptr(unix.SIGABRT), uintptr(unsafe.Pointer(new([4]uint64))), 0, 8)
			return unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGABRT)
		}),
	}
}

// attempts returns all of them by name.
func attempts() map[string]attempt {
	m := make(map[string]attempt)
	for _, group := range []map[string]attempt{fileAttempts(), socketAttempts(), memoryAttempts(), processAttempts(), kernelAttempts(), archAttempts()} {
		maps.Copy(m, group)
	}
	return m
}

func fileAttempts() map[string]attempt {
	return map[string]attempt{
		"open a file for reading":            direct(func() error { return openOnce("/etc/passwd", unix.O_RDONLY) }),
		"open a folder by its relative name": direct(func() error { return openOnce(".", unix.O_RDONLY) }),
		"make a file":                        direct(func() error { return openOnce("made", unix.O_CREAT|unix.O_WRONLY) }),
		"make a file without a name": {open: "any", prepare: func() func() error {
			return func() error { return openOnce(".", unix.O_TMPFILE|unix.O_WRONLY) }
		}},
		"open a device for writing":           direct(func() error { return openOnce("/dev/null", unix.O_WRONLY) }),
		"open the processes' list":            direct(func() error { return openOnce("/proc/self/maps", unix.O_RDONLY) }),
		"open a file below an open folder":    held(folder, func(fd int) error { return close1(unix.Openat(fd, ".", unix.O_RDONLY, 0)) }),
		"open a file by openat2":              direct(func() error { return close1(unix.Openat2(unix.AT_FDCWD, ".", &unix.OpenHow{})) }),
		"list an open folder":                 held(folder, func(fd int) error { _, err := unix.Getdents(fd, make([]byte, 4096)); return err }),
		"look a name up":                      direct(func() error { return unix.Fstatat(unix.AT_FDCWD, "/etc/passwd", new(unix.Stat_t), 0) }),
		"look a name up by statx":             direct(func() error { return unix.Statx(unix.AT_FDCWD, "/etc/passwd", 0, unix.STATX_SIZE, new(unix.Statx_t)) }),
		"ask whether a file may be read":      direct(func() error { return unix.Access("/etc/passwd", unix.R_OK) }),
		"make a folder":                       direct(func() error { _ = os.Remove("folder"); return unix.Mkdir("folder", 0o700) }),
		"make a link":                         direct(func() error { return unix.Symlink("to", fmt.Sprint("link", unix.Gettid())) }),
		"go to another folder":                direct(func() error { return unix.Chdir("/") }),
		"change an open folder's permissions": held(folder, func(fd int) error { return unix.Fchmod(fd, 0o777) }),
		"make a memory file":                  direct(func() error { return close1(unix.MemfdCreate("x", 0)) }),
		"control a device":                    held(folder, func(fd int) error { _, err := unix.IoctlGetInt(fd, unix.FS_IOC_GETFLAGS); return anyAnswer(err) }),
	}
}

// close1 closes what an attempt has opened.
func close1(fd int, err error) error {
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// anyAnswer makes nothing of errors that only the kernel itself gives.
func anyAnswer(err error) error {
	if errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) {
		return nil
	}
	return err
}

func socketAttempts() map[string]attempt {
	inet := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	bound := func(then func(fd int) error) attempt {
		a := held(socket(unix.AF_INET, unix.SOCK_STREAM), then)
		a.killed = true
		return a
	}
	return map[string]attempt{
		"make an internet socket": fatal("", func() error { return close1(unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)) }),
		"make a unix socket":      fatal("", func() error { return close1(unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)) }),
		"make a netlink socket":   fatal("", func() error { return close1(unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW, 0)) }),
		"bind a socket":           bound(func(fd int) error { return unix.Bind(fd, inet) }),
		"connect a socket": {killed: true, prepare: func() func() error {
			fd, to := abstract()
			return func() error { return unix.Connect(fd, to) }
		}},
		"listen at a socket": bound(func(fd int) error { return unix.Listen(fd, 1) }),
		"accept a connection": {killed: true, open: "EINVAL", prepare: func() func() error {
			fd := must(unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0))
			return func() error { return call(unix.SYS_ACCEPT4, uintptr(fd), 0, 0, 0) }
		}},
		"make a pair of sockets": direct(func() error { _, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0); return err }),
		"send a descriptor": {prepare: func() func() error {
			pair := must(unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET, 0))
			return func() error { return unix.Sendmsg(pair[0], []byte("x"), unix.UnixRights(0), nil, 0) }
		}},
		"send to an address": {prepare: func() func() error {
			fd := must(unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0))
			_, to := abstractOf(unix.SOCK_DGRAM)
			return func() error { return unix.Sendto(fd, []byte("x"), 0, to) }
		}},
	}
}

// abstract returns a fresh socket and the address of one that listens.
func abstract() (int, unix.Sockaddr) { return abstractOf(unix.SOCK_STREAM) }

func abstractOf(kind int) (int, unix.Sockaddr) {
	name := &unix.SockaddrUnix{Name: fmt.Sprintf("@thumbd-sandbox-%d", os.Getpid())}
	server := must(unix.Socket(unix.AF_UNIX, kind, 0))
	must(0, unix.Bind(server, name))
	if kind == unix.SOCK_STREAM {
		must(0, unix.Listen(server, 5))
	}
	return must(unix.Socket(unix.AF_UNIX, kind, 0)), name
}

func memoryAttempts() map[string]attempt {
	return map[string]attempt{
		"map memory to run": direct(func() error {
			_, err := unix.Mmap(-1, 0, 1, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
			return err
		}),
		"map memory to write and run": direct(func() error {
			_, err := unix.Mmap(-1, 0, 1, unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
			return err
		}),
		"map memory beyond the limit": direct(func() error {
			_, err := unix.Mmap(-1, 0, 1, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
			return err
		}),
		"map memory as a stack": direct(func() error {
			_, err := unix.Mmap(-1, 0, 1, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_GROWSDOWN)
			return err
		}),
		"map an open file to run": held(itself, func(fd int) error {
			_, err := unix.Mmap(fd, 0, 1, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE)
			return err
		}),
		"make memory runnable": {prepare: func() func() error {
			p := must(page())
			return func() error { return unix.Mprotect(p, unix.PROT_READ|unix.PROT_EXEC) }
		}},
		"make all memory runnable": direct(func() error {
			const readImpliesExec = 0x0400000
			return call(unix.SYS_PERSONALITY, readImpliesExec)
		}),
		"break memory": {open: "any", prepare: func() func() error {
			p := must(page())
			return func() error { return unix.Madvise(p[:0], unix.MADV_HWPOISON) }
		}},
	}
}

func processAttempts() map[string]attempt {
	parent := os.Getppid()
	word := []byte("word")
	into := []unix.Iovec{{Base: &word[0], Len: 1}}
	from := []unix.RemoteIovec{{Base: uintptr(unsafe.Pointer(&word[1])), Len: 1}}
	self := os.Getpid()
	return map[string]attempt{
		"run a program in its place": fatal("", func() error {
			return unix.Exec("/bin/echo", []string{"echo", "done"}, nil)
		}),
		"run an open program in its place": fatal("EFAULT", func() error {
			return call(unix.SYS_EXECVEAT, ^uintptr(0), 1, 0, 0, unix.AT_EMPTY_PATH)
		}),
		"start a program": direct(func() error { return exec.Command("/bin/true").Run() }),
		"fork":            fatal("", func() error { return forked(unix.SYS_CLONE, uintptr(unix.SIGCHLD)) }),
		"fork and wait": fatal("", func() error {
			return forked(unix.SYS_CLONE, uintptr(unix.SIGCHLD)|unix.CLONE_VFORK)
		}),
		"fork by clone3": direct(func() error { return anyAnswer(call(unix.SYS_CLONE3, 0, 0)) }),
		// Not traced, it is no such process.
		"trace":                      fatal("ESRCH", func() error { return call(unix.SYS_PTRACE, unix.PTRACE_PEEKDATA, uintptr(self)) }),
		"trace the parent":           fatal("any", func() error { return call(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(parent)) }),
		"read a process's memory":    fatal("", func() error { _, err := unix.ProcessVMReadv(self, into, from, 0); return err }),
		"write a process's memory":   fatal("", func() error { _, err := unix.ProcessVMWritev(self, into, from, 0); return err }),
		"signal the parent":          direct(func() error { return unix.Kill(parent, 0) }),
		"signal the parent's thread": direct(func() error { return unix.Tgkill(parent, parent, 0) }),
		"signal every process":       {open: "any", prepare: func() func() error { return func() error { return unix.Kill(-parent, 0) } }},
		"signal by a descriptor":     held(func() (int, error) { return unix.PidfdOpen(parent, 0) }, func(fd int) error { return unix.PidfdSendSignal(fd, 0, nil, 0) }),
		"set a limit":                direct(func() error { return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) }),
		"set its priority":           direct(func() error { return unix.Setpriority(unix.PRIO_PROCESS, 0, 19) }),
		"become another user":        direct(func() error { return call(unix.SYS_SETUID, uintptr(os.Getuid())) }),
		"be seen by debuggers":       direct(func() error { return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) }),
		"have its signals sent on":   held(folder, func(fd int) error { _, err := unix.FcntlInt(uintptr(fd), unix.F_SETOWN, self); return err }),
		"lock memory":                {open: "any", prepare: func() func() error { p := must(page()); return func() error { return unix.Mlock(p) } }},
	}
}

// forked calls fork or clone, and waits for the child, which ends at once.
func forked(call, flags uintptr) error {
	pid, errno := fork(call, flags)
	if errno != 0 {
		return errno
	}
	_, err := unix.Wait4(int(pid), nil, 0, nil)
	return err
}

// fork returns in the parent alone. The child has one thread and no scheduler: a
// function that looks for room on its stack could wait there for ever, as it also looks
// if another goroutine is to run.
//
//go:norace
//go:nosplit
func fork(call, flags uintptr) (pid uintptr, errno unix.Errno) {
	pid, _, errno = unix.RawSyscall6(call, flags, 0, 0, 0, 0, 0)
	if pid == 0 && errno == 0 {
		_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	return pid, errno
}

func kernelAttempts() map[string]attempt {
	m := map[string]attempt{
		"mount": fatal("any", func() error {
			if err := unix.Mount("none", ".", "tmpfs", 0, ""); err != nil {
				return err
			}
			return unix.Unmount(".", unix.MNT_DETACH)
		}),
		"move to a namespace of its own": fatal("", func() error {
			runtime.LockOSThread()
			return unix.Unshare(unix.CLONE_FS)
		}),
	}
	for name, number := range map[string]uintptr{
		"unmount": unix.SYS_UMOUNT2, "change the root": unix.SYS_CHROOT, "pivot the root": unix.SYS_PIVOT_ROOT,
		"open a tree": unix.SYS_OPEN_TREE, "move a mount": unix.SYS_MOVE_MOUNT, "open a file system": unix.SYS_FSOPEN,
		"join a namespace": unix.SYS_SETNS, "load a module": unix.SYS_INIT_MODULE, "load an open module": unix.SYS_FINIT_MODULE,
		"load a kernel": unix.SYS_KEXEC_LOAD, "load a BPF program": unix.SYS_BPF, "count events": unix.SYS_PERF_EVENT_OPEN,
		"set a ring up": unix.SYS_IO_URING_SETUP, "use a key": unix.SYS_KEYCTL, "add a key": unix.SYS_ADD_KEY,
		"request a key": unix.SYS_REQUEST_KEY, "open by a handle": unix.SYS_OPEN_BY_HANDLE_AT,
	} {
		// No arguments make sense of these, and none are needed to be killed.
		m[name] = fatal("any", func() error { return call(number, ^uintptr(0), 0, 0, 0, 0, 0) })
	}
	m["handle page faults"] = fatal("any", func() error { return close1(raw(unix.SYS_USERFAULTFD, 1)) })
	return m
}

func raw(number, argument uintptr) (int, error) {
	fd, _, errno := unix.Syscall(number, argument, 0, 0)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}
