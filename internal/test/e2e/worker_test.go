// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
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
	"thumbd/internal/thumb"
)

// A worker that goes wrong in a way of its own is this test's binary, with
// these variables set.
const (
	faultVariable = "THUMBD_E2E_FAULT"
	pathVariable  = "THUMBD_E2E_PATH"
)

// The ways.
const (
	crash = "crash" // dies over every job
	hang  = "hang"  // never answers
	touch = "touch" // changes the original at pathVariable while it is read
	once  = "once"  // the same, but only while its mtime is that of old
	gate  = "gate"  // waits for the FIFO at pathVariable to be opened and closed
	late  = "late"  // the same before its Hello, if the FIFO is there
	sound = "sound" // in none, but its pictures are gray, as all of these workers'
)

var old = time.Unix(1_000_000_000, 0)

// faulty returns the environment of a thumbd whose workers go wrong.
func faulty(t *testing.T, fault, path string) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "worker")
	text := fmt.Sprintf("#!/bin/sh\n%s='%s' %s='%s' exec '%s' \"$@\"\n", faultVariable, fault, pathVariable, path, self)
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
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
	if fault == late {
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
	case crash:
		os.Exit(3)
	case hang:
		select {}
	case touch, once:
		info, err := os.Stat(path)
		if err != nil || fault == once && !info.ModTime().Equal(old) {
			return err
		}
		return os.Chtimes(path, time.Time{}, info.ModTime().Add(time.Second))
	case gate:
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
