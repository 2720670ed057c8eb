// SPDX-License-Identifier: MIT

package e2e

import (
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// followed is a site of each scheme with two presets and a watermark.
func followed(t *testing.T) (r *rig.Rig, uris []string, mark string) {
	t.Helper()
	const jpg = "originals/tests/orientation/1.jpg"
	originals := kit.Folder(t, map[string]string{"a.jpg": jpg, "d/b.jpg": jpg})
	mark = filepath.Join(kit.Folder(t, nil), "mark.png")
	writePicture(t, mark, color.RGBA{0xff, 0, 0, 0xff})
	const text = `
[site.%[1]s.watermark.logo]
image = %[2]q
[site.%[1]s.preset.s]
size = "20x20"
method = "crop"
dpr = [2]
[site.%[1]s.preset.l]
size = "30x30"
method = "crop"
[site.%[1]s.preset.w]
size = "30x30"
method = "crop"
watermark = "logo"
`
	one, two := kit.Gallery(t, originals), rig.Site{Name: "p", Prefix: "/p/", Scheme: "preset", Originals: originals}
	one.TOML, two.TOML = fmt.Sprintf(text, "gallery", mark), fmt.Sprintf(text, "p", mark)
	r = kit.Start(t, rig.Options{Sites: []rig.Site{one, two}})
	for _, name := range []string{"a.jpg", "d/b.jpg"} {
		for _, spec := range []string{"s", "s@2x", "l", "w", "20x20_crop", "20x20_crop_q=70", "20x20_crop_watermark=logo"} {
			uris = append(uris, kit.Signed("/thumbs/", name, spec, "jpg"))
		}
		uris = append(uris, kit.Signed("/thumbs/", name, "20x20_crop", "png"))
		for _, preset := range []string{"s", "s@2x", "l", "w"} {
			uris = append(uris, "/p/"+preset+"/"+name)
		}
	}
	slices.Sort(uris)
	return r, uris, mark
}

// writePicture writes a PNG of one color, whole or not at all.
func writePicture(t *testing.T, path string, c color.Color) {
	t.Helper()
	kit.Put(t, path+".new", kit.Solid(c))
	aid.Must(t, os.Rename(path+".new", path))
}

func all(t *testing.T, r *rig.Rig, uris []string) {
	t.Helper()
	for _, uri := range uris {
		if resp := kit.Get(t, r, rig.Escape(uri)); resp.Status != 200 {
			t.Fatalf("%s: %d", uri, resp.Status)
		}
	}
}

// What a changed configuration makes otherwise is gone when thumbd says that
// it has loaded it, and nothing else is.
func TestChangedPresetsAreFollowed(t *testing.T) {
	r, uris, mark := followed(t)
	base := func(uri string) string { return strings.TrimPrefix(filepath.Base(uri), "/") }
	inPreset := func(names ...string) func(string) bool {
		return func(uri string) bool {
			return slices.ContainsFunc(names, func(n string) bool {
				return strings.HasPrefix(base(uri), n+"_") || strings.HasPrefix(uri, "/p/"+n+"/")
			})
		}
	}
	jpegWithoutQuality := func(uri string) bool {
		return strings.HasSuffix(uri, ".jpg") && !strings.Contains(uri, "q=70")
	}
	marked := func(uri string) bool { return inPreset("w")(uri) || strings.Contains(uri, "watermark=") }
	original := kit.Configuration(t, r)
	for _, tt := range []struct {
		name   string
		change func(text string) string
		gone   func(uri string) bool
	}{
		{"nothing", func(s string) string { return s + "# more\n" }, func(string) bool { return false }},
		{"a preset's size", replacing(`size = "20x20"`, `size = "25x25"`), inPreset("s", "s@2x")},
		{"a preset's option", replacing(`size = "25x25"`, "size = \"25x25\"\ngray = true"), inPreset("s", "s@2x")},
		{"a dpr less", replacing("dpr = [2]\n", ""), inPreset("s@2x")},
		{"another preset", func(s string) string { return s + "[site.p.preset.new]\nsize = \"9x9\"\nmethod = \"fit\"\n" }, func(string) bool { return false }},
		{"quality", replacing(`scheme = "`, "quality = { jpg = 60 }\nscheme = \""), jpegWithoutQuality},
		{"enlarging", replacing(`scheme = "`, "enlarge = true\nscheme = \""), func(string) bool { return true }},
		{"a watermark's place", replacing("image = ", "position = \"north\"\nimage = "), marked},
		{"a watermark's image", func(s string) string {
			writePicture(t, mark, color.RGBA{0, 0xff, 0, 0xff})
			return s
		}, marked},
		{"a preset's name", replacing(".preset.l]", ".preset.k]"), inPreset("l")},
		{"all of it back", func(string) string { return original }, func(uri string) bool { return !inPreset("k")(uri) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var there []string
			before := make(map[string]rig.Response)
			for _, uri := range uris {
				if resp := kit.Get(t, r, rig.Escape(uri)); resp.Status == 200 {
					there = append(there, uri)
					before[uri] = resp
				}
			}
			kit.Reload(t, r, tt.change(kit.Configuration(t, r)))
			want := slices.DeleteFunc(slices.Clone(there), tt.gone)
			got := append(kit.Thumbnails(t, r, "gallery"), kit.Thumbnails(t, r, "p")...)
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
			for uri, resp := range before {
				revalidate(t, r, uri, resp, tt.gone(uri))
			}
		})
	}
	all(t, r, uris)
}

// revalidate asks for a thumbnail as a browser does that has an earlier answer.
// If the picture has changed, the browser must not be told to keep it.
func revalidate(t *testing.T, r *rig.Rig, uri string, before rig.Response, changed bool) {
	t.Helper()
	for condition, value := range map[string]string{"If-None-Match": "ETag", "If-Modified-Since": "Last-Modified"} {
		resp := kit.Get(t, r, rig.Escape(uri), condition+": "+before.Header.Get(value))
		if changed && resp.Status == 304 || !changed && resp.Status != 304 {
			t.Errorf("%s, %s: %d, changed: %v", uri, condition, resp.Status, changed)
		}
	}
}

// A tree that an older thumbd has made is taken over: its thumbnails have the
// modification times of their originals, and none is rendered again.
func TestTreeOfAnOlderVersionStays(t *testing.T) {
	r, uris, _ := followed(t)
	all(t, r, uris)
	kit.Configure(t, r, strings.ReplaceAll(kit.Configuration(t, r), "scheme = ", "watch = true\nscheme = "))
	kit.StopDaemon(t, r)
	_, originals, _ := strings.Cut(kit.Configuration(t, r), "originals = \"")
	originals, _, _ = strings.Cut(originals, "\"")
	inodes := make(map[string]os.FileInfo)
	for _, site := range []string{"gallery", "p"} {
		settings := filepath.Join(r.Root(site), map[string]string{"gallery": "thumbs", "p": "p"}[site], ".thumbd/settings.json")
		text, err := os.ReadFile(settings)
		aid.Must(t, err)
		if !strings.Contains(string(text), `,"mtime":2`) {
			t.Fatalf("a new tree does not tell its version: %s", text)
		}
		aid.Must(t, os.WriteFile(settings, []byte(strings.ReplaceAll(string(text), `,"mtime":2`, "")), 0o600))
		for _, uri := range kit.Thumbnails(t, r, site) {
			original := "a.jpg"
			if strings.Contains(uri, "d/b.jpg") {
				original = "d/b.jpg"
			}
			of := stat(t, filepath.Join(originals, original))
			path := r.File(site, uri)
			aid.Must(t, os.Chtimes(path, time.Time{}, of.ModTime()))
			inodes[path], err = os.Stat(path)
			aid.Must(t, err)
		}
	}
	if len(inodes) != len(uris) {
		t.Fatalf("%d thumbnails, want %d", len(inodes), len(uris))
	}
	aid.Must(t, r.StartDaemon(t.Context()))
	kit.WaitLog(t, r, 2, "reconciled with the originals", "removed=0")
	if out := gc(t, r); strings.Count(out, "removed 0 files") != 2 {
		t.Errorf("gc: %s", out)
	}
	for path, before := range inodes {
		if now, err := os.Stat(path); err != nil || !os.SameFile(before, now) {
			t.Errorf("%s is another file: %v", path, err)
		}
	}
	// A changed preset and a changed original are seen as in any tree.
	kit.Reload(t, r, replacing(`size = "20x20"`, `size = "25x25"`)(kit.Configuration(t, r)))
	kit.Picture(t, kit.Get(t, r, "/p/s/a.jpg"), "jpeg", 25, 25)
	if path := r.File("p", "/p/l/a.jpg"); !os.SameFile(inodes[path], stat(t, path)) {
		t.Error("a preset that has not changed is rendered again")
	}
}

func stat(t *testing.T, path string) os.FileInfo {
	t.Helper()
	fi, err := os.Stat(path)
	aid.Must(t, err)
	return fi
}

func replacing(old, now string) func(string) string {
	return func(text string) string { return strings.ReplaceAll(text, old, now) }
}

// What changes while thumbd is stopped is followed at the start, also if it is
// killed on the way there, and what has been made of a configuration that was
// not for long is none of the one before.
func TestChangesAreFollowedAtTheStart(t *testing.T) {
	r, uris, _ := followed(t)
	all(t, r, uris)
	before := kit.Configuration(t, r)
	kit.StopDaemon(t, r)
	kit.Configure(t, r, replacing(`size = "20x20"`, `size = "25x25"`)(before))
	if err := r.StartDaemon(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, uri := range append(kit.Thumbnails(t, r, "gallery"), kit.Thumbnails(t, r, "p")...) {
		if base := filepath.Base(uri); strings.HasPrefix(base, "s_") || strings.HasPrefix(base, "s@") || strings.HasPrefix(uri, "/p/s") {
			t.Errorf("%s is left", uri)
		}
	}
	kit.Picture(t, kit.Get(t, r, "/p/s/a.jpg"), "jpeg", 25, 25)
	// As if it had been killed before it was through: both have made the tree.
	settings := filepath.Join(r.Root("p"), "p/.thumbd/settings.json")
	now, err := os.ReadFile(settings)
	aid.Must(t, err)
	kit.StopDaemon(t, r)
	kit.Configure(t, r, before)
	aid.Must(t, os.WriteFile(settings, fmt.Appendf(nil, "[%s,%s]", first(t, strings.ReplaceAll(string(now), `"width":25,"height":25`, `"width":20,"height":20`)), first(t, string(now))), 0o600))
	if err := r.StartDaemon(t.Context()); err != nil {
		t.Fatal(err)
	}
	kit.Picture(t, kit.Get(t, r, "/p/s/a.jpg"), "jpeg", 20, 20)
}

// first returns the element of a JSON list of one.
func first(t *testing.T, list string) string {
	t.Helper()
	return strings.TrimSuffix(strings.TrimPrefix(list, "["), "]")
}
