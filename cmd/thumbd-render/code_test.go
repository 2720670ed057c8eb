// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// withoutCode starts the real worker under a filter like that of systemd's
// MemoryDenyWriteExecute, and where /tmp can't hold code as well if noexec.
func withoutCode(noexec bool) error {
	const (
		protection = 16 + 2*8
		flags      = 16 + 3*8
		ld         = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		jeq        = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		jset       = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
		ret        = unix.BPF_RET | unix.BPF_K
	)
	shared := uint32(0)
	if noexec {
		shared = unix.MAP_SHARED
	}
	filter := []unix.SockFilter{
		{Code: ld},
		{Code: jeq, K: unix.SYS_MPROTECT, Jt: 6},
		{Code: jeq, K: unix.SYS_MMAP, Jf: 7},
		{Code: ld, K: protection},
		{Code: jset, K: unix.PROT_EXEC, Jf: 5},
		{Code: jset, K: unix.PROT_WRITE, Jt: 5},
		{Code: ld, K: flags},
		{Code: jset, K: shared, Jt: 3, Jf: 2},
		{Code: ld, K: protection},
		{Code: jset, K: unix.PROT_EXEC, Jt: 1},
		{Code: ret, K: unix.SECCOMP_RET_ALLOW},
		{Code: ret, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program))); errno != 0 {
		return errno
	}
	env := slices.DeleteFunc(os.Environ(), func(e string) bool { return e == asWorker+"="+os.Getenv(asWorker) })
	return unix.Exec("/proc/self/exe", os.Args, append(env, asWorker+"=shut"))
}

// TestWithoutCode has workers render where liborc may not run what it compiles.
func TestWithoutCode(t *testing.T) {
	if !compiles() {
		t.Log("this libvips does not compile code")
	}
	for _, c := range []struct {
		kind    string
		missing bool
	}{
		{"without-code", false},
		{"without-code noexec", compiles()},
	} {
		t.Run(c.kind, func(t *testing.T) {
			w := startWorkerAs(t, c.kind)
			if got := slices.Equal(w.hello.Missing[max(0, len(w.hello.Missing)-1):], []string{missingCode}); got != c.missing {
				t.Errorf("missing: %q", w.hello.Missing)
			}
			data := photo(t)
			w.send(t, encode(t, job(1, thumb.Transform{Width: 64, Method: thumb.Fit, Format: thumb.PNG})),
				memfd(t, data, int64(len(data))), memfd(t, nil, 1<<20))
			var reply wire.Reply
			w.receive(t, &reply)
			if r := reply.Results[0]; r.Failure != "" || r.Width != 64 {
				t.Errorf("got %+v", r)
			}
		})
	}
}
