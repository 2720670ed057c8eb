// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// asWorker makes the test binary a worker of some kind: "shut" is the real one.
// So does the worker's name.
const asWorker = "THUMBD_RENDER_TEST_WORKER"

func TestMain(m *testing.M) {
	kind := os.Getenv(asWorker)
	switch {
	case kind == "shut" || filepath.Base(os.Args[0]) == "thumbd-render":
		main()
	case kind != "":
		// os.Exit would write coverage data, which the sandbox refuses.
		unix.Exit(otherWorker(kind))
	}
	os.Exit(m.Run())
}

// worker is a running worker and the daemon's end of its socket.
type worker struct {
	cmd    *exec.Cmd
	socket *os.File
	stderr bytes.Buffer
	hello  wire.Hello
}

func startWorker(t *testing.T, args ...string) *worker {
	t.Helper()
	return startWorkerAs(t, "shut", args...)
}

func startWorkerAs(t *testing.T, kind string, args ...string) *worker {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "worker")
	defer theirs.Close()
	w := &worker{socket: os.NewFile(uintptr(fds[0]), "daemon")}
	w.cmd = exec.CommandContext(t.Context(), os.Args[0], args...)
	w.cmd.Env = append(os.Environ(), asWorker+"="+kind)
	w.cmd.ExtraFiles = []*os.File{theirs}
	w.cmd.Stderr = &w.stderr
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.socket.Close()
		w.wait()
	})
	theirs.Close()
	w.receive(t, &w.hello)
	return w
}

func (w *worker) receive(t *testing.T, m wire.Message) {
	t.Helper()
	buf := make([]byte, wire.MaxMessage)
	n, err := unix.Read(int(w.socket.Fd()), buf)
	if err != nil || n == 0 {
		w.wait()
		t.Fatalf("receive: %d bytes, %v; the worker says %q", n, err, w.stderr.String())
	}
	if err := wire.Decode(buf[:n], m); err != nil {
		t.Fatal(err)
	}
}

func (w *worker) send(t *testing.T, message []byte, files ...*os.File) {
	t.Helper()
	var fds []int
	for _, f := range files {
		fds = append(fds, int(f.Fd()))
	}
	if err := unix.Sendmsg(int(w.socket.Fd()), message, unix.UnixRights(fds...), nil, 0); err != nil {
		t.Fatal(err)
	}
}

// end closes the socket and returns the worker's exit status.
func (w *worker) end(t *testing.T) int {
	t.Helper()
	w.socket.Close()
	return w.wait()
}

// wait waits for the worker's end and returns its exit status.
func (w *worker) wait() int {
	// How it ended is in ProcessState.
	_ = w.cmd.Wait()
	return w.cmd.ProcessState.ExitCode()
}

func memfd(t *testing.T, data []byte, size int64) *os.File {
	t.Helper()
	fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "test")
	t.Cleanup(func() { f.Close() })
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_GROW); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(data, 0); err != nil {
		t.Fatal(err)
	}
	return f
}

func photo(t testing.TB) []byte {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, 640, 480))
	draw.Draw(m, m.Bounds(), image.NewUniform(color.NRGBA{200, 60, 40, 255}), image.Point{}, draw.Src)
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func job(id uint64, outputs ...thumb.Transform) *wire.Job {
	return &wire.Job{
		ID: id, Formats: []thumb.Format{thumb.JPEG},
		Pixels: 1 << 24, Frames: 1, Width: 1000, Height: 1000, Bytes: 1 << 20,
		Outputs: outputs,
	}
}

func encode(t *testing.T, m wire.Message) []byte {
	t.Helper()
	b, err := wire.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestJobs(t *testing.T) {
	w := startWorker(t, "--memory", "1073741824")
	for _, f := range []thumb.Format{thumb.JPEG, thumb.PNG} {
		if !slices.Contains(w.hello.Read, f) || !slices.Contains(w.hello.Write, f) {
			t.Errorf("%v is missing from %+v", f, w.hello)
		}
	}
	data := photo(t)
	original := memfd(t, data, int64(len(data)))
	before := descriptors(t, w.cmd.Process.Pid)
	for id := range uint64(20) {
		crop, fit := memfd(t, nil, 1<<20), memfd(t, nil, 1<<20)
		w.send(t, encode(t, job(id,
			thumb.Transform{Width: 100, Height: 100, Method: thumb.Crop, Format: thumb.PNG},
			thumb.Transform{Width: 64, Method: thumb.Fit, Format: thumb.JPEG, Quality: 80},
		)), original, crop, fit)
		var reply wire.Reply
		w.receive(t, &reply)
		want := []wire.Result{
			{Width: 100, Height: 100, Decoded: true, OriginalWidth: 640, OriginalHeight: 480},
			{Width: 64, Height: 48, Decoded: true, OriginalWidth: 640, OriginalHeight: 480},
		}
		if reply.ID != id || !slices.Equal(reply.Results, want) {
			t.Fatalf("got %+v", reply)
		}
		for i, f := range []*os.File{crop, fit} {
			c, _, err := image.DecodeConfig(io.NewSectionReader(f, 0, 1<<20))
			if err != nil || c.Width != want[i].Width || c.Height != want[i].Height {
				t.Errorf("output %d: %+v, %v", i, c, err)
			}
		}
		if m, err := png.Decode(io.NewSectionReader(crop, 0, 1<<20)); err != nil {
			t.Error(err)
		} else if r, g, b, _ := m.At(50, 50).RGBA(); r>>8 < 190 || g>>8 > 70 || b>>8 > 50 {
			t.Errorf("color: %v", m.At(50, 50))
		}
	}
	if after := descriptors(t, w.cmd.Process.Pid); after > before {
		t.Errorf("%d descriptors open after the jobs, %d before", after, before)
	}
	// With -cover, os.Exit in the sandbox complains that it can't write coverage data.
	if status := w.end(t); status != 0 || w.stderr.Len() > 0 && testing.CoverMode() == "" {
		t.Errorf("exit status %d, %q", status, w.stderr.String())
	}
}

// TestLargestJob holds the limits of the process to what the protocol allows.
func TestLargestJob(t *testing.T) {
	w := startWorker(t)
	data := photo(t)
	j := job(1)
	files := []*os.File{memfd(t, data, int64(len(data)))}
	for i := range wire.MaxOutputs {
		name := fmt.Sprint("logo", i)
		j.Watermarks = append(j.Watermarks, name)
		j.Outputs = append(j.Outputs, thumb.Transform{
			Width: 20 + i, Method: thumb.Fit, Format: thumb.PNG, Watermark: thumb.Watermark{Name: name, Opacity: 1_00},
		})
		files = append(files, watermark(t))
	}
	for range wire.MaxOutputs {
		files = append(files, memfd(t, nil, 1<<20))
	}
	w.send(t, encode(t, j), files...)
	var reply wire.Reply
	w.receive(t, &reply)
	for i, r := range reply.Results {
		if r.Failure != "" || r.Width != 20+i {
			t.Errorf("output %d: %+v", i, r)
		}
	}
}

func descriptors(t *testing.T, pid int) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if os.Geteuid() != 0 && errors.Is(err, fs.ErrPermission) {
		t.Skip("only root may look into a worker")
	}
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestMalformedJobs(t *testing.T) {
	fit := thumb.Transform{Width: 64, Method: thumb.Fit, Format: thumb.PNG}
	data := photo(t)
	for _, c := range []struct {
		name    string
		message func(*testing.T) []byte
		files   int
		want    string
	}{
		{"not JSON", func(*testing.T) []byte { return []byte("render this, please") }, 2, "not a message"},
		{"no descriptors", func(t *testing.T) []byte { return encode(t, job(1, fit)) }, 0, "0 descriptors for 1 outputs"},
		{"a descriptor too few", func(t *testing.T) []byte { return encode(t, job(1, fit, fit)) }, 2, "2 descriptors for 2 outputs"},
		{"a descriptor too many", func(t *testing.T) []byte { return encode(t, job(1, fit)) }, 3, "3 descriptors for 1 outputs"},
		{"more descriptors than any job has", func(t *testing.T) []byte { return encode(t, job(1, fit)) }, 70, "longer than the protocol allows"},
		{"a message too long", func(t *testing.T) []byte { return bytes.Repeat([]byte(" "), wire.MaxMessage+1) }, 2, "longer than the protocol allows"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := startWorker(t)
			var files []*os.File
			for range c.files {
				files = append(files, memfd(t, data, 1<<20))
			}
			w.send(t, c.message(t), files...)
			if status := w.wait(); status != 1 || !strings.Contains(w.stderr.String(), c.want) {
				t.Errorf("exit status %d, %q", status, w.stderr.String())
			}
		})
	}
}

// TestMemoryLimit has a worker render what it has no memory for: it crashes or
// says that the fault is not the original's.
func TestMemoryLimit(t *testing.T) {
	data := photo(t)
	w := startWorker(t, "--memory", "629145600")
	big := job(1, thumb.Transform{Width: 16000, Method: thumb.Fit, Enlarge: true, Format: thumb.WebP, Quality: 80})
	big.Width, big.Height = 16000, 16000
	w.send(t, encode(t, big), memfd(t, data, int64(len(data))), memfd(t, nil, 1<<20))
	buf := make([]byte, wire.MaxMessage)
	n, err := unix.Read(int(w.socket.Fd()), buf)
	if err != nil || n == 0 {
		return
	}
	var reply wire.Reply
	if err := wire.Decode(buf[:n], &reply); err != nil || reply.Results[0].Failure != wire.Internal {
		t.Errorf("got %+v, %v", reply, err)
	}
}

func TestArguments(t *testing.T) {
	for _, c := range []struct {
		args   []string
		want   int
		output string
	}{
		{[]string{"--version"}, 0, "libvips 8."},
		{[]string{"--help"}, 0, "most bytes of memory"},
		{[]string{"--memory", "much"}, 2, "invalid value"},
		{[]string{"file.jpg"}, 2, `unexpected argument "file.jpg"`},
	} {
		var out bytes.Buffer
		if got := run(c.args, &out, &out); got != c.want || !strings.Contains(out.String(), c.output) {
			t.Errorf("%v: got %d, %q", c.args, got, out.String())
		}
	}
}
