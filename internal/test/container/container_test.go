// SPDX-License-Identifier: MIT

// Package container tests the OCI image. THUMBD_IMAGE names its file; make check-image
// makes it.
package container

import (
	"context"
	"image"
	_ "image/jpeg"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// user is thumbd in the image.
const user = 911

const site = `
[site.gallery]
prefix        = "/thumbs/"
document_root = "/var/cache/thumbd/gallery"
originals     = "/srv/originals"
scheme        = "preset"
`

// podman is a storage of podman with the image alone.
type podman struct{ dir string }

func newPodman(t *testing.T) podman {
	t.Helper()
	file := os.Getenv("THUMBD_IMAGE")
	if file == "" {
		t.Skip("THUMBD_IMAGE names no image; make check-image does")
	}
	p := podman{t.TempDir()}
	t.Cleanup(func() {
		if out, err := p.command(context.Background(), "system", "reset", "--force").CombinedOutput(); err != nil {
			t.Errorf("podman: %v\n%s", err, out)
		}
	})
	p.run(t, "load", "-q", "-i", file)
	p.run(t, "tag", strings.TrimSpace(p.run(t, "images", "-q")), "thumbd")
	return p
}

func (p podman) command(ctx context.Context, args ...string) *exec.Cmd {
	// runc, as crun refuses the cgroups of some machines.
	flags := []string{"--runtime=runc", "--root=" + p.dir + "/root", "--runroot=" + p.dir + "/run", "--tmpdir=" + p.dir + "/tmp", "--cgroup-manager=cgroupfs", "--events-backend=file"}
	return exec.CommandContext(ctx, "podman", append(flags, args...)...)
}

func (p podman) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := p.command(t.Context(), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("podman %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// folder makes a folder for a volume that belongs to thumbd.
func folder(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, user, user); err != nil {
		t.Fatal(err)
	}
	return path
}

// In a container with nothing but its volumes, and with the runtime's default seccomp
// profile, thumbd renders with the whole sandbox, and ends when it is told to.
func TestImage(t *testing.T) {
	p := newPodman(t)
	if os.Geteuid() != 0 {
		t.Skip("only root can give folders to another user")
	}
	configuration, originals := folder(t, "etc"), folder(t, "originals")
	cache, socket := folder(t, "cache"), folder(t, "socket")
	if err := os.WriteFile(filepath.Join(configuration, "thumbd.toml"), []byte(site), 0o644); err != nil {
		t.Fatal(err)
	}
	original, err := os.ReadFile("../../../testdata/originals/tests/orientation/1.jpg")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(originals, "a.jpg"), original, 0o644); err != nil {
		t.Fatal(err)
	}
	p.run(t, "run", "--detach", "--name=thumbd", "--read-only", "--cap-drop=all", "--network=none", "--security-opt=no-new-privileges",
		// podman's own default is over the limit of some machines.
		"--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024",
		"-v", configuration+":/etc/thumbd:ro", "-v", originals+":/srv/originals:ro", "-v", cache+":/var/cache/thumbd", "-v", socket+":/run/thumbd", "thumbd")
	defer func() {
		if t.Failed() {
			t.Log(p.run(t, "logs", "thumbd"))
		}
		p.run(t, "rm", "--force", "thumbd")
	}()
	healthy(t, p)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(socket, "thumbd.sock"))
	}}}
	resp, err := client.Get("http://localhost/thumbs/small/a.jpg")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("a miss is answered %d %s", resp.StatusCode, resp.Header.Get("X-Thumbd-Reason"))
	}
	f, err := os.Open(filepath.Join(cache, "gallery/thumbs/small/a.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if c, kind, err := image.DecodeConfig(f); err != nil || kind != "jpeg" || c.Width != 50 {
		t.Errorf("published is %s, %d wide, %v", kind, c.Width, err)
	}
	p.run(t, "exec", "thumbd", "thumbd", "check")
	p.run(t, "stop", "--time=30", "thumbd")
	if code := strings.TrimSpace(p.run(t, "inspect", "--format={{.State.ExitCode}}", "thumbd")); code != "0" {
		t.Errorf("stopped with exit status %s", code)
	}
	if log := p.run(t, "logs", "thumbd"); !strings.Contains(log, "msg=rendered") || strings.Contains(log, "sandbox") {
		t.Errorf("the log:\n%s", log)
	}
}

// healthy waits until thumbd health is content.
func healthy(t *testing.T, p podman) {
	t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); ; <-tick.C {
		out, err := p.command(t.Context(), "exec", "thumbd", "thumbd", "health").CombinedOutput()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("thumbd health: %v: %s", err, out)
		}
	}
}
