// SPDX-License-Identifier: MIT

// Package standin is a worker without libvips, for tests of the daemon, of the commands and
// of workers that fail: a real one can't be made to lack a format. The test binary is the
// worker.
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
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"thumbd/internal/info"
	"thumbd/internal/render/wire"
	"thumbd/internal/test/aid"
	"thumbd/internal/thumb"
)

// Name is the name of a worker: a test binary that is called so works.
const Name = "thumbd-render"

// Main works and does not return if the program is called Name. TestMain begins with it.
// Beside the program is the file hello, the first message to the daemon, which can be a
// FIFO. If there is a FIFO gate, too, the worker waits at it with each job.
func Main() {
	if filepath.Base(os.Args[0]) == Name {
		if err := main(filepath.Dir(os.Args[0])); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

// Install makes a folder with a worker that has all formats and the whole sandbox, and lets
// the daemons of the test start it.
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

// Folder is a folder of a test with the configuration thumbd.toml, the original media/a.jpg
// and a worker.
type Folder struct {
	T   *testing.T
	Dir string
}

// NewFolder returns a Folder with a configuration: see Write.
func NewFolder(t *testing.T, configuration string) *Folder {
	t.Helper()
	f := &Folder{t, t.TempDir()}
	f.Write("thumbd.toml", configuration)
	f.Write("media/a.jpg", "an original")
	Install(t, f.Path("worker"))
	return f
}

// Path returns the path of a file in the folder, for example of media/a.jpg.
func (f *Folder) Path(name string) string { return filepath.Join(f.Dir, name) }

// Write writes a file, and makes the folders above it. DIR in the text stands for the path
// of the folder.
func (f *Folder) Write(name, text string) {
	f.T.Helper()
	aid.Must(f.T, os.MkdirAll(filepath.Dir(f.Path(name)), 0o755),
		os.WriteFile(f.Path(name), []byte(strings.ReplaceAll(text, "DIR", f.Dir)), 0o600))
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

func main(dir string) error {
	hello, err := os.ReadFile(filepath.Join(dir, "hello"))
	if err != nil {
		return err
	}
	return Work(hello, func() error {
		if _, err := os.ReadFile(filepath.Join(dir, "gate")); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

// Work is a worker: it sends the message hello to the daemon, which has started this
// process, and answers each job with gray JPEGs and descriptions until the daemon hangs
// up. It calls before with each job before the answer, and ends with its error.
//
// The gray is the first byte of the original. An original is as large as the picture that
// is made of it, and 100x100 if its size or its description is asked for.
func Work(hello []byte, before func() error) error {
	f := os.NewFile(3, "daemon")
	c, err := net.FileConn(f)
	if err != nil {
		return err
	}
	f.Close()
	conn := c.(*net.UnixConn)
	if _, err := conn.Write(hello); err != nil {
		return err
	}
	for {
		job, files, err := receive(conn)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = before()
		}
		if err != nil {
			return err
		}
		if err := answer(conn, job, files); err != nil {
			return err
		}
	}
}

// receive returns the next job and its files, or io.EOF if the daemon has hung up.
func receive(conn *net.UnixConn) (*wire.Job, []*os.File, error) {
	b := make([]byte, wire.MaxMessage)
	oob := make([]byte, unix.CmsgSpace(4*(1+2*wire.MaxOutputs)))
	n, oobn, _, _, err := conn.ReadMsgUnix(b, oob)
	if err != nil || n == 0 {
		return nil, nil, io.EOF
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return nil, nil, err
	}
	var files []*os.File
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return nil, nil, err
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "descriptor"))
		}
	}
	job := new(wire.Job)
	return job, files, wire.Decode(b[:n], job)
}

// answer fills the files of a job's outputs, closes all files and sends the reply.
func answer(conn *net.UnixConn, job *wire.Job, files []*os.File) error {
	light := make([]byte, 1)
	if _, err := files[0].ReadAt(light, 0); err != nil {
		return err
	}
	reply := &wire.Reply{ID: job.ID}
	for i, t := range job.Outputs {
		w, h := t.Box()
		if err := fill(files[1+len(job.Watermarks)+i], t, image.Rect(0, 0, w, h), light[0]); err != nil {
			return err
		}
		result := wire.Result{Width: w, Height: h, OriginalWidth: w, OriginalHeight: h}
		if t.Info || t.Measure {
			result.OriginalWidth, result.OriginalHeight = 100, 100
		}
		reply.Results = append(reply.Results, result)
	}
	for _, f := range files {
		f.Close()
	}
	b, err := wire.Encode(reply)
	if err == nil {
		_, err = conn.Write(b)
	}
	return err
}

// fill makes f a gray JPEG, or a description.
func fill(f *os.File, t thumb.Transform, size image.Rectangle, light byte) error {
	if err := write(f, t, size, light); err != nil {
		return err
	}
	end, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	return f.Truncate(end)
}

func write(to io.Writer, t thumb.Transform, size image.Rectangle, light byte) error {
	if !t.Info {
		gray := image.NewGray(size)
		draw.Draw(gray, size, image.NewUniform(color.Gray{light}), image.Point{}, draw.Src)
		return jpeg.Encode(to, gray, nil)
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
