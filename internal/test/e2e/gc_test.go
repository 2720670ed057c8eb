// SPDX-License-Identifier: MIT

package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// gc runs thumbd gc on the configuration of r, and returns what it says.
func gc(t *testing.T, r *rig.Rig, args ...string) string {
	t.Helper()
	out, err := kit.Thumbd(t, append([]string{"gc", "-c", filepath.Join(r.Dir, "thumbd.toml")}, args...)...)
	if err != nil {
		t.Fatalf("gc: %v\n%s", err, out)
	}
	return out
}

// settled returns when all that the gallery has was published so long ago that
// gc may take it.
func settled(t *testing.T, r *rig.Rig) {
	t.Helper()
	for _, name := range kit.Thumbnails(t, r, "gallery") {
		var st unix.Stat_t
		aid.Must(t, unix.Stat(r.Root("gallery")+name, &st))
		<-time.After(time.Until(time.Unix(st.Ctim.Unix()).Add(2100 * time.Millisecond)))
	}
}

// While renders and hits go on, gc removes all but a few thumbnails, again and
// again: whoever asks gets his picture all the same.
func TestGCUnderLoad(t *testing.T) {
	site := kit.Gallery(t, kit.JPGs(t))
	site.TOML = "[site.gallery.cache]\nmax_files = 3"
	r := kit.Start(t, rig.Options{Sites: []rig.Site{site}})
	l := kit.StartLoad(t, 3, func(ctx context.Context, n int) error { return kit.MissAndHit(ctx, r, "a.jpg", n) })
	runs := kit.Times(10, 1000)
	for removed := 0; removed < runs; {
		l.Await(3)
		if !strings.Contains(gc(t, r), "removed 0 files") {
			removed++
		}
	}
	t.Logf("%d requests while %d runs removed something", l.End(), runs)
	settled(t, r)
	gc(t, r)
	if left := kit.Thumbnails(t, r, "gallery"); len(left) != 3 {
		t.Errorf("%d thumbnails are left, want 3", len(left))
	}
	kit.StopDaemon(t, r)
	if n := r.Log.Count("nginx does not find"); n > 0 {
		t.Errorf("%d requests came back", n)
	}
}

// Originals that were replaced, whichever way, or deleted, lose their
// thumbnails.
func TestGCFollowsOriginals(t *testing.T) {
	for name, replace := range map[string]func(t *testing.T, original, other string){
		"written in place": func(t *testing.T, original, other string) { kit.Run(t, "cp", other, original) },
		"renamed over": func(t *testing.T, original, other string) {
			kit.Run(t, "cp", other, original+".new")
			kit.Run(t, "mv", original+".new", original)
		},
		"cp -p": func(t *testing.T, original, other string) { kit.Run(t, "cp", "-p", other, original) },
		"rsync -t": func(t *testing.T, original, other string) {
			kit.NeedPrograms(t, "rsync")
			kit.Run(t, "rsync", "-t", other, original)
		},
		"an older file restored": func(t *testing.T, original, other string) {
			kit.Run(t, "cp", other, original)
			old := time.Now().Add(-1000 * time.Hour)
			aid.Must(t, os.Chtimes(original, old, old))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := kit.Folder(t, map[string]string{"a.jpg": "originals/photos/dandelion.jpg", "b.jpg": "originals/photos/dandelion.jpg"})
			other := filepath.Join(t.TempDir(), "other.jpg")
			b, err := os.ReadFile(kit.Testdata(t, "originals/photos/drum.jpg"))
			aid.Must(t, err, os.WriteFile(other, b, 0o644))
			past := time.Now().Add(-time.Hour)
			aid.Must(t, os.Chtimes(other, past, past))
			r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, dir)}})
			before := kit.Get(t, r, kit.Target("a.jpg", "20x20_crop", "png"))
			kit.Expect(t, before, 200, "")
			kit.Expect(t, kit.Get(t, r, kit.Target("b.jpg", "20x20_crop", "png")), 200, "")
			replace(t, filepath.Join(dir, "a.jpg"), other)
			if out := gc(t, r); !strings.Contains(out, "(1 stale)") {
				t.Errorf("gc says %s", out)
			}
			after := kit.Get(t, r, kit.Target("a.jpg", "20x20_crop", "png"))
			kit.Expect(t, after, 200, "")
			if string(after.Body) == string(before.Body) {
				t.Error("the old picture is served")
			}
			aid.Must(t, os.Remove(filepath.Join(dir, "a.jpg")))
			if out := gc(t, r); !strings.Contains(out, "(1 orphan)") {
				t.Errorf("gc says %s", out)
			}
			kit.Expect(t, kit.Get(t, r, kit.Target("a.jpg", "20x20_crop", "png")), 404, "no-original")
		})
	}
}

// gc goes by what the tree's mount keeps, and says so.
func TestGCGoesByTheMount(t *testing.T) {
	kit.NeedMounts(t)
	for name, tt := range map[string]struct {
		flags uintptr
		says  string
		stays string // of two, the first is read after both were made
	}{
		"strictatime": {unix.MS_STRICTATIME, "by atime\n", "20x20_crop"},
		"relatime":    {unix.MS_RELATIME, "by atime, which relatime keeps to a day", "20x20_crop"},
		"noatime":     {unix.MS_NOATIME, "by ctime, as the file system is mounted with noatime", "30x30_crop"},
	} {
		t.Run(name, func(t *testing.T) {
			site := kit.Gallery(t, kit.JPGs(t))
			site.TOML = "[site.gallery.cache]\nmax_files = 1"
			r := kit.Start(t, rig.Options{Sites: []rig.Site{site}, Stopped: true})
			dir := r.File("gallery", "/thumbs")
			aid.Must(t, os.MkdirAll(dir, 0o755))
			kit.Mount(t, "tmpfs", dir, "tmpfs", tt.flags, "mode=755,size=4m")
			aid.Must(t, r.StartDaemon(t.Context()))
			for _, spec := range []string{"20x20_crop", "30x30_crop"} {
				kit.Expect(t, kit.Get(t, r, kit.Target("a.jpg", spec, "jpg")), 200, "")
				// Long enough for clocks of a tick.
				<-time.After(20 * time.Millisecond)
			}
			kit.Expect(t, kit.Get(t, r, kit.Target("a.jpg", "20x20_crop", "jpg")), 200, "")
			settled(t, r)
			if out := gc(t, r); !strings.Contains(out, tt.says) {
				t.Errorf("gc says %s; want %q", out, tt.says)
			}
			if left := kit.Thumbnails(t, r, "gallery"); len(left) != 1 || !strings.Contains(left[0], tt.stays) {
				t.Errorf("%q is left, want that of %s", left, tt.stays)
			}
			kit.StopDaemon(t, r)
			kit.Unmount(t, dir)
		})
	}
}

// The daemon tidies the tree by itself when its disk runs full.
func TestTheDaemonKeepsTheDiskFree(t *testing.T) {
	kit.NeedMounts(t)
	site := kit.Gallery(t, kit.JPGs(t))
	site.TOML = "[site.gallery.cache]\nmin_free = \"1MiB\""
	r := kit.Start(t, rig.Options{Sites: []rig.Site{site}, Stopped: true})
	dir := r.File("gallery", "/thumbs")
	aid.Must(t, os.MkdirAll(dir, 0o755))
	kit.Mount(t, "tmpfs", dir, "tmpfs", 0, "mode=755,size=2m")
	aid.Must(t, r.StartDaemon(t.Context()))
	kit.Expect(t, kit.Get(t, r, kit.Target("a.jpg", "20x20_crop", "jpg")), 200, "")
	if n := r.Log.Count("gc"); n > 0 {
		t.Errorf("%d runs while there is enough", n)
	}
	settled(t, r)
	ballast := filepath.Join(dir, "ballast")
	aid.Must(t, os.WriteFile(ballast, make([]byte, 1100<<10), 0o600))
	kit.Expect(t, kit.Get(t, r, kit.Target("a.jpg", "30x30_crop", "jpg")), 200, "")
	kit.WaitLog(t, r, 1, "gc, as there was less free than min_free")
	kit.WaitLog(t, r, 1, "nothing left to remove")
	if left := kit.Thumbnails(t, r, "gallery"); len(left) != 2 || !strings.Contains(left[0], "30x30") {
		t.Errorf("%q is left, want what was just published, and what is no thumbnail", left)
	}
	kit.StopDaemon(t, r)
	kit.Unmount(t, dir)
}

// Without the right to look at originals nobody knows what was deleted.
func TestGCWithoutRights(t *testing.T) {
	if os.Geteuid() != 0 {
		aid.Skip(t, "to be another user takes root")
	}
	dir := kit.Folder(t, map[string]string{"private/a.jpg": "originals/photos/dandelion.jpg", "b.jpg": "originals/photos/dandelion.jpg"})
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, dir)}, Nobody: true})
	kit.Expect(t, kit.Get(t, r, kit.Target("private/a.jpg", "20x20_crop", "jpg")), 200, "")
	aid.Must(t, os.Chmod(filepath.Join(dir, "private"), 0))
	p, err := kit.Programs()
	aid.Must(t, err)
	cmd := exec.CommandContext(t.Context(), p.Thumbd, "gc", "-c", filepath.Join(r.Dir, "thumbd.toml"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "keeps 1 of these because nobody knows") {
		t.Errorf("gc says %s, %v", out, err)
	}
	if left := kit.Thumbnails(t, r, "gallery"); len(left) != 1 {
		t.Errorf("%q is left, want the thumbnail", left)
	}
}

// What the daemon does is seen on the socket for administrators.
func TestMetricsAndStatus(t *testing.T) {
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}})
	kit.Expect(t, kit.Get(t, r, kit.Target("a.jpg", "20x20_crop", "jpg")), 200, "")
	kit.Expect(t, kit.Get(t, r, kit.Target("none.jpg", "20x20_crop", "jpg")), 404, "no-original")
	gc(t, r)
	resp := kit.Do(t, r, rig.Request{Target: "/metrics", Admin: true})
	for _, line := range []string{
		`thumbd_requests_total{outcome="published",site="gallery"} 1`,
		`thumbd_requests_total{outcome="no-original",site="gallery"} 1`,
		`thumbd_renders_total{site="gallery"} 1`,
		`thumbd_render_seconds_count{format="jpg"} 1`,
		`thumbd_queue_seconds_count{format="jpg"} 1`,
		`thumbd_queue_length 0`,
		`thumbd_gc_runs_total{result="good",site="gallery"} 1`,
		`thumbd_gc_thumbnails{site="gallery"} 1`,
	} {
		if !strings.Contains(string(resp.Body), "\n"+line+"\n") {
			t.Errorf("no line %q in\n%s", line, resp.Body)
		}
	}
	text, err := kit.Thumbd(t, "status", "--admin", r.AdminPath())
	if err != nil || !strings.Contains(text, "outcome published, site gallery") {
		t.Errorf("status says %s, %v", text, err)
	}
	asJSON, err := kit.Thumbd(t, "status", "--admin", r.AdminPath(), "--json")
	if err != nil || !strings.Contains(asJSON, `{"name":"thumbd_renders_total"`) {
		t.Errorf("status --json says %s, %v", asJSON, err)
	}
	kit.WaitLog(t, r, 1, "msg=rendered", "status=200", "format=jpg", "queue_ms=", "bytes=", "ms=", "site=gallery")
}
