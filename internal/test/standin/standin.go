// SPDX-License-Identifier: MIT

// Package standin is a worker without libvips, for tests of the daemon and of the commands:
// a real one can't be made to lack a format. The test binary is the worker.
package standin

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"thumbd/internal/info"
	"thumbd/internal/render/wire"
	"thumbd/internal/thumb"
)

// Name is the name under which a test binary is a worker.
const Name = "thumbd-render"

// Main works and does not return if the program is called Name. TestMain begins with it.
// Beside the program are the file hello, the message that it begins with, and perhaps
// gate, a FIFO at which it waits with each job. The file hello can be a FIFO, too.
func Main() {
	if filepath.Base(os.Args[0]) == Name {
		fmt.Fprintln(os.Stderr, work(filepath.Dir(os.Args[0])))
		os.Exit(1)
	}
}

// Install makes a folder with the worker, which lacks nothing, and has daemons of the test
// start it.
func Install(t *testing.T, dir string) {
	t.Helper()
	own, err := os.Executable()
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = os.Symlink(own, filepath.Join(dir, Name))
	}
	if err != nil {
		t.Fatal(err)
	}
	Greet(t, dir, Able())
	t.Setenv("THUMBD_RENDER", filepath.Join(dir, Name))
}

// Greet sets the message that the workers of a folder begin with from now on.
func Greet(t *testing.T, dir string, m *wire.Hello) {
	t.Helper()
	b, err := wire.Encode(m)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "hello"), b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// work answers each job with gray JPEGs until the daemon hangs up.
func work(dir string) error {
	hello, err := os.ReadFile(filepath.Join(dir, "hello"))
	if err != nil {
		return err
	}
	c, err := net.FileConn(os.NewFile(3, "daemon"))
	if err != nil {
		return err
	}
	conn := c.(*net.UnixConn)
	if _, err := conn.Write(hello); err != nil {
		return err
	}
	for {
		b, oob := make([]byte, wire.MaxMessage), make([]byte, 4096)
		n, oobn, _, _, err := conn.ReadMsgUnix(b, oob)
		if err != nil {
			return err
		}
		var job wire.Job
		if err := wire.Decode(b[:n], &job); err != nil {
			return err
		}
		reply, err := paint(job, oob[:oobn])
		if err != nil {
			return err
		}
		if _, err := os.ReadFile(filepath.Join(dir, "gate")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		answer, err := wire.Encode(reply)
		if err != nil {
			return err
		}
		if _, err := conn.Write(answer); err != nil {
			return err
		}
	}
}

// paint makes a square JPEG, or the description, for each output of a job, as of an
// original of 100x100.
func paint(job wire.Job, rights []byte) (*wire.Reply, error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, err
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, err
	}
	files := make([]*os.File, len(fds))
	for i, fd := range fds {
		files[i] = os.NewFile(uintptr(fd), "descriptor")
		defer files[i].Close()
	}
	reply := &wire.Reply{ID: job.ID}
	for i, t := range job.Outputs {
		f := files[1+len(job.Watermarks)+i]
		if err := write(f, t); err != nil {
			return nil, err
		}
		end, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, err
		}
		if err := f.Truncate(end); err != nil {
			return nil, err
		}
		reply.Results = append(reply.Results, wire.Result{Width: t.Width, Height: t.Width, OriginalWidth: 100, OriginalHeight: 100})
	}
	return reply, nil
}

func write(to io.Writer, t thumb.Transform) error {
	if !t.Info {
		return jpeg.Encode(to, image.NewGray(image.Rect(0, 0, t.Width, t.Width)), nil)
	}
	i := info.Info{Width: 100, Height: 100, Format: thumb.JPEG, Bytes: 1, Frames: 1}
	m := image.NewNRGBA(image.Rect(0, 0, 100, 100))
	draw.Draw(m, m.Rect, image.NewUniform(color.Gray{128}), image.Point{}, draw.Src)
	i.Look(m)
	i.Place([]byte("a WebP"))
	file, err := i.File()
	if err != nil {
		return err
	}
	_, err = to.Write(file)
	return err
}

// Able is the message of a worker that lacks nothing.
func Able() *wire.Hello {
	return &wire.Hello{
		Version: wire.Version, Vips: "8.99.0",
		Read:  []thumb.Format{thumb.JPEG, thumb.PNG, thumb.WebP, thumb.AVIF, thumb.GIF, thumb.HEIC, thumb.TIFF},
		Write: []thumb.Format{thumb.JPEG, thumb.PNG, thumb.WebP, thumb.AVIF, thumb.GIF},
	}
}
