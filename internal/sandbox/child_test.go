// SPDX-License-Identifier: MIT

package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The test binary is its own child, told by these what to do.
const (
	childAttempt = "SANDBOX_TEST_ATTEMPT"
	childWalls   = "SANDBOX_TEST_WALLS"
	childBefore  = "SANDBOX_TEST_BEFORE"
)

func TestMain(m *testing.M) {
	if name := os.Getenv(childAttempt); name != "" {
		child(name)
		// os.Exit would write coverage data, which the walls refuse.
		unix.Exit(0)
	}
	os.Exit(m.Run())
}

// walls are the ways to shut the child in.
var walls = map[string]func() ([]string, error){
	"none":  func() ([]string, error) { return nil, nil },
	"both":  Enter,
	"files": func() ([]string, error) { return lockFiles(), nil },
}

// filters are what a process may have been started under.
var filters = map[string]func() error{
	"no landlock":         answering(absent, unix.SYS_LANDLOCK_CREATE_RULESET, unix.SYS_LANDLOCK_ADD_RULE, unix.SYS_LANDLOCK_RESTRICT_SELF),
	"landlock refused":    answering(refuse, unix.SYS_LANDLOCK_CREATE_RULESET, unix.SYS_LANDLOCK_ADD_RULE, unix.SYS_LANDLOCK_RESTRICT_SELF),
	"restricting refused": answering(refuse, unix.SYS_LANDLOCK_RESTRICT_SELF),
	"no proc":             answering(refuse, unix.SYS_OPENAT),
	"no seccomp":          answering(refuse, unix.SYS_SECCOMP),
}

// answering returns a function that puts the process under a filter that lets
// all calls through but some.
func answering(a action, calls ...uintptr) func() error {
	var rules []rule
	for _, c := range calls {
		rules = append(rules, rule{call: c, action: a})
	}
	return func() error {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return err
		}
		return install(compile(rules, x32, allow))
	}
}

// child prints what is missing, one a line, and then what becomes of the
// attempt on three threads: one from before the walls, this one, and one from
// after them.
func child(name string) {
	runtime.LockOSThread()
	all := attempts()
	maps.Copy(all, needs())
	try := all[name].prepare()
	old := newThread()
	known := threads()
	if before := os.Getenv(childBefore); before != "" {
		if err := filters[before](); err != nil {
			fmt.Println("fault:", err)
			return
		}
	}
	missing, err := walls[os.Getenv(childWalls)]()
	if err != nil {
		fmt.Println("fault:", err)
		return
	}
	for _, m := range missing {
		fmt.Println("missing:", m)
	}
	if os.Getenv(childWalls) == "none" {
		report(try())
		return
	}
	report(old(try))
	report(try())
	report(youngThread(known)(try))
}

func report(err error) {
	errno, ok := errors.AsType[unix.Errno](err)
	switch {
	case err == nil:
		fmt.Println("done")
	case ok:
		fmt.Println("error:", unix.ErrnoName(errno))
	default:
		fmt.Println("fault:", err)
	}
}

// newThread returns a function that runs another on a thread of its own.
func newThread() func(func() error) error {
	jobs, results := make(chan func() error), make(chan error)
	ready := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		close(ready)
		for f := range jobs {
			results <- f()
		}
	}()
	<-ready
	return func(f func() error) error {
		jobs <- f
		return <-results
	}
}

// youngThread is newThread on a thread that is not among known.
func youngThread(known map[int]bool) func(func() error) error {
	for {
		run := newThread()
		tid := 0
		_ = run(func() error { tid = unix.Gettid(); return nil })
		if !known[tid] {
			return run
		}
	}
}

func threads() map[int]bool {
	entries := must(os.ReadDir("/proc/self/task"))
	known := make(map[int]bool)
	for _, e := range entries {
		known[must(strconv.Atoi(e.Name()))] = true
	}
	return known
}

// outcome is what became of a child.
type outcome struct {
	missing []string
	results []string // "done" or an error's name, one a thread
	signal  unix.Signal
}

// run has a child try an attempt behind the walls named, after a filter named.
func run(t *testing.T, attempt, walls, before string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Dir = t.TempDir()
	if err := os.Chmod(cmd.Dir, 0o777); err != nil {
		t.Fatal(err)
	}
	cmd.Env = []string{
		childAttempt + "=" + attempt, childWalls + "=" + walls, childBefore + "=" + before,
		// Else the race detector sleeps a second at every exit.
		"GORACE=atexit_sleep_ms=0",
	}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var o outcome
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		o.signal = exit.Sys().(syscall.WaitStatus).Signal()
	}
	if err != nil && o.signal <= 0 || stderr.Len() > 0 {
		t.Fatalf("%v; stdout %q, stderr %q", err, &stdout, &stderr)
	}
	for lines := bufio.NewScanner(&stdout); lines.Scan(); {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "fault:"):
			t.Fatal(line)
		case strings.HasPrefix(line, "missing: "):
			o.missing = append(o.missing, strings.TrimPrefix(line, "missing: "))
		default:
			o.results = append(o.results, strings.TrimPrefix(line, "error: "))
		}
	}
	return o
}
