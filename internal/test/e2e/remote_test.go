// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

func TestRemoteOriginals(t *testing.T) {
	origin, url := kit.StartOrigin(t, "")
	toml, spool := kit.DaemonWithSpool(t)
	r := kit.Start(t, rig.Options{
		TOML:  toml,
		Sites: []rig.Site{kit.Remote("away", url), kit.Gallery(t, filepath.Join(origin.Root("media"), "media"))},
	})
	const original = "photos/dogs.jpg"
	for _, spec := range []string{"120x90_crop", "300x200_fit"} {
		away := kit.Get(t, r, kit.RemoteTarget("away", original, spec, "webp"))
		here := kit.Get(t, r, kit.Target(original, spec, "webp"))
		if here.Status != 200 || !bytes.Equal(away.Body, here.Body) {
			t.Errorf("%s: status %d and %d, %d bytes and %d", spec, away.Status, here.Status, len(away.Body), len(here.Body))
		}
		for _, name := range []string{"ETag", "Last-Modified"} {
			if a, b := away.Header.Get(name), here.Header.Get(name); a == "" || a != b {
				t.Errorf("%s: %s %q, and %q of a local original", spec, name, a, b)
			}
		}
	}
	kit.Expect(t, kit.Get(t, r, kit.RemoteTarget("away", "photos/none.jpg", "10x10_crop", "jpg")), 404, "no-original")
	kit.Expect(t, kit.Get(t, r, kit.RemoteTarget("away", "photos", "10x10_crop", "jpg")), 502, "origin")
	files, err := os.ReadDir(spool)
	if err != nil || len(files) != 2 {
		t.Errorf("%d files in the spool, %v, want one original's record and bytes", len(files), err)
	}

	// A new version, and a purge.
	aid.Must(t, os.Rename(filepath.Join(origin.Root("media"), "media/photos/fig.jpg"), filepath.Join(origin.Root("media"), "media", original)))
	aid.Must(t, os.RemoveAll(r.File("away", "/away/"+original)))
	aid.Must(t, os.RemoveAll(r.File("gallery", "/thumbs/"+original)))
	away := kit.Get(t, r, kit.RemoteTarget("away", original, "120x90_crop", "webp"))
	here := kit.Get(t, r, kit.Target(original, "120x90_crop", "webp"))
	if here.Status != 200 || !bytes.Equal(away.Body, here.Body) {
		t.Errorf("a new version: status %d and %d", away.Status, here.Status)
	}
}

// The other commands know remote originals.
func TestCommandsOnRemoteOriginals(t *testing.T) {
	origin, url := kit.StartOrigin(t, "")
	toml, spool := kit.DaemonWithSpool(t)
	r := kit.Start(t, rig.Options{TOML: toml, Sites: []rig.Site{kit.Remote("away", url)}})
	built, err := kit.Programs()
	aid.Must(t, err)
	thumbd := func(want int, words string, args ...string) string {
		t.Helper()
		args = append([]string{args[0], "-c", filepath.Join(r.Dir, "thumbd.toml")}, args[1:]...)
		cmd := exec.CommandContext(t.Context(), built.Thumbd, args...)
		out, err := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != want || !strings.Contains(string(out), words) {
			t.Errorf("thumbd %v: exit code %d, %v, want %d and %q:\n%s", args, got, err, want, words, out)
		}
		return strings.TrimSpace(string(out))
	}
	thumbd(0, "good", "check")
	uri := thumbd(0, "/away/photos/dogs.jpg/", "url", "away", "photos/dogs.jpg", "30x20", "crop")
	thumbd(0, url+"photos/dogs.jpg", "verify", uri)
	kit.Picture(t, kit.Get(t, r, uri), "jpeg", 30, 20)
	thumbd(1, "404", "verify", thumbd(0, "", "url", "away", "none.jpg", "30x20", "crop"))

	aid.Must(t, origin.StopNginx())
	thumbd(1, "connection refused", "check")
	thumbd(1, "connection refused", "verify", uri)
	kit.StartOrigin(t, origin.Addr)
	aid.Must(t, os.RemoveAll(spool))
	aid.Must(t, os.WriteFile(spool, nil, 0o600))
	thumbd(1, spool, "check")
}

// misses asks sites for thumbnails that nobody has asked for.
type misses struct {
	t     *testing.T
	rig   *rig.Rig
	sites []string
	last  int // that was asked for
}

// together asks for ten at once, and returns how many were answered with which
// status.
func (m *misses) together() (seen map[int]int, slowest time.Duration) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), aid.Patience)
	defer cancel()
	begin := time.Now()
	var answers []<-chan kit.Reply
	for i := range 10 {
		m.last++
		text, _, _ := kit.Spec(m.last)
		answers = append(answers, kit.Ask(ctx, m.rig, kit.RemoteTarget(m.sites[i%len(m.sites)], "photos/fig.jpg", text, "jpg")))
	}
	seen = make(map[int]int)
	for _, a := range answers {
		got := <-a
		aid.Must(m.t, got.Err)
		seen[got.Status]++
	}
	return seen, time.Since(begin)
}

// until asks until all are answered with one status, and none with another but
// those of before.
func (m *misses) until(status int, before ...int) {
	m.t.Helper()
	var slowest time.Duration
	for begin := time.Now(); time.Since(begin) < aid.Patience; time.Sleep(10 * time.Millisecond) {
		seen, took := m.together()
		slowest = max(slowest, took)
		for got := range seen {
			if got != status && !slices.Contains(before, got) {
				m.t.Errorf("status %d, want %d", got, status)
			}
		}
		if len(seen) == 1 && seen[status] > 0 {
			m.t.Logf("status %d: after %v, the slowest miss took %v", status, time.Since(begin), slowest)
			return
		}
	}
	m.t.Fatalf("there is no status %d", status)
}

// While an origin is stopped, hits are as ever, misses are told so at once,
// and it is found again by itself when it comes back.
func TestOriginStopsAndComesBack(t *testing.T) {
	origin, url := kit.StartOrigin(t, "")
	toml, _ := kit.DaemonWithSpool(t)
	names := []string{"one", "two"}
	var sites []rig.Site
	for _, name := range names {
		sites = append(sites, kit.Remote(name, url, `header_time = "1s"`))
	}
	r := kit.Start(t, rig.Options{TOML: toml, Sites: sites})
	hit := kit.RemoteTarget("one", "photos/dogs.jpg", "90x60_crop", "jpg")
	first := kit.Get(t, r, hit)
	kit.Picture(t, first, "jpeg", 90, 60)
	l := kit.StartLoad(t, 2, func(ctx context.Context, _ int) error {
		resp, err := r.Get(ctx, hit)
		if err == nil && (resp.Status != 200 || !bytes.Equal(resp.Body, first.Body)) {
			err = fmt.Errorf("status %d, %d bytes", resp.Status, len(resp.Body))
		}
		return err
	})
	m := &misses{t: t, rig: r, sites: names}
	m.until(200)
	aid.Must(t, origin.StopNginx())
	m.until(502)
	mute, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", origin.Addr)
	aid.Must(t, err)
	m.until(504, 502)
	aid.Must(t, mute.Close())
	kit.StartOrigin(t, origin.Addr)
	m.until(200, 502, 504)
	t.Logf("%d hits meanwhile", l.End())
}
