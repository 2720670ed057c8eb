// SPDX-License-Identifier: MIT

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// watched are a site of each scheme that follow their originals.
func watched(t *testing.T, originals string) []rig.Site {
	t.Helper()
	one, two := kit.Gallery(t, originals), rig.Site{Name: "p", Prefix: "/p/", Scheme: "preset", Originals: originals}
	one.TOML, two.TOML = "watch = true", "watch = true"
	return []rig.Site{one, two}
}

// uris are an original's thumbnails in both schemes.
func uris(original string) []string {
	return []string{kit.Signed("/thumbs/", original, "20x20_crop", "png"), "/p/small/" + original}
}

// However an original is replaced, what is served is soon of the new one.
func TestOriginalsAreFollowed(t *testing.T) {
	originals := kit.Folder(t, nil)
	path := func(name string) string { return filepath.Join(originals, name) }
	write := func(t *testing.T, name string, version int, mtime time.Time) {
		t.Helper()
		kit.Put(t, path(name), kit.Solid(kit.VersionColor(version)))
		aid.Must(t, os.Chtimes(path(name), mtime, mtime))
	}
	now := time.Now().Add(-time.Hour).Truncate(time.Second)
	for _, name := range []string{"a.png", "d/b.png", "d/e/c.png", "still.png"} {
		write(t, name, 1, now)
	}
	r := kit.Start(t, rig.Options{Sites: watched(t, originals)})
	kit.WaitLog(t, r, 2, "reconciled")
	for _, name := range []string{"a.png", "d/b.png", "d/e/c.png", "still.png"} {
		for _, uri := range uris(name) {
			kit.Becomes(t, r, uri, 1)
		}
	}
	var still []os.FileInfo
	for i, uri := range uris("still.png") {
		fi, err := os.Stat(r.File([]string{"gallery", "p"}[i], uri))
		aid.Must(t, err)
		still = append(still, fi)
	}
	for i, tt := range []struct {
		name   string
		change func(t *testing.T, version int)
		of     string // the original; "": a.png
		gone   bool
	}{
		{name: "written in place", change: func(t *testing.T, v int) { kit.Put(t, path("a.png"), kit.Solid(kit.VersionColor(v))) }},
		{name: "written in place with its old mtime", change: func(t *testing.T, v int) { write(t, "a.png", v, now) }},
		{name: "renamed over", change: func(t *testing.T, v int) {
			kit.Put(t, path(".a.png.tmp"), kit.Solid(kit.VersionColor(v)))
			aid.Must(t, os.Rename(path(".a.png.tmp"), path("a.png")))
		}},
		{name: "renamed over with its old mtime", change: func(t *testing.T, v int) {
			write(t, ".a.png.Xa12Zz", v, now)
			aid.Must(t, os.Rename(path(".a.png.Xa12Zz"), path("a.png")))
		}},
		{name: "cp -p", change: func(t *testing.T, v int) {
			file := filepath.Join(t.TempDir(), "x.png")
			aid.Must(t, os.WriteFile(file, kit.Solid(kit.VersionColor(v)), 0o644), os.Chtimes(file, kit.Old, kit.Old))
			kit.Run(t, "cp", "-p", file, path("a.png"))
		}},
		{name: "rsync -t", change: func(t *testing.T, v int) {
			kit.NeedPrograms(t, "rsync")
			file := filepath.Join(t.TempDir(), "x.png")
			aid.Must(t, os.WriteFile(file, kit.Solid(kit.VersionColor(v)), 0o644), os.Chtimes(file, kit.Old, kit.Old.Add(time.Minute)))
			kit.Run(t, "rsync", "-t", file, path("a.png"))
		}},
		{name: "an older file moved back", change: func(t *testing.T, v int) {
			write(t, "backup.png", v, kit.Old.Add(-time.Hour))
			aid.Must(t, os.Rename(path("backup.png"), path("a.png")))
		}},
		{name: "removed", change: func(t *testing.T, _ int) { aid.Must(t, os.Remove(path("a.png"))) }, gone: true},
		{name: "made anew", change: func(t *testing.T, v int) { write(t, "a.png", v, kit.Old) }},
		{name: "in a folder", change: func(t *testing.T, v int) { write(t, "d/e/c.png", v, now) }, of: "d/e/c.png"},
		{name: "its folder moved away", change: func(t *testing.T, _ int) { aid.Must(t, os.Rename(path("d"), path("f"))) }, of: "d/b.png", gone: true},
		{name: "the folder in that", change: func(*testing.T, int) {}, of: "d/e/c.png", gone: true},
		{name: "in the folder that was moved", change: func(t *testing.T, v int) { write(t, "f/b.png", v, now) }, of: "f/b.png"},
		{name: "and again", change: func(t *testing.T, v int) { write(t, "f/b.png", v, now) }, of: "f/b.png"},
		{name: "below the folder that was moved", change: func(t *testing.T, v int) { write(t, "f/e/c.png", v, now) }, of: "f/e/c.png"},
		{name: "and once more", change: func(t *testing.T, v int) { write(t, "f/e/c.png", v, now) }, of: "f/e/c.png"},
		{name: "in a new folder", change: func(t *testing.T, v int) { write(t, "n/m/d.png", v, now) }, of: "n/m/d.png"},
		{name: "and there again", change: func(t *testing.T, v int) { write(t, "n/m/d.png", v, now) }, of: "n/m/d.png"},
		{name: "all of the originals in place of others", change: func(t *testing.T, v int) {
			aid.Must(t, os.Rename(originals, originals+".old"))
			t.Cleanup(func() { aid.Must(t, os.RemoveAll(originals+".old")) })
			write(t, "a.png", v, kit.Old.Add(time.Hour))
			write(t, "still.png", 1, now)
		}},
		{name: "and after that", change: func(t *testing.T, v int) {
			kit.WaitLog(t, r, 4, "reconciled")
			write(t, "a.png", v, kit.Old.Add(time.Hour))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			version := i + 2
			tt.change(t, version)
			if tt.gone {
				version = 0
			}
			if tt.of == "" {
				tt.of = "a.png"
			}
			for _, uri := range uris(tt.of) {
				kit.Becomes(t, r, uri, version)
			}
		})
	}
	for i, uri := range uris("still.png") {
		fi, err := os.Stat(r.File([]string{"gallery", "p"}[i], uri))
		if err != nil || !os.SameFile(fi, still[i]) {
			t.Errorf("%s, of an original that has not changed, is another file or none: %v", uri, err)
		}
	}
}

// What changes while thumbd is stopped is found when it starts.
func TestOriginalsAreReconciledAtTheStart(t *testing.T) {
	originals := kit.Folder(t, nil)
	write := func(name string, version int, mtime time.Time) {
		t.Helper()
		kit.Put(t, filepath.Join(originals, name), kit.Solid(kit.VersionColor(version)))
		aid.Must(t, os.Chtimes(filepath.Join(originals, name), mtime, mtime))
	}
	for _, name := range []string{"a.png", "gone.png", "still.png"} {
		write(name, 1, kit.Old)
	}
	r := kit.Start(t, rig.Options{Sites: watched(t, originals)})
	for _, name := range []string{"a.png", "gone.png", "still.png"} {
		for _, uri := range uris(name) {
			kit.Becomes(t, r, uri, 1)
		}
	}
	kit.StopDaemon(t, r)
	write("a.png", 2, kit.Old.Add(-time.Hour))
	aid.Must(t, os.Remove(filepath.Join(originals, "gone.png")))
	seen := r.Log.Count("reconciled")
	if err := r.StartDaemon(t.Context()); err != nil {
		t.Fatal(err)
	}
	kit.WaitLog(t, r, seen+2, "reconciled")
	got := strings.Join(append(kit.Thumbnails(t, r, "gallery"), kit.Thumbnails(t, r, "p")...), "\n")
	if want := strings.Join(uris("still.png"), "\n"); got != want {
		t.Errorf("left:\n%s\nwant:\n%s", got, want)
	}

	// Where nothing is mounted nothing has been removed.
	kit.StopDaemon(t, r)
	aid.Must(t, os.Rename(originals, originals+".away"), os.Mkdir(originals, 0o755))
	if err := r.StartDaemon(t.Context()); err != nil {
		t.Fatal(err)
	}
	kit.WaitLog(t, r, 2, "ERROR", "no originals at all")
	aid.Must(t, os.Remove(originals), os.Rename(originals+".away", originals))
	for _, uri := range uris("still.png") {
		kit.Becomes(t, r, uri, 1)
	}
}

// A limit of the kernel's is told with the sysctl that raises it.
func TestWatchLimitsAreTold(t *testing.T) {
	originals := kit.Folder(t, map[string]string{"a/b/c/d.jpg": "originals/tests/orientation/1.jpg"})
	r := kit.Start(t, rig.Options{Sites: watched(t, originals)})
	p, err := kit.Programs()
	aid.Must(t, err)
	for limit, want := range map[string]string{"watches": "fs.inotify.max_user_watches", "instances": "fs.inotify.max_user_instances"} {
		script := fmt.Sprintf("echo 0 >/proc/sys/user/max_inotify_%s && exec '%s' check -c '%s'", limit, p.Thumbd, kit.ConfigFile(r))
		out, err := exec.CommandContext(t.Context(), "unshare", "--user", "--map-root-user", "/bin/sh", "-c", script).CombinedOutput()
		if strings.Contains(string(out), "unshare") {
			aid.Skip(t, "no user namespaces: "+string(out))
		}
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("no %s: %v: %s; want %s", limit, err, out, want)
		}
	}
	out, err := kit.Thumbd(t, "check", "-c", kit.ConfigFile(r))
	if err != nil || !strings.Contains(out, "thumbd does not end after idle_exit") {
		t.Errorf("%v: %s", err, out)
	}
}
