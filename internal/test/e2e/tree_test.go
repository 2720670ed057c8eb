// SPDX-License-Identifier: MIT

package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

var storeTree = flag.String("store-tree", "", "make the trees of this version, and write them into this file: testdata/trees-1.tar.gz")

// storedSites are the two sites of the stored trees. dir has their originals and the
// image of a watermark. Of the settings, each has some that settings.json keeps.
func storedSites(dir string) []rig.Site {
	const text = `
[site.%[1]s.watermark.logo]
image = %[2]q
[site.%[1]s.preset.s]
size = "20x20"
method = "crop"
dpr = [2]
[site.%[1]s.preset.w]
size = "30x30"
method = "pad"
watermark = "logo"
`
	mark := filepath.Join(dir, "mark.jpg")
	return []rig.Site{
		{Name: "gallery", Prefix: "/thumbs/", Scheme: "signed", Originals: filepath.Join(dir, "originals"), Key: kit.Key,
			TOML: "enlarge = true\n" + fmt.Sprintf(text, "gallery", mark)},
		{Name: "p", Prefix: "/p/", Scheme: "preset", Originals: filepath.Join(dir, "originals"), TryFiles: "$uri$thumbd_webp",
			TOML: "negotiate = [\"webp\"]\nquality = { jpg = 60, webp = 50 }\n" + fmt.Sprintf(text, "p", mark)},
	}
}

// storedURIs returns the URIs of the stored thumbnails, with the Accept header that
// each is asked for with.
func storedURIs() map[string]string {
	uris := make(map[string]string)
	for _, name := range []string{"a.jpg", "d/b.jpg"} {
		for _, spec := range []string{"s", "s@2x", "w", "90x90_crop", "20x20_crop_q=70", "20x20_crop_watermark=logo"} {
			uris[kit.Signed("/thumbs/", name, spec, "jpg")] = ""
		}
		for _, format := range []string{"png", "webp"} {
			uris[kit.Signed("/thumbs/", name, "20x20_fit", format)] = ""
		}
		uris["/p/s/"+name], uris["/p/w/"+name] = "", ""
		uris["/p/s@2x/"+name] = "image/webp"
	}
	return uris
}

// The trees that earlier versions have made are taken over as they are: each thumbnail
// is served with its bytes and validators, none is purged, and none is rendered again.
func TestTreesOfEarlierVersions(t *testing.T) {
	stored, err := filepath.Glob("testdata/trees-*.tar.gz")
	aid.Must(t, err)
	if len(stored) < 2 {
		t.Fatalf("stored trees: %q", stored)
	}
	for _, path := range stored {
		t.Run(filepath.Base(path), func(t *testing.T) {
			dir := kit.Folder(t, nil)
			unpack(t, path, dir)
			sites := storedSites(dir)
			for i := range sites {
				sites[i].TOML = "watch = true\n" + sites[i].TOML
			}
			r := kit.Start(t, rig.Options{Sites: sites, Stopped: true})
			inodes := make(map[string]fs.FileInfo)
			for _, site := range []string{"gallery", "p"} {
				aid.Must(t, os.RemoveAll(r.Root(site)))
				aid.Must(t, os.Rename(filepath.Join(dir, "root", site), r.Root(site)))
				for _, uri := range kit.Thumbnails(t, r, site) {
					inodes[r.File(site, uri)] = stat(t, r.File(site, uri))
				}
			}
			if want := len(storedURIs()); len(inodes) != want {
				t.Fatalf("%d thumbnails are stored, want %d", len(inodes), want)
			}
			aid.Must(t, r.StartDaemon(t.Context()))
			kit.WaitLog(t, r, 2, "reconciled with the originals")
			if n := r.Log.Count("reconciled with the originals", "removed=0"); n != 2 {
				t.Errorf("thumbnails are purged:\n%s", r.Log)
			}
			answersAsStored(t, r, filepath.Join(dir, "answers.txt"))
			kit.Reload(t, r, kit.Configuration(t, r)+"# more\n")
			if out := gc(t, r); strings.Count(out, "removed 0 files") != 2 {
				t.Errorf("gc: %s", out)
			}
			kit.StopDaemon(t, r)
			for _, line := range []string{"msg=rendered", "purged thumbnails of an earlier configuration"} {
				if n := r.Log.Count(line); n > 0 {
					t.Errorf("the log has %q %d times:\n%s", line, n, r.Log)
				}
			}
			for path, before := range inodes {
				if now, err := os.Stat(path); err != nil || !os.SameFile(before, now) || !now.ModTime().Equal(before.ModTime()) {
					t.Errorf("%s is another file: %v", path, err)
				}
			}
		})
	}
}

// answersAsStored asks for each stored thumbnail, and compares nginx's answer with the
// one that the earlier version's nginx gave.
func answersAsStored(t *testing.T, r *rig.Rig, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	aid.Must(t, err)
	accepts := storedURIs()
	for line := range strings.Lines(string(text)) {
		uri, headers, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		accept, ok := accepts[uri]
		if !ok {
			t.Errorf("%s is stored and not asked for", uri)
		}
		delete(accepts, uri)
		resp := kit.Get(t, r, rig.Escape(uri), "Accept: "+accept)
		got := strings.Join([]string{resp.Header.Get("Content-Type"), resp.Header.Get("ETag"), resp.Header.Get("Last-Modified")}, "\t")
		if resp.Status != 200 || got != headers {
			t.Errorf("%s: %d %q, want %q", uri, resp.Status, got, headers)
		}
		if resp := kit.Get(t, r, rig.Escape(uri), "Accept: "+accept, "If-None-Match: "+resp.Header.Get("ETag")); resp.Status != 304 {
			t.Errorf("%s is asked for again: %d, want 304", uri, resp.Status)
		}
	}
	if len(accepts) > 0 {
		t.Errorf("no answers are stored for %v", accepts)
	}
}

// TestStoreTrees writes the trees that this version makes into a file. In the folder of
// an earlier version, it makes that version's.
func TestStoreTrees(t *testing.T) {
	if *storeTree == "" {
		t.Skip("-store-tree names no file")
	}
	dir := kit.Folder(t, nil)
	for i, name := range []string{"originals/a.jpg", "originals/d/b.jpg", "mark.jpg"} {
		path := filepath.Join(dir, name)
		kit.Put(t, path, gradient(t, 64-16*i, 48))
		at := time.Date(2024, 5, 6, 7, 8, 9+i, 123_456_789, time.UTC)
		aid.Must(t, os.Chtimes(path, at, at))
	}
	r := kit.Start(t, rig.Options{Sites: storedSites(dir)})
	var answers strings.Builder
	for uri, accept := range storedURIs() {
		kit.Get(t, r, rig.Escape(uri), "Accept: "+accept) // publishes it
		resp := kit.Get(t, r, rig.Escape(uri), "Accept: "+accept)
		if resp.Status != 200 || resp.Header.Get("ETag") == "" {
			t.Fatalf("%s: %d %v", uri, resp.Status, resp.Header)
		}
		fmt.Fprintf(&answers, "%s\t%s\t%s\t%s\n", uri, resp.Header.Get("Content-Type"), resp.Header.Get("ETag"), resp.Header.Get("Last-Modified"))
	}
	kit.StopDaemon(t, r)
	kit.Put(t, filepath.Join(dir, "answers.txt"), []byte(answers.String()))
	for _, site := range []string{"gallery", "p"} {
		aid.Must(t, os.CopyFS(filepath.Join(dir, "root", site), os.DirFS(r.Root(site))))
		aid.Must(t, keepTimes(r.Root(site), filepath.Join(dir, "root", site)))
	}
	aid.Must(t, pack(dir, *storeTree))
}

// gradient is a JPEG of two colors that run into each other.
func gradient(t *testing.T, width, height int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.Set(x, y, color.RGBA{uint8(255 * x / width), uint8(255 * y / height), 99, 255})
		}
	}
	var b bytes.Buffer
	aid.Must(t, jpeg.Encode(&b, m, nil))
	return b.Bytes()
}

// keepTimes gives each file of to the time of the file of that name in from.
func keepTimes(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		return os.Chtimes(filepath.Join(to, strings.TrimPrefix(path, from)), fi.ModTime(), fi.ModTime())
	})
}

// pack writes the files of dir with their times into a .tar.gz.
func pack(dir, to string) error {
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	w := tar.NewWriter(zip)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		h := &tar.Header{Name: strings.TrimPrefix(path, dir+"/"), Size: int64(len(text)), Mode: int64(fi.Mode().Perm()), ModTime: fi.ModTime(), Format: tar.FormatPAX}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	})
	if err := errors.Join(err, w.Close(), zip.Close()); err != nil {
		return err
	}
	return os.WriteFile(to, b.Bytes(), 0o644)
}

// unpack writes the files of a .tar.gz with their times below dir.
func unpack(t *testing.T, from, dir string) {
	t.Helper()
	f, err := os.Open(from)
	aid.Must(t, err)
	defer f.Close()
	zip, err := gzip.NewReader(f)
	aid.Must(t, err)
	for r := tar.NewReader(zip); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		aid.Must(t, err)
		text, err := io.ReadAll(r)
		aid.Must(t, err)
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		aid.Must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		aid.Must(t, os.WriteFile(path, text, fs.FileMode(h.Mode)))
		aid.Must(t, os.Chtimes(path, h.ModTime, h.ModTime))
	}
}
