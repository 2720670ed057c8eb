// SPDX-License-Identifier: MIT

// Package inside tests the installed package, as root of a machine that it may
// do anything to: internal/test/boot boots it.
//
// It is larger than other packages because it is one program: a machine is booted once, and
// all tests run in it.
package inside

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"thumbd/internal/test/boot"
)

// patience is far above what anything here takes.
const patience = 60 * time.Second

func TestMain(m *testing.M) {
	if _, err := os.Stat(boot.Marker); err != nil {
		fmt.Println("not in a machine of its own: make e2e-systemd boots one")
		return
	}
	os.Exit(m.Run())
}

// run runs a command and returns its output. A failure ends the test.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := try(t, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// try is run for a command that may fail.
func try(t testing.TB, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String() + stderr.String(), err
	}
	return stdout.String(), nil
}

// until waits for what comes about by itself.
func until(t testing.TB, what string, true func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !true(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// property returns a property of a unit, as systemctl show has it.
func property(t testing.TB, unit, name string) string {
	t.Helper()
	return strings.TrimSpace(run(t, "systemctl", "show", "--value", "--property="+name, unit))
}

// daemon returns the process ID of thumbd, 0 for none.
func daemon(t testing.TB) int {
	t.Helper()
	pid, err := strconv.Atoi(property(t, "thumbd.service", "MainPID"))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// workers returns the process IDs of thumbd's workers.
func workers(t testing.TB) []int {
	t.Helper()
	out, err := try(t, "pgrep", "-P", strconv.Itoa(daemon(t)), "-x", "thumbd-render")
	if err != nil {
		return nil
	}
	var pids []int
	for _, field := range strings.Fields(out) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// journal returns what the running thumbd has logged, or the last one that ran.
func journal(t testing.TB) string {
	t.Helper()
	return run(t, "journalctl", "--no-pager", "--output=cat", "_SYSTEMD_INVOCATION_ID="+property(t, "thumbd.service", "InvocationID"))
}

// put writes a file that every user can read, with the folders above it.
func put(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
