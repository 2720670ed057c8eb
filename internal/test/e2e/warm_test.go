// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// sizes are those of the presets of warmSites.
var sizes = map[string]image.Point{"s": {X: 20, Y: 20}, "s@2x": {X: 40, Y: 40}, "l": {X: 30, Y: 40}}

// What is made ahead of time is what pages ask for, and is served while thumbd
// is stopped.
func TestWarm(t *testing.T) {
	for name, running := range map[string]bool{"through the running thumbd": true, "where none runs": false} {
		t.Run(name, func(t *testing.T) {
			originals := kit.Folder(t, map[string]string{
				"a.jpg": kit.Upright, "d/e/b.JPG": kit.Upright, "d/100% ä.jpg": kit.Upright, ".hidden/a.jpg": kit.Upright, "d/.a.jpg": kit.Upright, "a.jpg.bak": kit.Upright,
			})
			kit.Put(t, filepath.Join(originals, "notes.txt"), []byte("no picture"))
			aid.Must(t, os.Symlink("a.jpg", filepath.Join(originals, "link.jpg")), os.Symlink("d", filepath.Join(originals, "folder")))
			r := kit.Start(t, rig.Options{Sites: kit.WarmSites(t, originals), Stopped: !running})
			names := []string{"a.jpg", "d/100% ä.jpg", "d/e/b.JPG", "link.jpg"}

			var want []string
			for _, name := range names {
				want = append(want, kit.Warmed(name, "s", "s@2x", "l")...)
			}
			slices.Sort(want)
			kit.Warm(t, kit.WarmCommand(t, r, running, "gallery"), 0, "gallery: 4 originals, made 24 thumbnails, 0 were there\n")
			if diff := cmp.Diff(want, kit.Thumbnails(t, r, "gallery")); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}
			kit.Warm(t, kit.WarmCommand(t, r, running, "gallery", "--preset", "s", "--preset", "l"), 0, "4 originals, made 0 thumbnails, 16 were there\n")

			want = nil
			for _, name := range names {
				want = append(want, "/p/s/100/"+name, "/p/s/50/"+name, "/p/s/100/"+name+".webp", "/p/s/50/"+name+".webp")
			}
			slices.Sort(want)
			kit.Warm(t, kit.WarmCommand(t, r, running, "p"), 0, "p: 4 originals, made 16 thumbnails, 0 were there\n")
			if diff := cmp.Diff(want, kit.Thumbnails(t, r, "p")); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}

			if running {
				kit.StopDaemon(t, r)
			}
			for _, name := range names {
				for spec, size := range sizes {
					uri := rig.Escape(kit.Signed("/thumbs/", name, spec, "jpg"))
					kit.Picture(t, kit.Get(t, r, uri), "jpeg", size.X, size.Y)
					kit.Picture(t, kit.Get(t, r, uri, "Accept: image/webp"), "webp", size.X, size.Y)
				}
				kit.Picture(t, kit.Get(t, r, rig.Escape("/p/s/50/"+name)), "jpeg", 10, 10)
			}
			kit.NoTempFiles(t, r, "gallery")
		})
	}
}

// What is to be made can be said.
func TestWarmSelection(t *testing.T) {
	originals := kit.Folder(t, map[string]string{"a.jpg": kit.Upright, "d/b.jpg": kit.Upright, "old.jpg": kit.Upright})
	long := time.Now().Add(-48 * time.Hour)
	aid.Must(t, os.Chtimes(filepath.Join(originals, "old.jpg"), long, long))
	r := kit.Start(t, rig.Options{Sites: kit.WarmSites(t, originals)})
	list := filepath.Join(r.Dir, "list")
	aid.Must(t, os.WriteFile(list, []byte("d/b.jpg\n\n./a.jpg\n"+originals+"/old.jpg"), 0o644))
	none := []string{}
	for _, tt := range []struct {
		args []string
		in   string
		code int
		say  string
		want []string
	}{
		{[]string{"gallery", "--from", list, "--preset", "s"}, "", 0, "3 originals, made 6 thumbnails",
			slices.Concat(kit.Warmed("a.jpg", "s"), kit.Warmed("d/b.jpg", "s"), kit.Warmed("old.jpg", "s"))},
		{[]string{"gallery", "--from", list, "--preset", "s", "--since", "1d"}, "", 0, "made 4 thumbnails, 0 were there, left out 1 older originals",
			slices.Concat(kit.Warmed("a.jpg", "s"), kit.Warmed("d/b.jpg", "s"))},
		{[]string{"gallery", "--preset", "l", "--since", time.Now().Add(-time.Hour).Format(time.RFC3339)}, "", 0, "2 originals, made 4 thumbnails",
			slices.Concat(kit.Warmed("a.jpg", "l"), kit.Warmed("d/b.jpg", "l"))},
		{[]string{"gallery", "--from", "-", "--spec", "20x20_crop_q=70_blur=2", "--spec", "x30_fit"}, "a.jpg\n", 0, "made 4 thumbnails",
			kit.Warmed("a.jpg", "20x20_crop_blur=2_q=70", "x30_fit")},
		{[]string{"gallery", "--from", "-", "--preset", "s", "--format", "png", "--format", "avif"}, "a.jpg\n", 0, "made 3 thumbnails",
			[]string{kit.Signed("/thumbs/", "a.jpg", "s", "png"), kit.Signed("/thumbs/", "a.jpg", "s", "png") + ".webp", kit.Signed("/thumbs/", "a.jpg", "s", "avif")}},
		{[]string{"p", "--preset", "s/50", "--format", "webp", "--from", "-"}, "d/b.jpg\n", 0, "made 1 thumbnails", []string{"/p/s/50/d/b.jpg.webp"}},
		{[]string{"gallery", "--from", "-"}, "none.jpg\n", 1, "6 failed (6 no-original)", none},
		{[]string{"gallery", "--from", "-"}, "../a.jpg\n", 1, "1 failed (1 bad-name)", none},
		{[]string{"gallery", "--from", "-"}, "", 0, "0 originals, made 0 thumbnails", none},
		{[]string{"gallery", "--preset", "xl"}, "", 2, `the preset is unknown: "xl"`, none},
		{[]string{"gallery", "--spec", "20x20_squeeze"}, "", 2, "malformed", none},
		{[]string{"gallery", "--spec", "9999x_fit"}, "", 2, "over the site's limit", none},
		{[]string{"gallery", "--format", "bmp"}, "", 2, `none of the site's formats: "bmp"`, none},
		{[]string{"p", "--spec", "20x20_crop"}, "", 2, "has the scheme preset, which makes presets alone", none},
		{[]string{"p", "--format", "png"}, "", 2, `none of the site's formats: "png"`, none},
		{[]string{"galery"}, "", 2, `there is no such site: "galery"`, none},
		{[]string{"gallery", "--since", "yesterday"}, "", 2, `--since "yesterday": want a time such as`, none},
		{[]string{"gallery", "--from", list + "s"}, "", 2, "no such file", none},
		{[]string{"gallery", "p"}, "", 2, "accepts 1 arg", none},
	} {
		cmd := kit.WarmCommand(t, r, true, tt.args...)
		cmd.Stdin = strings.NewReader(tt.in)
		kit.Warm(t, cmd, tt.code, tt.say)
		got := append(kit.Thumbnails(t, r, "gallery"), kit.Thumbnails(t, r, "p")...)
		slices.Sort(tt.want)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%v: published (-want +got):\n%s", tt.args, diff)
		}
		for site, folders := range map[string]string{"gallery": "/thumbs/*", "p": "/p/*"} {
			all, err := filepath.Glob(r.File(site, folders))
			aid.Must(t, err)
			for _, path := range all {
				aid.Must(t, os.RemoveAll(path))
			}
		}
	}
}

// What can't be made is told with why, and the rest is made.
func TestWarmFailures(t *testing.T) {
	originals := kit.Folder(t, map[string]string{"a.jpg": kit.Upright, "d/b.jpg": kit.Upright})
	whole, err := os.ReadFile(kit.Testdata(t, kit.Upright))
	aid.Must(t, err)
	kit.Put(t, filepath.Join(originals, "cut.jpg"), whole[:len(whole)/2])
	kit.Put(t, filepath.Join(originals, "d/text.png"), []byte("no picture"))
	aid.Must(t, os.Mkdir(filepath.Join(originals, "lost+found"), 0))
	r := kit.Start(t, rig.Options{Programs: kit.PublicPrograms(t), Sites: kit.WarmSites(t, originals), Nobody: true})
	words := []string{
		"gallery: 4 originals, made 12 thumbnails, 0 were there, 12 failed (6 damaged, 6 unsupported)\n",
		`"cut.jpg": damaged (6 thumbnails)`, `"d/text.png": unsupported (6 thumbnails)`,
		"12 thumbnails could not be made",
		"1 folders of originals could not be read",
	}
	kit.Warm(t, kit.WarmCommand(t, r, true, "gallery"), 1, words...)
	kit.StopDaemon(t, r)
	if n := r.Log.Count("a folder of originals is left out", "lost+found", "permission denied"); n != 1 {
		t.Errorf("%d lines of a folder that can't be read, want 1", n)
	}
	if got := len(kit.Thumbnails(t, r, "gallery")); got != 12 {
		t.Errorf("%d thumbnails, want 12", got)
	}
}

// Nobody can list the originals at a URL, but they can be named.
func TestWarmRemoteOriginals(t *testing.T) {
	_, url := kit.StartOrigin(t, "")
	toml, _ := kit.DaemonWithSpool(t)
	site := kit.Remote("away", url, "[site.away.preset.s]\nsize = \"20x20\"\nmethod = \"crop\"\ndpr = [2, 3]")
	r := kit.Start(t, rig.Options{TOML: toml, Sites: []rig.Site{site}})
	kit.Warm(t, kit.WarmCommand(t, r, true, "away"), 2, "where nobody can list them")
	cmd := kit.WarmCommand(t, r, true, "away", "--from", "-")
	cmd.Stdin = strings.NewReader("photos/dogs.jpg\nphotos/none.jpg\n")
	kit.Warm(t, cmd, 1, "made 3 thumbnails, 0 were there, 3 failed (3 no-original)")
	cmd = kit.WarmCommand(t, r, true, "away", "--since", "1d", "--from", "-")
	cmd.Stdin = strings.NewReader("photos/dogs.jpg\n")
	kit.Warm(t, cmd, 2, "known only after they are fetched")
}

// On a terminal there is a bar.
func TestWarmOnATerminal(t *testing.T) {
	kit.NeedPrograms(t, "script")
	originals, _ := kit.Many(t, 20)
	r := kit.Start(t, rig.Options{Sites: kit.WarmSites(t, originals)})
	cmd := kit.WarmCommand(t, r, true, "gallery")
	script := exec.CommandContext(t.Context(), "script", "-qec", "stty cols 100; "+strings.Join(quoted(cmd.Args), " "), "/dev/null")
	out, err := script.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("█")) || !bytes.Contains(out, []byte("/20, ")) || !bytes.Contains(out, []byte("originals/s) [")) {
		t.Errorf("%v, no bar in\n%q", err, out)
	}
	if !bytes.Contains(out, []byte("gallery: 20 originals, made 120 thumbnails")) {
		t.Errorf("no summary in\n%q", out)
	}
}

func quoted(args []string) []string {
	var all []string
	for _, a := range args {
		all = append(all, strconv.Quote(a))
	}
	return all
}
