// SPDX-License-Identifier: MIT

package kit

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/rig"
)

// PublicPrograms are copies that every user can run, wherever the source tree
// and the built programs are.
func PublicPrograms(t *testing.T) rig.Programs {
	t.Helper()
	p, err := Programs()
	if err != nil {
		t.Fatal(err)
	}
	dir := Folder(t, nil)
	for _, path := range []string{p.Thumbd, p.Render} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		PutProgram(t, filepath.Join(dir, filepath.Base(path)), b)
	}
	return rig.Programs{Thumbd: filepath.Join(dir, "thumbd"), Render: filepath.Join(dir, "thumbd-render")}
}

// PutProgram writes a file that every user can run. No process is started
// meanwhile: it would have the file open for writing for a moment, and the
// kernel runs no such file (ETXTBSY, execve(2)).
func PutProgram(t testing.TB, path string, data []byte) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	aid.Must(t, os.WriteFile(path, data, 0o755), os.Chmod(path, 0o755))
}

// FreePort returns an address of 127.0.0.1 that was free a moment ago.
func FreePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr())
}

// Background starts cmd. If cmd still runs at the end of the test, it is told to end. The
// caller may read out after ended is closed.
func Background(t *testing.T, cmd *exec.Cmd) (ended <-chan struct{}, out *bytes.Buffer) {
	t.Helper()
	out = &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return UntilTestEnds(t, cmd), out
}

// UntilTestEnds starts cmd. If cmd still runs at the end of the test, it is told to end.
// When cmd has ended, ended is closed, and the exit status is in cmd.
func UntilTestEnds(t *testing.T, cmd *exec.Cmd) (ended <-chan struct{}) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		// Callers that need the status read it from cmd.
		_ = cmd.Wait()
		close(done)
	}()
	t.Cleanup(func() {
		// It may have ended already.
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-done
	})
	return done
}

// Post returns the request of a purge with this form.
func Post(form url.Values) rig.Request {
	return rig.Request{
		Method: "POST", Target: "/purge", Admin: true, Body: form.Encode(),
		Header: []string{"Content-Type: application/x-www-form-urlencoded"},
	}
}

// Thumbd runs a command of the built program.
func Thumbd(t *testing.T, args ...string) (output string, err error) {
	t.Helper()
	p, err := Programs()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), p.Thumbd, args...).CombinedOutput()
	return string(out), err
}

// Thumbnails returns the names of all that is published of a site.
func Thumbnails(t *testing.T, r *rig.Rig, site string) []string {
	t.Helper()
	names := []string{}
	err := filepath.WalkDir(r.Root(site), func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Name() == ".thumbd" {
			return filepath.SkipDir
		}
		if !d.IsDir() {
			names = append(names, path[len(r.Root(site)):])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// AwaitPublished waits until a site has published exactly the files of these names.
func AwaitPublished(t *testing.T, r *rig.Rig, site string, want []string) {
	t.Helper()
	var diff string
	for deadline := time.Now().Add(aid.Patience); time.Now().Before(deadline); {
		if diff = cmp.Diff(want, Thumbnails(t, r, site)); diff == "" {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("published (-want +got):\n%s", diff)
}

// Many makes n originals and returns their folder, and the names of the thumbnails that
// thumbd warm makes of them.
func Many(t *testing.T, n int) (originals string, want []string) {
	t.Helper()
	files := make(map[string]string)
	for i := range n {
		files[fmt.Sprintf("d%d/%d.jpg", i%7, i)] = Upright
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		want = append(want, Warmed(name, "s", "s@2x", "l")...)
	}
	slices.Sort(want)
	return Folder(t, files), want
}

const Upright = "originals/tests/orientation/1.jpg"

// WarmSites are two sites on the same originals, one of the signed scheme with
// WebP negotiated and one of the preset scheme.
func WarmSites(t *testing.T, originals string) []rig.Site {
	t.Helper()
	g := Gallery(t, originals)
	g.TryFiles = "$uri$thumbd_webp"
	g.TOML = `negotiate = ["webp"]
[site.gallery.preset.s]
size = "20x20"
method = "crop"
dpr = [2]
[site.gallery.preset.l]
size = "30x40"
method = "pad"
`
	return []rig.Site{g, {Name: "p", Prefix: "/p/", Scheme: "preset", Originals: originals, TOML: "factors = [100, 50]\n" +
		"[site.p.preset.s]\nsize = \"20x20\"\nmethod = \"crop\"\nformats = [\"webp\"]"}}
}

// Warmed returns the names of the thumbnails that thumbd warm makes of an original of
// the gallery.
func Warmed(original string, specs ...string) []string {
	var all []string
	for _, spec := range specs {
		uri := Signed("/thumbs/", original, spec, "jpg")
		all = append(all, uri, uri+".webp")
	}
	return all
}

// WarmCommand is thumbd warm of a site, through the running thumbd or without.
func WarmCommand(t *testing.T, r *rig.Rig, running bool, args ...string) *exec.Cmd {
	t.Helper()
	p, err := Programs()
	aid.Must(t, err)
	admin := r.AdminPath()
	if !running {
		admin = filepath.Join(r.Dir, "nobody.sock")
	}
	return exec.CommandContext(t.Context(), p.Thumbd, append([]string{"warm", "-c", filepath.Join(r.Dir, "thumbd.toml"), "--admin", admin}, args...)...)
}

// Warm runs thumbd warm, checks its exit code and words of its output, and returns
// the output.
func Warm(t *testing.T, cmd *exec.Cmd, code int, words ...string) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Errorf("%v: exit code %d, %v, want %d:\n%s", cmd.Args[6:], got, err, code, out)
	}
	for _, w := range words {
		if !strings.Contains(string(out), w) {
			t.Errorf("%v: no %q in\n%s", cmd.Args[6:], w, out)
		}
	}
	return string(out)
}
