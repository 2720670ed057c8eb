// SPDX-License-Identifier: MIT

package e2e

import (
	"context"
	"errors"
	"fmt"
	"image/color"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

func TestPurge(t *testing.T) {
	const jpg = "originals/tests/orientation/1.jpg"
	originals := kit.Folder(t, map[string]string{"a.jpg": jpg, "b.jpg": jpg, "d/a.jpg": jpg, "d/e/b.jpg": jpg, "de.jpg": jpg})
	presets := `negotiate = ["webp"]
[site.%[1]s.preset.s]
size = "20x20"
method = "crop"
dpr = [2]
%[2]s
[site.%[1]s.preset.l]
size = "30x30"
method = "crop"
`
	signedSite, presetSite := kit.Gallery(t, originals), rig.Site{Name: "p", Prefix: "/p/", Scheme: "preset", Originals: originals}
	signedSite.TOML, presetSite.TOML = fmt.Sprintf(presets, "gallery", ""), fmt.Sprintf(presets, "p", `formats = ["webp"]`)
	presetSite.TryFiles = "$uri$thumbd_webp"
	r := kit.Start(t, rig.Options{Sites: []rig.Site{signedSite, presetSite}})

	var all []string
	for _, name := range []string{"a.jpg", "b.jpg", "d/a.jpg", "d/e/b.jpg", "de.jpg"} {
		for _, spec := range []string{"s", "s@2x", "l", "20x20_crop"} {
			all = append(all, kit.Signed("/thumbs/", name, spec, "jpg"))
		}
		all = append(all, "/p/s/"+name, "/p/s/"+name+".webp", "/p/s@2x/"+name, "/p/l/"+name)
	}
	fill := func(t *testing.T) {
		t.Helper()
		for _, uri := range all {
			if resp := kit.Get(t, r, rig.Escape(uri)); resp.Status != 200 {
				t.Fatalf("%s: %d", uri, resp.Status)
			}
		}
		// The negotiated file is that of the explicit URI.
		if resp := kit.Get(t, r, "/p/s/a.jpg", "Accept: image/webp"); resp.Header.Get("Content-Type") != "image/webp" {
			t.Fatalf("negotiated: %v", resp.Header)
		}
	}
	everything := slices.Clone(all)
	slices.Sort(everything)
	for name, tt := range map[string]struct {
		args []string
		gone func(uri string) bool
	}{
		"an original": {[]string{"gallery", "a.jpg"}, within("/thumbs/a.jpg/")},
		"several":     {[]string{"gallery", "a.jpg", "d/a.jpg"}, within("/thumbs/a.jpg/", "/thumbs/d/a.jpg/")},
		"a folder":    {[]string{"gallery", "--under", "d/"}, within("/thumbs/d/")},
		"a preset": {[]string{"gallery", "--preset", "s"}, func(uri string) bool {
			base := filepath.Base(uri)
			return within("/thumbs/")(uri) && (base[:2] == "s_" || base[:2] == "s@")
		}},
		"all":                       {[]string{"gallery", "--all"}, within("/thumbs/")},
		"none":                      {[]string{"gallery", "missing.jpg"}, within()},
		"an original of presets":    {[]string{"p", "a.jpg"}, within("/p/s/a.jpg", "/p/s@2x/a.jpg", "/p/l/a.jpg")},
		"a folder of presets":       {[]string{"p", "--under", "d"}, within("/p/s/d/", "/p/s@2x/d/", "/p/l/d/")},
		"a preset by its folder":    {[]string{"p", "--preset", "s"}, within("/p/s/", "/p/s@2x/")},
		"all of the preset scheme":  {[]string{"p", "--all"}, within("/p/")},
		"an original in a folder p": {[]string{"p", "d/e/b.jpg"}, within("/p/s/d/e/b.jpg", "/p/s@2x/d/e/b.jpg", "/p/l/d/e/b.jpg")},
	} {
		t.Run(name, func(t *testing.T) {
			fill(t)
			want := slices.DeleteFunc(slices.Clone(everything), tt.gone)
			told := fmt.Sprintf("purged: %d thumbnails removed\n", len(everything)-len(want))
			if out, err := kit.Thumbd(t, append([]string{"purge", "--admin", r.AdminPath()}, tt.args...)...); err != nil || out != told {
				t.Fatalf("%v: %q, want %q", err, out, told)
			}
			got := append(kit.Thumbnails(t, r, "gallery"), kit.Thumbnails(t, r, "p")...)
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
		})
	}
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"an unknown site":   {[]string{"other", "--all"}, `no such site: "other"`},
		"an unknown preset": {[]string{"gallery", "--preset", "hero"}, `no such preset: "hero"`},
		"nothing":           {[]string{"gallery"}, "want originals, a folder, a preset or all"},
		"two things":        {[]string{"gallery", "--all", "a.jpg"}, "want originals, a folder, a preset or all"},
		"a way out":         {[]string{"gallery", "../a.jpg"}, "begins with a dot"},
		"thumbd's own":      {[]string{"p", "--under", ".thumbd"}, "begins with a dot"},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := kit.Thumbd(t, append([]string{"purge", "--admin", r.AdminPath()}, tt.args...)...)
			if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 2 || !strings.Contains(out, tt.want) {
				t.Errorf("%v: %s; want exit status 2 and %q", err, out, tt.want)
			}
		})
	}
	kit.StopDaemon(t, r)
	kit.NoTempFiles(t, r, "gallery")
	kit.NoTempFiles(t, r, "p")
}

// within reports whether a URI begins with one of prefixes.
func within(prefixes ...string) func(string) bool {
	return func(uri string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return len(uri) >= len(p) && uri[:len(p)] == p })
	}
}

// A purge that renders makes anew what was there, and nothing else.
func TestPurgeThatRenders(t *testing.T) {
	const jpg = "originals/tests/orientation/1.jpg"
	originals := kit.Folder(t, map[string]string{"a.jpg": jpg, "b.jpg": jpg, "gone.jpg": jpg})
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, originals)}})
	var want []string
	for _, name := range []string{"a.jpg", "b.jpg", "gone.jpg"} {
		for n := range 5 {
			uri := kit.Signed("/thumbs/", name, fmt.Sprintf("%dx20_crop", 20+n), "jpg")
			kit.Picture(t, kit.Get(t, r, rig.Escape(uri)), "jpeg", 20+n, 20)
			if name != "gone.jpg" {
				want = append(want, uri)
			}
		}
	}
	aid.Must(t, os.Remove(filepath.Join(originals, "gone.jpg")))
	const rendered = 3 * 5
	kit.WaitLog(t, r, rendered, "msg=rendered")
	if out, err := kit.Thumbd(t, "purge", "--admin", r.AdminPath(), "gallery", "--all", "--render"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	kit.WaitLog(t, r, rendered+len(want), "msg=rendered")
	kit.StopDaemon(t, r)
	got := kit.Thumbnails(t, r, "gallery")
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	kit.NoTempFiles(t, r, "gallery")
}

// A render that has opened its original before a purge does not publish what
// it makes of it. The original
// is one that a link is turned away from, so that nothing but the purge tells.
func TestPurgeDuringARender(t *testing.T) {
	const before, now = 50, 200
	originals := kit.Folder(t, nil)
	kit.Put(t, filepath.Join(originals, "before"), []byte{before})
	kit.Put(t, filepath.Join(originals, "now"), []byte{now})
	link := filepath.Join(originals, "a.jpg")
	aid.Must(t, os.Symlink("before", link))
	path := aid.NewGate(t, filepath.Join(t.TempDir(), "gate"))
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, originals)}, TOML: "[daemon]\nworkers = 2", Env: kit.Faulty(t, kit.Gate, path)})
	ctx, cancel := context.WithTimeout(t.Context(), aid.Patience)
	defer cancel()
	uri := kit.Target("a.jpg", "20x20_crop", "jpg")
	first := kit.Ask(ctx, r, uri)
	held := aid.AtGate(t, path)
	aid.Must(t, os.Symlink("now", link+".new"), os.Rename(link+".new", link))
	kit.Expect(t, kit.Do(t, r, kit.Post(url.Values{"site": {"gallery"}, "original": {"a.jpg"}})), 200, "")
	// The gate is open for good.
	kit.Put(t, path+".open", nil)
	aid.Must(t, os.Rename(path+".open", path))
	held.Close()
	if resp := (<-first).Response; resp.Status != 200 {
		t.Errorf("who asked before it got status %d", resp.Status)
	}
	if got := light(t, kit.Get(t, r, uri)); got < now-9 {
		t.Errorf("%d is published, want %d", got, now)
	}
}

// light returns how light a gray picture is, 0 to 255.
func light(t *testing.T, resp rig.Response) int {
	t.Helper()
	img := kit.Picture(t, resp, "jpeg", 20, 20)
	gray := color.GrayModel.Convert(img.At(10, 10)).(color.Gray)
	return int(gray.Y)
}
