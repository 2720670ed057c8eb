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

	"thumbd/internal/test/rig"
)

// gc runs thumbd gc on the configuration of r, and returns what it says.
func gc(t *testing.T, r *rig.Rig, args ...string) string {
	t.Helper()
	out, err := thumbd(t, append([]string{"gc", "-c", filepath.Join(r.Dir, "thumbd.toml")}, args...)...)
	if err != nil {
		t.Fatalf("gc: %v\n%s", err, out)
	}
	return out
}

// settled returns when all that the gallery has was published so long ago that
// gc may take it.
func settled(t *testing.T, r *rig.Rig) {
	t.Helper()
	for _, name := range thumbnails(t, r, "gallery") {
		var st unix.Stat_t
		must(t, unix.Stat(r.Root("gallery")+name, &st))
		<-time.After(time.Until(time.Unix(st.Ctim.Unix()).Add(2100 * time.Millisecond)))
	}
}

// While renders and hits go on, gc removes all but a few thumbnails, again and
// again: whoever asks gets his picture all the same.
func TestGCUnderLoad(t *testing.T) {
	site := gallery(t, jpgs(t))
	site.TOML = "[site.gallery.cache]\nmax_files = 3"
	r := start(t, rig.Options{Sites: []rig.Site{site}})
	l := startLoad(t, 3, func(ctx context.Context, n int) error { return missAndHit(ctx, r, "a.jpg", n) })
	runs := times(10, 1000)
	for removed := 0; removed < runs; {
		l.Await(3)
		if !strings.Contains(gc(t, r), "removed 0 files") {
			removed++
		}
	}
	t.Logf("%d requests while %d runs removed something", l.End(), runs)
	settled(t, r)
	gc(t, r)
	if left := thumbnails(t, r, "gallery"); len(left) != 3 {
		t.Errorf("%d thumbnails are left, want 3", len(left))
	}
	stopDaemon(t, r)
	if n := r.Log.Count("nginx does not find"); n > 0 {
		t.Errorf("%d requests came back", n)
	}
}

// Originals that were replaced, whichever way, or deleted, lose their
// thumbnails.
func TestGCFollowsOriginals(t *testing.T) {
	for name, replace := range map[string]func(t *testing.T, original, other string){
		"written in place": func(t *testing.T, original, other string) { run(t, "cp", other, original) },
		"renamed over": func(t *testing.T, original, other string) {
			run(t, "cp", other, original+".new")
			run(t, "mv", original+".new", original)
		},
		"cp -p": func(t *testing.T, original, other string) { run(t, "cp", "-p", other, original) },
		"rsync -t": func(t *testing.T, original, other string) {
			needPrograms(t, "rsync")
			run(t, "rsync", "-t", other, original)
		},
		"an older file restored": func(t *testing.T, original, other string) {
			run(t, "cp", other, original)
			old := time.Now().Add(-1000 * time.Hour)
			must(t, os.Chtimes(original, old, old))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, map[string]string{"a.jpg": "originals/photos/dandelion.jpg", "b.jpg": "originals/photos/dandelion.jpg"})
			other := filepath.Join(t.TempDir(), "other.jpg")
			b, err := os.ReadFile(testdata(t, "originals/photos/drum.jpg"))
			must(t, err, os.WriteFile(other, b, 0o644))
			past := time.Now().Add(-time.Hour)
			must(t, os.Chtimes(other, past, past))
			r := start(t, rig.Options{Sites: []rig.Site{gallery(t, dir)}})
			before := get(t, r, target("a.jpg", "20x20_crop", "png"))
			expect(t, before, 200, "")
			expect(t, get(t, r, target("b.jpg", "20x20_crop", "png")), 200, "")
			replace(t, filepath.Join(dir, "a.jpg"), other)
			if out := gc(t, r); !strings.Contains(out, "(1 stale)") {
				t.Errorf("gc says %s", out)
			}
			after := get(t, r, target("a.jpg", "20x20_crop", "png"))
			expect(t, after, 200, "")
			if string(after.Body) == string(before.Body) {
				t.Error("the old picture is served")
			}
			must(t, os.Remove(filepath.Join(dir, "a.jpg")))
			if out := gc(t, r); !strings.Contains(out, "(1 orphan)") {
				t.Errorf("gc says %s", out)
			}
			expect(t, get(t, r, target("a.jpg", "20x20_crop", "png")), 404, "no-original")
		})
	}
}

// gc goes by what the tree's mount keeps, and says so.
func TestGCGoesByTheMount(t *testing.T) {
	needMounts(t)
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
			site := gallery(t, jpgs(t))
			site.TOML = "[site.gallery.cache]\nmax_files = 1"
			r := start(t, rig.Options{Sites: []rig.Site{site}, Stopped: true})
			dir := r.File("gallery", "/thumbs")
			must(t, os.MkdirAll(dir, 0o755))
			mount(t, "tmpfs", dir, "tmpfs", tt.flags, "mode=755,size=4m")
			must(t, r.StartDaemon(t.Context()))
			for _, spec := range []string{"20x20_crop", "30x30_crop"} {
				expect(t, get(t, r, target("a.jpg", spec, "jpg")), 200, "")
				// Long enough for clocks of a tick.
				<-time.After(20 * time.Millisecond)
			}
			expect(t, get(t, r, target("a.jpg", "20x20_crop", "jpg")), 200, "")
			settled(t, r)
			if out := gc(t, r); !strings.Contains(out, tt.says) {
				t.Errorf("gc says %s; want %q", out, tt.says)
			}
			if left := thumbnails(t, r, "gallery"); len(left) != 1 || !strings.Contains(left[0], tt.stays) {
				t.Errorf("%q is left, want that of %s", left, tt.stays)
			}
			stopDaemon(t, r)
			unmount(t, dir)
		})
	}
}

// The daemon tidies the tree by itself when its disk runs full.
func TestTheDaemonKeepsTheDiskFree(t *testing.T) {
	needMounts(t)
	site := gallery(t, jpgs(t))
	site.TOML = "[site.gallery.cache]\nmin_free = \"1MiB\""
	r := start(t, rig.Options{Sites: []rig.Site{site}, Stopped: true})
	dir := r.File("gallery", "/thumbs")
	must(t, os.MkdirAll(dir, 0o755))
	mount(t, "tmpfs", dir, "tmpfs", 0, "mode=755,size=2m")
	must(t, r.StartDaemon(t.Context()))
	expect(t, get(t, r, target("a.jpg", "20x20_crop", "jpg")), 200, "")
	if n := r.Log.Count("gc"); n > 0 {
		t.Errorf("%d runs while there is enough", n)
	}
	settled(t, r)
	ballast := filepath.Join(dir, "ballast")
	must(t, os.WriteFile(ballast, make([]byte, 1100<<10), 0o600))
	expect(t, get(t, r, target("a.jpg", "30x30_crop", "jpg")), 200, "")
	waitLog(t, r, 1, "gc, as there was less free than min_free")
	waitLog(t, r, 1, "nothing left to remove")
	if left := thumbnails(t, r, "gallery"); len(left) != 2 || !strings.Contains(left[0], "30x30") {
		t.Errorf("%q is left, want what was just published, and what is no thumbnail", left)
	}
	stopDaemon(t, r)
	unmount(t, dir)
}

// Without the right to look at originals nobody knows what was deleted.
func TestGCWithoutRights(t *testing.T) {
	if os.Geteuid() != 0 {
		skip(t, "to be another user takes root")
	}
	dir := folder(t, map[string]string{"private/a.jpg": "originals/photos/dandelion.jpg", "b.jpg": "originals/photos/dandelion.jpg"})
	r := start(t, rig.Options{Sites: []rig.Site{gallery(t, dir)}, Nobody: true})
	expect(t, get(t, r, target("private/a.jpg", "20x20_crop", "jpg")), 200, "")
	must(t, os.Chmod(filepath.Join(dir, "private"), 0))
	p, err := programs()
	must(t, err)
	cmd := exec.CommandContext(t.Context(), p.Thumbd, "gc", "-c", filepath.Join(r.Dir, "thumbd.toml"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "keeps 1 of these because nobody knows") {
		t.Errorf("gc says %s, %v", out, err)
	}
	if left := thumbnails(t, r, "gallery"); len(left) != 1 {
		t.Errorf("%q is left, want the thumbnail", left)
	}
}

// What the daemon does is seen on the socket for administrators.
func TestMetricsAndStatus(t *testing.T) {
	r := start(t, rig.Options{Sites: []rig.Site{gallery(t, jpgs(t))}})
	expect(t, get(t, r, target("a.jpg", "20x20_crop", "jpg")), 200, "")
	expect(t, get(t, r, target("none.jpg", "20x20_crop", "jpg")), 404, "no-original")
	gc(t, r)
	resp := do(t, r, rig.Request{Target: "/metrics", Admin: true})
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
	text, err := thumbd(t, "status", "--admin", r.AdminPath())
	if err != nil || !strings.Contains(text, "outcome published, site gallery") {
		t.Errorf("status says %s, %v", text, err)
	}
	asJSON, err := thumbd(t, "status", "--admin", r.AdminPath(), "--json")
	if err != nil || !strings.Contains(asJSON, `{"name":"thumbd_renders_total"`) {
		t.Errorf("status --json says %s, %v", asJSON, err)
	}
	waitLog(t, r, 1, "msg=rendered", "status=200", "format=jpg", "queue_ms=", "bytes=", "ms=", "site=gallery")
}
