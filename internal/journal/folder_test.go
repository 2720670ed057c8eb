// SPDX-License-Identifier: MIT

package journal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The group can read and write the folders, and read the files.
func TestModes(t *testing.T) {
	top := t.TempDir()
	f, ctx := NewFolder(top), t.Context()
	if err := f.Make(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Put(ctx, entries+"a", nil); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]uint32{"journal": unix.S_IFDIR | 0o2770, "nodes": unix.S_IFDIR | 0o2770, "journal/a": unix.S_IFREG | 0o640} {
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(top, path), &st); err != nil || st.Mode != want {
			t.Errorf("%s has mode %o, want %o, %v", path, st.Mode, want, err)
		}
	}
}

// If the journal's file system is away, the journal does not look empty. A FIFO, a folder or
// a link among its files is refused, and does not block.
func TestFolderTrouble(t *testing.T) {
	top := t.TempDir()
	f, ctx := NewFolder(filepath.Join(top, "away")), t.Context()
	_, listed := f.List(ctx, entries, "")
	_, put := f.Put(ctx, entries+"a", nil)
	for _, err := range []error{listed, put, f.Make(ctx)} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v, want %v", err, fs.ErrNotExist)
		}
	}
	f = NewFolder(top)
	if err := f.Make(ctx); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(top, entries, name) }
	if err := errors.Join(unix.Mkfifo(at("fifo"), 0o600), os.Mkdir(at("folder"), 0o700), os.Symlink("large", at("link"))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(top, entries, "large"), make([]byte, MaxBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"fifo", "folder", "link", "large"} {
		if _, err := f.Get(ctx, entries+name); !errors.Is(err, errFormat) {
			t.Errorf("%s: got %v, want %v", name, err, errFormat)
		}
	}
}

// The temp files of dead nodes are removed.
func TestSweep(t *testing.T) {
	f, ctx := NewFolder(t.TempDir()), t.Context()
	if err := f.Make(ctx); err != nil {
		t.Fatal(err)
	}
	for name, age := range map[string]time.Duration{"old": 2 * tempAge, "new": 0} {
		path := filepath.Join(f.path, entries, tempPrefix+name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.sweep(); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(filepath.Join(f.path, entries))
	if err != nil || len(left) != 1 || left[0].Name() != tempPrefix+"new" {
		t.Errorf("left %v, %v", left, err)
	}
	if names, err := f.List(ctx, entries, ""); err != nil || len(names) > 0 {
		t.Errorf("listed %v, %v", names, err)
	}
}

// A service may be kept from setting the set-group-ID bit, as RestrictSUIDSGID= of systemd
// does, and its umask takes the group's right to write.
func TestFoldersOfAService(t *testing.T) {
	top := t.TempDir()
	if err := unix.Chmod(top, unix.S_ISGID|folderMode); err != nil {
		t.Fatal(err)
	}
	old := unix.Umask(0o022)
	defer unix.Umask(old)
	made := make(chan error)
	go func() {
		// The thread ends with the goroutine: no other one may have the filter.
		runtime.LockOSThread()
		if err := forbidSetGroup(); err != nil {
			made <- err
			return
		}
		made <- NewFolder(top).make()
	}()
	if err := <-made; err != nil {
		t.Error(err)
	}
	for _, folder := range []string{entries, nodes} {
		var st unix.Stat_t
		if err := unix.Stat(filepath.Join(top, folder), &st); err != nil || st.Mode&0o7777 != unix.S_ISGID|folderMode {
			t.Errorf("%s has mode %o, want %o, %v", folder, st.Mode&0o7777, unix.S_ISGID|folderMode, err)
		}
	}
}

// forbidSetGroup has the kernel answer EPERM to a chmod with the set-group-ID bit in
// this thread.
func forbidSetGroup() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	const call, mode = 0, 16 + 8*2 // offsets in struct seccomp_data
	load := func(at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	filter := []unix.SockFilter{
		load(call),
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_FCHMODAT, Jf: 3},
		load(mode),
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: unix.S_ISGID, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return errno
	}
	return nil
}
