// SPDX-License-Identifier: MIT

// Package aid has the helpers that tests of every kind use. It imports no package of
// thumbd and no C, so that each package can use it in its own tests.
package aid

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Must ends the test if one of errs is not nil.
func Must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// Patience is how long a test waits for an event that comes on any machine. It bounds a
// test that fails; no test passes because of it.
const Patience = 2 * time.Minute

// whole is set in CI, where nothing may be missing.
var whole = flag.Bool("whole", false, "fail where a test would be skipped")

// Skip skips a test that can't run here, unless -whole forbids it.
func Skip(t testing.TB, reason string) {
	t.Helper()
	if *whole {
		t.Fatal("skipped though -whole forbids it: " + reason)
	}
	t.Skip(reason)
}

// Await returns when so returns true. After Patience, it ends the test.
func Await(t testing.TB, so func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it is not so after %v", Patience)
		}
	}
}

// NewGate makes a FIFO at path, and returns path. A program that opens the FIFO for reading
// waits there: see AtGate.
func NewGate(t testing.TB, path string) string {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatalf("mkfifo %s: %v", path, err)
	}
	return path
}

// AtGate waits until a program waits at the gate of that path. The program goes on when
// the file is closed.
func AtGate(t testing.TB, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	Must(t, err)
	return f
}

// Children returns the processes that pid has started and not waited for.
func Children(pid int) (pids []int, err error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	for _, stat := range stats {
		// A process that has ended meanwhile has no text. The name, in parentheses, may
		// have spaces: proc(5).
		text, _ := os.ReadFile(stat)
		fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		if len(fields) < 2 || string(fields[1]) != strconv.Itoa(pid) {
			continue
		}
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		if err != nil {
			return nil, err
		}
		pids = append(pids, child)
	}
	return pids, nil
}

// Preload compiles a source in C to a library for the environment variable LD_PRELOAD, and
// returns its path. So a test gives a program another malloc, for example.
func Preload(t testing.TB, source string) string {
	t.Helper()
	dir := t.TempDir()
	file, library := filepath.Join(dir, "preload.c"), filepath.Join(dir, "preload.so")
	Must(t, os.WriteFile(file, []byte(source), 0o600))
	// The replacement of a function may have no use for its arguments.
	cc := exec.CommandContext(t.Context(), "cc", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror",
		"-o", library, file, "-ldl")
	if out, err := cc.CombinedOutput(); err != nil {
		t.Fatalf("cc: %v\n%s", err, out)
	}
	return library
}
