// SPDX-License-Identifier: MIT

package faults

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// fresh returns the URI of a thumbnail that nobody has asked for.
func fresh(n *int, original string) (uri string, width, height int) {
	*n++
	text, w, h := kit.Spec(*n)
	return kit.Signed("/thumbs/", original, text, "jpg"), w, h
}

// The originals go, come back and are others, while thumbd runs.
func TestOriginalsComeAndGo(t *testing.T) {
	t.Parallel()
	n := 0
	originals := kit.JPGs(t)
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, originals)}, TOML: "[daemon]\nworkers = 1"})
	there := func(when string) {
		t.Helper()
		uri, w, h := fresh(&n, "a.jpg")
		t.Log(when)
		published(t, r, uri, w, h)
	}
	away := func(when string) {
		t.Helper()
		uri, _, _ := fresh(&n, "a.jpg")
		t.Log(when)
		kit.Expect(t, kit.Get(t, r, rig.Escape(uri)), 500, "original-unreadable")
		// Once for all, while it lasts.
		kit.WaitLog(t, r, 1, "ERROR", "site=gallery", originals)
	}
	there("at first")
	aid.Must(t, os.Rename(originals, originals+"-away"))
	t.Cleanup(func() { aid.Must(t, os.RemoveAll(originals+"-away")) })
	away("renamed away")
	aid.Must(t, os.Mkdir(originals, 0o755))
	uri, _, _ := fresh(&n, "a.jpg")
	kit.Expect(t, kit.Get(t, r, rig.Escape(uri)), 404, "no-original")
	aid.Must(t, os.Remove(originals), os.WriteFile(originals, nil, 0o644))
	away("a file in their place")
	aid.Must(t, os.Remove(originals), os.Rename(originals+"-away", originals))
	there("renamed back")

	b, err := os.ReadFile(filepath.Join(originals, "a.jpg"))
	aid.Must(t, err, os.RemoveAll(originals))
	kit.Put(t, filepath.Join(originals, "a.jpg"), b)
	there("made again")
}

// What is mounted over the originals is what they are.
func TestOriginalsMountedOver(t *testing.T) {
	t.Parallel()
	kit.NeedMounts(t)
	n := 0
	originals := kit.JPGs(t)
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, originals)}, TOML: "[daemon]\nworkers = 1"})
	b, err := os.ReadFile(filepath.Join(originals, "a.jpg"))
	aid.Must(t, err)
	kit.Mount(t, "tmpfs", originals, "tmpfs", 0, "mode=755")
	uri, w, h := fresh(&n, "a.jpg")
	kit.Expect(t, kit.Get(t, r, rig.Escape(uri)), 404, "no-original")
	kit.Put(t, filepath.Join(originals, "new.jpg"), b)
	other, ow, oh := fresh(&n, "new.jpg")
	published(t, r, other, ow, oh)
	// thumbd has it open until it is asked for something again.
	aid.Must(t, unix.Unmount(originals, unix.MNT_DETACH))
	published(t, r, uri, w, h)
}

// The tree goes and comes back while thumbd runs, in every way.
func TestTreeComesAndGoes(t *testing.T) {
	t.Parallel()
	n := 0
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}, TOML: "[daemon]\nworkers = 1"})
	documentRoot, tree := r.Root("gallery"), r.File("gallery", "/thumbs")
	elsewhere := kit.Folder(t, nil)
	for _, tt := range []struct {
		name   string
		change func() error
	}{
		{"at first", func() error { return nil }},
		{"removed", func() error { return os.RemoveAll(tree) }},
		{"removed with the document root", func() error { return os.RemoveAll(documentRoot) }},
		{"removed and made again", func() error { return errors.Join(os.RemoveAll(tree), os.Mkdir(tree, 0o755)) }},
		{"renamed away", func() error { return os.Rename(tree, elsewhere+"/thumbs") }},
		{"renamed back", func() error {
			return errors.Join(os.RemoveAll(tree), os.Rename(elsewhere+"/thumbs", tree))
		}},
		{"without its temp folder", func() error { return os.RemoveAll(tree + "/.thumbd") }},
		{"behind a link", func() error {
			return errors.Join(os.Rename(tree, elsewhere+"/thumbs"), os.Symlink(elsewhere+"/thumbs", tree))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			aid.Must(t, tt.change())
			uri, w, h := fresh(&n, "a.jpg")
			published(t, r, uri, w, h)
		})
	}
	t.Run("a file in its place", func(t *testing.T) {
		aid.Must(t, os.Remove(tree), os.WriteFile(tree, nil, 0o644))
		uri, w, h := fresh(&n, "a.jpg")
		resp := kit.Get(t, r, rig.Escape(uri))
		kit.Picture(t, resp, "jpeg", w, h)
		kit.WaitLog(t, r, 1, "ERROR", "site=gallery", uri, "not a directory")
		aid.Must(t, os.Remove(tree))
		published(t, r, uri, w, h)
	})
}

// Nothing is written through a link that leads out of the tree.
func TestLinkOutOfTheTree(t *testing.T) {
	t.Parallel()
	n := 0
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.JPGs(t))}, TOML: "[daemon]\nworkers = 1"})
	elsewhere := kit.Folder(t, nil)
	for _, link := range []string{elsewhere, "../../../" + filepath.Base(elsewhere)} {
		path := r.File("gallery", "/thumbs/a.jpg")
		aid.Must(t, os.Symlink(link, path))
		uri, w, h := fresh(&n, "a.jpg")
		resp := kit.Get(t, r, rig.Escape(uri))
		kit.Picture(t, resp, "jpeg", w, h)
		if got := resp.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control %q, want no-store", link, got)
		}
		entries, err := os.ReadDir(elsewhere)
		if len(entries) > 0 || err != nil {
			t.Errorf("%s: written: %v, %v", link, entries, err)
		}
		aid.Must(t, os.Remove(path))
		published(t, r, uri, w, h)
		aid.Must(t, os.RemoveAll(path))
	}
}

// Originals that are no files, or not there where they seem to be, cost nothing
// but their answer.
func TestOddOriginals(t *testing.T) {
	t.Parallel()
	originals := kit.JPGs(t)
	outside := kit.JPGs(t)
	aid.Must(t,
		os.Mkdir(filepath.Join(originals, "sub"), 0o755),
		os.Symlink(".", filepath.Join(originals, "dot")),
		os.Symlink("..", filepath.Join(originals, "sub", "up")),
		os.Symlink("one.jpg", filepath.Join(originals, "two.jpg")),
		os.Symlink("two.jpg", filepath.Join(originals, "one.jpg")),
		os.Symlink(outside, filepath.Join(originals, "out")),
		os.Symlink("../"+filepath.Base(outside), filepath.Join(originals, "beside")),
		os.Symlink("../a.jpg", filepath.Join(originals, "sub", "in.jpg")),
		unix.Mkfifo(filepath.Join(originals, "fifo.jpg"), 0o644),
		os.Symlink("fifo.jpg", filepath.Join(originals, "to-fifo.jpg")),
	)
	l, err := net.Listen("unix", filepath.Join(originals, "socket.jpg"))
	aid.Must(t, err)
	defer l.Close()
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, originals)}, TOML: "[daemon]\nworkers = 1"})
	const none = "no-original"
	for name, reason := range map[string]string{
		"sub/in.jpg": "",
		"dot/a.jpg":  none, "dot/dot/a.jpg": none, "sub/up/a.jpg": none, "one.jpg": none, "sub": none, "out/a.jpg": "absolute-link",
		"beside/a.jpg": none, "fifo.jpg": none, "to-fifo.jpg": none, "socket.jpg": none, "a.jpg/b.jpg": none,
	} {
		status := 404
		if reason == "" {
			status = 200
		}
		t.Run(name, func(t *testing.T) {
			kit.Expect(t, kit.Get(t, r, kit.Target(name, "20x20_crop", "jpg")), status, reason)
		})
	}
	t.Run("a device", func(t *testing.T) {
		path := filepath.Join(originals, "zero.jpg")
		if err := unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))); err != nil {
			aid.Skip(t, "no device can be made: "+err.Error())
		}
		kit.Expect(t, kit.Get(t, r, kit.Target("zero.jpg", "20x20_crop", "jpg")), 404, "no-original")
	})
	for _, name := range kit.Thumbnails(t, r, "gallery") {
		if !strings.Contains(name, "/sub/in.jpg/") {
			t.Errorf("published: %s", name)
		}
	}
}
