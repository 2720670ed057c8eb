// SPDX-License-Identifier: MIT

package kit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"thumbd/internal/render/wire"
	"thumbd/internal/test/rig"
	"thumbd/internal/test/standin"
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
	if fault == Late {
		if err := wait(os.Getenv(pathVariable)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	hello, err := wire.Encode(standin.Able())
	if err != nil {
		return err
	}
	return standin.Work(hello, func() error { return goWrong(fault) })
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
