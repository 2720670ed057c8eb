// SPDX-License-Identifier: MIT

package kit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thumbd/internal/render/wire"
	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
)

// Ask sends a GET. Its answer comes later, on the channel.
func Ask(ctx context.Context, r *rig.Rig, target string) <-chan Reply {
	c := make(chan Reply, 1)
	go func() {
		resp, err := r.Get(ctx, target)
		c <- Reply{resp, err}
	}()
	return c
}

type Reply struct {
	rig.Response
	Err error
}

// JPGs returns a folder with originals a.jpg to d.jpg.
func JPGs(t *testing.T) string {
	t.Helper()
	const one = "originals/tests/orientation/1.jpg"
	return Folder(t, map[string]string{"a.jpg": one, "b.jpg": one, "c.jpg": one, "d.jpg": one})
}

// A worker that goes wrong in a way of its own is this test's binary, with
// these variables set.
const (
	faultVariable = "THUMBD_E2E_FAULT"
	pathVariable  = "THUMBD_E2E_PATH"
)

// The ways.
const (
	Crash = "crash" // dies over every job
	Hang  = "hang"  // never answers
	Touch = "touch" // changes the original at pathVariable while it is read
	Once  = "once"  // the same, but only while its mtime is that of old
	Gate  = "gate"  // waits for the FIFO at pathVariable to be opened and closed
	Late  = "late"  // the same before its Hello, if the FIFO is there
	Sound = "sound" // in none, but its pictures are gray, as all of these workers'
)

var Old = time.Unix(1_000_000_000, 0)

// Faulty returns the environment of a thumbd with workers that fail in the way fault.
func Faulty(t *testing.T, fault, path string) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "worker")
	text := fmt.Sprintf("#!/bin/sh\n%s='%s' %s='%s' exec '%s' \"$@\"\n", faultVariable, fault, pathVariable, path, self)
	PutProgram(t, script, []byte(text))
	return []string{"THUMBD_RENDER=" + script}
}

// faultyWorker is the worker's main. It returns the exit code.
func faultyWorker(fault string) int {
	if err := faultyLoop(fault); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func faultyLoop(fault string) error {
	f := os.NewFile(3, "daemon")
	c, err := net.FileConn(f)
	if err != nil {
		return err
	}
	f.Close()
	conn := c.(*net.UnixConn)
	if fault == Late {
		if err := wait(os.Getenv(pathVariable)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	all := []thumb.Format{thumb.JPEG, thumb.PNG, thumb.WebP, thumb.AVIF, thumb.GIF}
	if err := send(conn, &wire.Hello{Version: wire.Version, Vips: "none", Read: all, Write: all}); err != nil {
		return err
	}
	for {
		job, files, err := receive(conn)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := goWrong(fault); err != nil {
			return err
		}
		if err := answer(conn, job, files); err != nil {
			return err
		}
	}
}

func goWrong(fault string) error {
	path := os.Getenv(pathVariable)
	switch fault {
	case Crash:
		os.Exit(3)
	case Hang:
		select {}
	case Touch, Once:
		info, err := os.Stat(path)
		if err != nil || fault == Once && !info.ModTime().Equal(Old) {
			return err
		}
		return os.Chtimes(path, time.Time{}, info.ModTime().Add(time.Second))
	case Gate:
		return wait(path)
	}
	return nil
}

// wait returns when the FIFO at path has been opened and closed.
func wait(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.ReadAll(f)
	return err
}

// answer makes a gray JPEG of the size asked for of each output, as light as the
// first byte of the original says.
func answer(conn *net.UnixConn, job *wire.Job, files []*os.File) error {
	reply := &wire.Reply{ID: job.ID}
	light := make([]byte, 1)
	if _, err := files[0].ReadAt(light, 0); err != nil {
		return err
	}
	for i, o := range job.Outputs {
		w, h := o.Box()
		var b bytes.Buffer
		picture := image.NewGray(image.Rect(0, 0, w, h))
		for i := range picture.Pix {
			picture.Pix[i] = light[0]
		}
		if err := jpeg.Encode(&b, picture, nil); err != nil {
			return err
		}
		f := files[i+1]
		if _, err := f.WriteAt(b.Bytes(), 0); err != nil {
			return err
		}
		if err := f.Truncate(int64(b.Len())); err != nil {
			return err
		}
		reply.Results = append(reply.Results, wire.Result{Width: w, Height: h, OriginalWidth: w, OriginalHeight: h})
	}
	for _, f := range files {
		f.Close()
	}
	return send(conn, reply)
}

func send(conn *net.UnixConn, m wire.Message) error {
	b, err := wire.Encode(m)
	if err == nil {
		_, err = conn.Write(b)
	}
	return err
}

func receive(conn *net.UnixConn) (*wire.Job, []*os.File, error) {
	buf := make([]byte, wire.MaxMessage)
	oob := make([]byte, unix.CmsgSpace(4*(wire.MaxOutputs+1)))
	n, oobn, _, _, err := conn.ReadMsgUnix(buf, oob)
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
			files = append(files, os.NewFile(uintptr(fd), "handed"))
		}
	}
	job := new(wire.Job)
	return job, files, wire.Decode(buf[:n], job)
}
