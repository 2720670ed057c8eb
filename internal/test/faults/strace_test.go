// SPDX-License-Identifier: MIT

package faults

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// strace traces the running thumbd, with further arguments, until end is
// called or the test ends, and returns what it has written.
func strace(t *testing.T, r *rig.Rig, args ...string) (end func() string) {
	t.Helper()
	kit.NeedPrograms(t, "strace")
	out := filepath.Join(t.TempDir(), "strace")
	args = append([]string{"-f", "-y", "-s", "4096", "-o", out, "-p", strconv.Itoa(r.DaemonPID())}, args...)
	cmd := exec.Command("strace", args...)
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	end = func() string {
		if !ended {
			ended = true
			// It lets go of thumbd and ends with a signal of its own.
			_ = cmd.Process.Signal(os.Interrupt)
			_ = cmd.Wait()
		}
		b, err := os.ReadFile(out)
		if err != nil {
			t.Error(err)
		}
		return string(b)
	}
	t.Cleanup(func() { end() })
	buf := make([]byte, 4096)
	var text []byte
	for !bytes.Contains(text, []byte("attached")) {
		n, err := said.Read(buf)
		if text = append(text, buf[:n]...); err != nil {
			if bytes.Contains(text, []byte("ptrace")) {
				aid.Skip(t, string(text))
			}
			t.Fatalf("strace: %v: %s", err, text)
		}
	}
	return end
}

// A request that is refused for its signature, or anything else that can be
// read from it, makes thumbd ask the kernel for no file.
func TestABadSignatureCostsNoDiskAccess(t *testing.T) {
	t.Parallel()
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}, TOML: "[daemon]\nworkers = 1"})
	good := kit.Target("a.jpg", "20x20_crop", "jpg")
	end := strace(t, r, "-e", "trace=%file")
	for target, status := range map[string]int{
		strings.Replace(good, "20x20", "20x21", 1):                         401,
		strings.Replace(good, "a.jpg", "b.jpg", 1):                         401,
		strings.Replace(good, "a.jpg", "z.jpg", 1):                         401,
		"/thumbs/a.jpg/20x20_crop.jpg":                                     401,
		"/thumbs/a.jpg/20x20_nonsense_" + strings.Repeat("A", 28) + ".jpg": 400,
		"/thumbs/a.jpg/nothing_" + strings.Repeat("A", 28) + ".jpg":        404,
	} {
		if got := kit.Get(t, r, target); got.Status != status {
			t.Errorf("%s: status %d, want %d", target, got.Status, status)
		}
	}
	if trace := end(); strings.Contains(trace, "(") {
		t.Errorf("files were asked for:\n%s", trace)
	}
	// So that it is known to be seen if they are.
	end = strace(t, r, "-e", "trace=%file")
	kit.Picture(t, kit.Get(t, r, good), "jpeg", 20, 20)
	if trace := end(); !strings.Contains(trace, "openat(") || !strings.Contains(trace, "a.jpg") {
		t.Errorf("a render was not seen:\n%s", trace)
	}
}
