// SPDX-License-Identifier: MIT

package faults

import (
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
)

// faultyDisk is a file system (FUSE) on a folder of its own, which does what
// it is asked to, but for the operation that fail names. Safe for concurrent
// use.
type faultyDisk struct {
	fuse.RawFileSystem // the folder's
	server             *fuse.Server

	mu        sync.Mutex
	operation string
	second    bool // the next one is let through
	fault     fault
	failed    int
}

// newFaultyDisk returns a disk that is not mounted yet. It is made before the
// rig whose thumbd uses it, and so is gone after that.
func newFaultyDisk(t *testing.T) *faultyDisk {
	t.Helper()
	kit.NeedMounts(t)
	if _, err := os.Stat("/dev/fuse"); err != nil {
		aid.Skip(t, err.Error())
	}
	folder, err := fs.NewLoopbackRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	// No time is set for which the kernel remembers anything.
	d := &faultyDisk{RawFileSystem: fs.NewNodeFS(folder, &fs.Options{})}
	t.Cleanup(func() {
		if d.server != nil {
			d.server.Wait()
		}
	})
	return d
}

// mount mounts the disk until the test ends.
func (d *faultyDisk) mount(t *testing.T, dir string) {
	t.Helper()
	server, err := fuse.NewServer(d, dir, &fuse.MountOptions{
		// nginx's workers are other users.
		AllowOther:        true,
		DirectMountStrict: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	d.server = server
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	go server.Serve()
	if err := server.WaitMount(); err != nil {
		t.Fatal(err)
	}
}

// fault answers an operation; do does what the disk would.
type fault func(do func() fuse.Status) fuse.Status

// fail has f answer an operation from now on, the first or those from the
// "second", until end is called, which returns how often that was.
func (d *faultyDisk) fail(operation string, f fault) (end func() int) {
	name, second := strings.CutPrefix(operation, "second ")
	d.mu.Lock()
	defer d.mu.Unlock()
	d.operation, d.second, d.fault, d.failed = name, second, f, 0
	return func() int {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.operation = ""
		return d.failed
	}
}

// at does what an operation is to do now.
func (d *faultyDisk) at(operation string, do func() fuse.Status) fuse.Status {
	d.mu.Lock()
	f := d.fault
	failing := operation == d.operation && !d.second
	if failing {
		d.failed++
	}
	if operation == d.operation {
		d.second = false
	}
	d.mu.Unlock()
	if failing {
		return f(do)
	}
	return do()
}

func (d *faultyDisk) Lookup(cancel <-chan struct{}, in *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	return d.at("lookup", func() fuse.Status { return d.RawFileSystem.Lookup(cancel, in, name, out) })
}

func (d *faultyDisk) GetAttr(cancel <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	return d.at("getattr", func() fuse.Status { return d.RawFileSystem.GetAttr(cancel, in, out) })
}

// SetAttr is two operations, chmod and utimes.
func (d *faultyDisk) SetAttr(cancel <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	operation := "chmod"
	if in.Valid&fuse.FATTR_MTIME != 0 {
		operation = "utimes"
	}
	return d.at(operation, func() fuse.Status { return d.RawFileSystem.SetAttr(cancel, in, out) })
}

func (d *faultyDisk) Mkdir(cancel <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	return d.at("mkdir", func() fuse.Status { return d.RawFileSystem.Mkdir(cancel, in, name, out) })
}

func (d *faultyDisk) Unlink(cancel <-chan struct{}, in *fuse.InHeader, name string) fuse.Status {
	return d.at("unlink", func() fuse.Status { return d.RawFileSystem.Unlink(cancel, in, name) })
}

func (d *faultyDisk) Rename(cancel <-chan struct{}, in *fuse.RenameIn, from, to string) fuse.Status {
	return d.at("rename", func() fuse.Status { return d.RawFileSystem.Rename(cancel, in, from, to) })
}

// Create has the kernel keep nothing of the new file, nor go to the folder by
// itself: what is read is read here.
func (d *faultyDisk) Create(cancel <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	return d.at("create", func() fuse.Status {
		status := d.RawFileSystem.Create(cancel, in, name, out)
		out.OpenFlags |= fuse.FOPEN_DIRECT_IO
		return status
	})
}

// Open is like Create.
func (d *faultyDisk) Open(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	return d.at("open", func() fuse.Status {
		status := d.RawFileSystem.Open(cancel, in, out)
		out.OpenFlags |= fuse.FOPEN_DIRECT_IO
		return status
	})
}

func (d *faultyDisk) OpenDir(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	return d.at("opendir", func() fuse.Status { return d.RawFileSystem.OpenDir(cancel, in, out) })
}

// Read reads nothing where a fault lets it succeed without doing it.
func (d *faultyDisk) Read(cancel <-chan struct{}, in *fuse.ReadIn, b []byte) (fuse.ReadResult, fuse.Status) {
	result := fuse.ReadResultData(nil)
	status := d.at("read", func() (status fuse.Status) {
		result, status = d.RawFileSystem.Read(cancel, in, b)
		return status
	})
	return result, status
}

// Writev is every write. It writes nothing where a fault lets it succeed
// without doing it.
func (d *faultyDisk) Writev(cancel <-chan struct{}, in *fuse.WriteIn, data [][]byte) (n uint32, status fuse.Status) {
	status = d.at("write", func() (status fuse.Status) {
		n, status = d.RawFileSystem.Writev(cancel, in, data)
		return status
	})
	return n, status
}

func (d *faultyDisk) Flush(cancel <-chan struct{}, in *fuse.FlushIn) fuse.Status {
	return d.at("flush", func() fuse.Status { return d.RawFileSystem.Flush(cancel, in) })
}

func (d *faultyDisk) Fsync(cancel <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return d.at("fsync", func() fuse.Status { return d.RawFileSystem.Fsync(cancel, in) })
}
