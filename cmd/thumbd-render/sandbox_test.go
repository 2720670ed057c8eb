// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"thumbd/internal/render/wire"
	"thumbd/internal/sandbox"
	"thumbd/internal/thumb"
)

// otherWorker is main for the workers that are not the real one.
func otherWorker(kind string) int {
	open := func() ([]string, error) { return nil, nil }
	var err error
	switch wall, attempt, _ := strings.Cut(kind, " "); wall {
	case "open":
		err = work(0, func() ([]string, error) { return open() })
	case "open:":
		err = work(0, trying(attempt, open))
	case "shut:":
		err = work(0, trying(attempt, sandbox.Enter))
	case "without-code":
		err = withoutCode(attempt == "noexec")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// attempts are what a worker must not do; package sandbox's tests have more of
// them, these show that they hold with the engine warm. Those that kill have a
// worker each.
var attempts = map[string]func() error{
	"open":        func() error { return closing(unix.Open("/etc/passwd", unix.O_RDONLY, 0)) },
	"relative":    func() error { return closing(unix.Open(".", unix.O_RDONLY, 0)) },
	"write":       func() error { return closing(unix.Open("/dev/null", unix.O_WRONLY, 0)) },
	"memory file": func() error { return closing(unix.MemfdCreate("x", 0)) },
	"code":        func() error { return mapping(unix.PROT_READ | unix.PROT_EXEC) },
	"limit":       func() error { return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) },
	"parent":      func() error { return unix.Kill(os.Getppid(), 0) },
	"inet":        func() error { return closing(unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)) },
	"unix":        func() error { return closing(unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)) },
	"exec":        func() error { return unix.Exec("/bin/true", []string{"true"}, nil) },
	"memory":      readMemory,
	"namespace":   func() error { return unix.Unshare(unix.CLONE_FS) },
}

var killing = []string{"inet", "unix", "exec", "memory", "namespace"}

func closing(fd int, err error) error {
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func mapping(protection int) error {
	_, err := unix.Mmap(-1, 0, 1, protection, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	return err
}

// readMemory reads its own memory as a debugger would.
func readMemory() error {
	var from, to byte
	_, err := unix.ProcessVMReadv(os.Getpid(), []unix.Iovec{{Base: &to, Len: 1}},
		[]unix.RemoteIovec{{Base: uintptr(unsafe.Pointer(&from)), Len: 1}}, 0)
	return err
}

// trying returns enter followed by an attempt, which is to be refused.
func trying(attempt string, enter func() ([]string, error)) func() ([]string, error) {
	return func() ([]string, error) {
		missing, err := enter()
		if err != nil {
			return missing, err
		}
		if err := attempts[attempt](); err == nil {
			fmt.Fprint(os.Stderr, "done")
		} else {
			fmt.Fprint(os.Stderr, err)
		}
		return missing, nil
	}
}

// TestAttempts has a warm worker try what it must not do, with and without the
// sandbox.
func TestAttempts(t *testing.T) {
	for name := range attempts {
		t.Run(name, func(t *testing.T) {
			text, signal := attempt(t, "open: "+name)
			if name != "exec" && text != "done" || signal > 0 {
				t.Errorf("without the sandbox: %q, signal %v", text, signal)
			}
			text, signal = attempt(t, "shut: "+name)
			switch {
			case slices.Contains(killing, name):
				if signal != syscall.SIGSYS {
					t.Errorf("in the sandbox: %q, signal %v", text, signal)
				}
			case text != "operation not permitted" && text != "permission denied" || signal > 0:
				t.Errorf("in the sandbox: %q, signal %v", text, signal)
			}
		})
	}
}

// attempt runs a worker of a kind until its daemon, which is not there, has
// closed its socket, and returns its words and what ended it.
func attempt(t *testing.T, kind string) (string, syscall.Signal) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Close(fds[0]); err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "worker")
	defer theirs.Close()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), asWorker+"="+kind, "GORACE=atexit_sleep_ms=0")
	cmd.ExtraFiles = []*os.File{theirs}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return stderr.String(), exit.Sys().(syscall.WaitStatus).Signal()
	}
	return stderr.String(), 0
}

// TestRendersAlike compares, byte for byte, what is rendered in the sandbox
// and without it: of every format, in every way, whole and cut off.
func TestRendersAlike(t *testing.T) {
	open, shut := startWorkerAs(t, "open"), startWorker(t)
	if len(shut.hello.Missing) > 0 {
		t.Logf("missing: %q", shut.hello.Missing)
	}
	if got, want := fmt.Sprint(shut.hello.Read, shut.hello.Write), fmt.Sprint(open.hello.Read, open.hello.Write); got != want {
		t.Errorf("formats: got %s, want %s", got, want)
	}
	made := 0
	for _, name := range originals(t) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, length := range []int{len(data), len(data) / 2} {
			want, pictures := renderAll(t, open, data[:length])
			got, others := renderAll(t, shut, data[:length])
			if !slices.Equal(got, want) {
				t.Errorf("%s, %d bytes: got %+v, want %+v", name, length, got, want)
			}
			for i := range pictures {
				if !bytes.Equal(pictures[i], others[i]) {
					t.Errorf("%s, %d bytes: output %d differs", name, length, i)
				}
				if want[i].Failure == "" {
					made++
				}
			}
		}
	}
	if made < 100 {
		t.Errorf("%d pictures made", made)
	}
}

// originals returns files of all formats, and some that take paths of their
// own.
func originals(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{
		"../../internal/engine/samples/*", "../../internal/engine/testdata/*.*",
		"../../testdata/originals/tests/orientation/6.jpg", "../../testdata/originals/tests/made/p3.jpg",
		"../../testdata/refused/text.jpg",
	} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v, %v", pattern, found, err)
		}
		all = append(all, found...)
	}
	return all
}

// renderAll has w make everything of an original that there is, from a file on
// disk as the daemon opens it.
func renderAll(t *testing.T, w *worker, data []byte) ([]wire.Result, [][]byte) {
	t.Helper()
	const room = 1 << 20
	name := filepath.Join(t.TempDir(), "original")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	original, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer original.Close()
	var results []wire.Result
	var pictures [][]byte
	for _, outputs := range everything(w.hello.Write) {
		j := job(1, outputs...)
		j.Formats, j.Frames, j.Watermarks = w.hello.Read, 100, []string{"logo"}
		files := []*os.File{original, watermark(t)}
		for range outputs {
			files = append(files, memfd(t, nil, room))
		}
		w.send(t, encode(t, j), files...)
		var reply wire.Reply
		w.receive(t, &reply)
		for _, f := range files[2:] {
			picture, err := os.ReadFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
			pictures = append(pictures, picture)
		}
		results = append(results, reply.Results...)
	}
	return results, pictures
}

// everything returns each method in each format, and each option in the
// formats that keep what it does.
func everything(formats []thumb.Format) [][]thumb.Transform {
	base := thumb.Transform{Width: 37, Height: 50, Enlarge: true}
	var jobs [][]thumb.Transform
	for base.Method = thumb.Scale; base.Method <= thumb.Original; base.Method++ {
		var outputs []thumb.Transform
		for _, f := range formats {
			o := base
			o.Format = f
			if f != thumb.PNG && f != thumb.GIF {
				o.Quality = 80
			}
			if o.Method == thumb.Original {
				o.Width, o.Height = 0, 0
			}
			outputs = append(outputs, o)
		}
		jobs = append(jobs, outputs)
	}
	base.Method = thumb.Crop
	for _, f := range []thumb.Format{thumb.PNG, thumb.WebP} {
		var options []thumb.Transform
		add := func(o thumb.Transform) {
			o.Width, o.Height, o.Enlarge, o.Method, o.Format = base.Width, base.Height, base.Enlarge, base.Method, f
			if f == thumb.WebP {
				o.Quality = cmp.Or(o.Quality, 80)
			}
			options = append(options, o)
		}
		for _, o := range thumb.Examples() {
			add(o)
		}
		add(thumb.Transform{Metadata: thumb.CopyrightMetadata})
		add(thumb.Transform{Metadata: thumb.AllMetadata})
		add(thumb.Transform{Watermark: thumb.Watermark{Name: "logo", Opacity: 50, Scale: 40, Position: thumb.SouthEast}})
		jobs = append(jobs, options)
	}
	return jobs
}

// watermark returns an image with transparent parts.
func watermark(t *testing.T) *os.File {
	t.Helper()
	data, err := os.ReadFile("../../internal/engine/samples/sample.png")
	if err != nil {
		t.Fatal(err)
	}
	return memfd(t, data, int64(len(data)))
}
