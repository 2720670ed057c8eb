// SPDX-License-Identifier: MIT

// Package asuser does something with the rights of another user.
package asuser

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// User is a user with the groups that a program has that starts as root and
// becomes that user.
type User struct {
	Name   string
	UID    int
	GID    int
	Groups []int // others, and perhaps GID
	// Bound are folders that the user can reach even if the folders above are closed, as
	// a service can reach a folder of BindPaths=.
	Bound []string
}

// ErrNotRoot is that only root can act for another user.
var ErrNotRoot = errors.New("only root can test the rights of another user")

// Lookup returns the user of this name with the groups group and more. If group is empty,
// it is the user's own group. A name can be a number, for example 1001, as in a unit of
// systemd.
func Lookup(name, group string, more ...string) (User, error) {
	u, err := user.Lookup(name)
	if err != nil {
		byID, idErr := user.LookupId(name)
		if idErr != nil {
			return User{}, err
		}
		u = byID
	}
	ids, err := u.GroupIds()
	if err != nil {
		return User{}, err
	}
	gid := u.Gid
	if group != "" {
		if gid, err = groupID(group); err != nil {
			return User{}, err
		}
	}
	for _, name := range more {
		id, err := groupID(name)
		if err != nil {
			return User{}, err
		}
		ids = append(ids, id)
	}
	found := User{Name: u.Username}
	if found.UID, err = strconv.Atoi(u.Uid); err != nil {
		return User{}, err
	}
	if found.GID, err = strconv.Atoi(gid); err != nil {
		return User{}, err
	}
	for _, id := range append(ids, gid) {
		n, err := strconv.Atoi(id)
		if err != nil {
			return User{}, err
		}
		found.Groups = append(found.Groups, n)
	}
	return found, nil
}

// groupID returns the number of a group. A number needs no group of that number; the
// last one of 32 bits is none, see setresgid(2).
func groupID(name string) (string, error) {
	if id, err := strconv.ParseUint(name, 10, 32); err == nil && id != math.MaxUint32 {
		return name, nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return "", err
	}
	return g.Gid, nil
}

// Self returns the user that this process has, with its groups.
func Self() (User, error) {
	u := User{Name: strconv.Itoa(os.Geteuid()), UID: os.Geteuid(), GID: os.Getegid()}
	if found, err := user.LookupId(u.Name); err == nil {
		u.Name = found.Username
	}
	var err error
	u.Groups, err = os.Getgroups()
	return u, err
}

// Do calls f with the rights of u, and returns its error. Only system calls of f's own
// goroutine have these rights: if f starts another goroutine, that one has the rights of
// this process. If the process runs as u already, Do only calls f; otherwise the process
// must be root.
func (u User) Do(f func() error) error {
	if os.Geteuid() == u.UID && (u.UID != 0 || u.GID == os.Getegid()) {
		return f()
	}
	if os.Geteuid() != 0 {
		return ErrNotRoot
	}
	done := make(chan error, 1)
	go func() {
		// In the kernel each thread has its own rights. The thread is never unlocked, so it
		// ends with the goroutine, and no other goroutine runs with these rights.
		runtime.LockOSThread()
		if err := u.become(); err != nil {
			done <- fmt.Errorf("become user %s: %w", u.Name, err)
			return
		}
		done <- f()
	}()
	return <-done
}

// Obstacle returns the first folder above an absolute path that u may not enter, or path
// itself if u may not use it in this mode of access(2). If there is no obstacle, it
// returns "". If a part does not exist, it is no obstacle.
func (u User) Obstacle(path string, mode uint32) (string, error) {
	path = filepath.Clean(path)
	top := u.top(path)
	fds := u.open()
	defer fds.close()
	found := ""
	err := u.Do(func() error {
		at := top
		for name := range strings.SplitSeq(strings.Trim(strings.TrimPrefix(path, top), "/"), "/") {
			if at != path && fds.denied(u.top(at), at, unix.X_OK) {
				found = at
				return nil
			}
			at = filepath.Join(at, name)
		}
		if fds.denied(u.top(at), at, mode) {
			found = at
		}
		return nil
	})
	return found, err
}

// Denied returns the absolute paths that u may not use in this mode of access(2).
func (u User) Denied(mode uint32, paths []string) ([]string, error) {
	fds := u.open()
	defer fds.close()
	var denied []string
	err := u.Do(func() error {
		for _, path := range paths {
			if fds.denied(u.top(path), path, mode) {
				denied = append(denied, path)
			}
		}
		return nil
	})
	return denied, err
}

// Closed returns the folders on the way to the folder at an absolute path that u may not
// enter, and path itself if u may not use it in this mode of access(2). Each folder is
// tested by itself, as if the folders above were open. If a folder is bound, the folders
// above it are left out.
func (u User) Closed(path string, mode uint32) ([]string, error) {
	top := u.top(filepath.Clean(path))
	var folders []string
	var opened []int
	defer func() {
		for _, fd := range opened {
			_ = unix.Close(fd) // nothing was written
		}
	}()
	for at := filepath.Clean(path); ; at = filepath.Dir(at) {
		fd, err := unix.Open(at, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err == nil {
			folders, opened = append(folders, at), append(opened, fd)
		}
		if at == top {
			break
		}
	}
	var closed []string
	err := u.Do(func() error {
		for i, at := range slices.Backward(folders) {
			need := uint32(unix.X_OK)
			if at == filepath.Clean(path) {
				need = mode
			}
			if err := unix.Faccessat(opened[i], ".", need, 0); errors.Is(err, unix.EACCES) || errors.Is(err, unix.EROFS) {
				closed = append(closed, at)
			}
		}
		return nil
	})
	return closed, err
}

// top returns the bound folder that holds a clean path, the nearest one, or "/".
func (u User) top(path string) string {
	top := "/"
	for _, folder := range u.Bound {
		if len(folder) > len(top) && strings.HasPrefix(path+"/", folder+"/") {
			top = folder
		}
	}
	return top
}

// folders are the descriptors of folders by their paths.
type folders map[string]int

// open opens the bound folders with the rights of this process.
func (u User) open() folders {
	fds := make(folders)
	for _, path := range u.Bound {
		if _, ok := fds[path]; ok {
			continue
		}
		// A folder that does not open is looked at by its path.
		if fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err == nil {
			fds[path] = fd
		}
	}
	return fds
}

func (f folders) close() {
	for _, fd := range f {
		_ = unix.Close(fd) // nothing was written
	}
}

// denied reports whether this thread may not use a path below top in that mode.
func (f folders) denied(top, path string, mode uint32) bool {
	fd, ok := f[top]
	if ok {
		path = "." + strings.TrimPrefix(path, top)
	} else {
		fd = unix.AT_FDCWD
	}
	err := unix.Faccessat(fd, path, mode, 0)
	return errors.Is(err, unix.EACCES) || errors.Is(err, unix.EROFS)
}

// become changes this thread alone; package syscall would change all.
func (u User) become() error {
	groups := make([]uint32, len(u.Groups))
	for i, g := range u.Groups {
		groups[i] = uint32(g)
	}
	_, _, errno := syscall.RawSyscall(syscall.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(unsafe.SliceData(groups))), 0)
	if errno != 0 {
		return fmt.Errorf("setgroups: %w", errno)
	}
	gid, uid := uintptr(u.GID), uintptr(u.UID)
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESGID, gid, gid, gid); errno != 0 {
		return fmt.Errorf("setresgid: %w", errno)
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, uid, uid, uid); errno != 0 {
		return fmt.Errorf("setresuid: %w", errno)
	}
	return nil
}
