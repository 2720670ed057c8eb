// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/info"
	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
)

// The description of an original is made, published, purged and forgotten as a
// thumbnail is, in each scheme that has it, alone and with thumbnails.
func TestDescriptions(t *testing.T) {
	originals := kit.Folder(t, map[string]string{"d/a.jpg": kit.Upright, "d/text.jpg": "refused/text.jpg"})
	sites := widthSites(t, originals)
	for i := range sites {
		sites[i].TOML = "info = true\nplaceholder = \"" + kit.Testdata(t, kit.Upright) + "\"\n" + replacing(`["hero-*"]`, `["info", "hero-*"]`)(sites[i].TOML)
	}
	r := kit.Start(t, rig.Options{Sites: sites})
	for _, site := range []string{"gallery", "p"} {
		uri := func(preset, original, ext string) string {
			if site == "gallery" {
				return kit.Signed("/thumbs/", original, preset, ext)
			}
			if ext != "jpg" {
				return "/p/" + preset + "/" + original + "." + ext
			}
			return "/p/" + preset + "/" + original
		}
		all := []string{uri("info", "d/a.jpg", "json")}
		for _, preset := range []string{"hero-7w", "hero-20w"} {
			all = append(all, uri(preset, "d/a.jpg", "jpg"), uri(preset, "d/a.jpg", "webp"))
		}
		slices.Sort(all)
		purge := func(args ...string) {
			t.Helper()
			if out, err := kit.Thumbd(t, append([]string{"purge", "--admin", r.AdminPath(), site}, args...)...); err != nil {
				t.Fatalf("purge %v: %v: %s", args, err, out)
			}
		}
		for _, first := range all {
			if answer := kit.Get(t, r, first); answer.Status != 200 {
				t.Fatalf("%s: %d", first, answer.Status)
			}
			kit.AwaitPublished(t, r, site, all)
			purge("d/a.jpg")
			kit.AwaitPublished(t, r, site, []string{})
		}
		expectDescription(t, r, uri("info", "d/a.jpg", "json"))
		purge("--preset", "info")
		if slices.Contains(kit.Thumbnails(t, r, site), uri("info", "d/a.jpg", "json")) {
			t.Error("purge --preset info leaves the description")
		}
		kit.Warm(t, kit.WarmCommand(t, r, true, site, "--preset", "info"), 1, "made 1 thumbnails, 0 were there, 1 failed")

		kit.Expect(t, kit.Get(t, r, uri("info", "d/text.jpg", "json")), 415, "unsupported")
		kit.Expect(t, kit.Get(t, r, uri("info", "d/none.jpg", "json")), 404, "no-original")
		for _, wrong := range []string{uri("info", "d/a.jpg", "jpg"), uri("info", "d/a.jpg", "webp"), uri("hero", "d/a.jpg", "json")} {
			kit.Expect(t, kit.Get(t, r, wrong), 400, "extension")
		}
	}
	kit.Reload(t, r, replacing("info = true\n", "")(replacing(`["info", "hero-*"]`, `["hero-*"]`)(kit.Configuration(t, r))))
	for _, site := range []string{"gallery", "p"} {
		for _, name := range kit.Thumbnails(t, r, site) {
			if f, _ := thumb.FormatOfName(name); f == 0 {
				t.Errorf("without info %s is still there", name)
			}
		}
	}
}

// thumbd info prints the published files, through the running thumbd and without one,
// and publishes those that are missing or stale.
func TestInfoCommand(t *testing.T) {
	for name, running := range map[string]bool{"through the running thumbd": true, "where none runs": false} {
		t.Run(name, func(t *testing.T) {
			originals := kit.Folder(t, map[string]string{"a.jpg": kit.Upright, "d/b \"ü\".jpg": kit.Upright, "d/c.png": "originals/tests/made/alpha.png", "text.jpg": "refused/text.jpg"})
			kit.Put(t, filepath.Join(originals, "latin-\xe9.jpg"), readFile(t, kit.Testdata(t, kit.Upright)))
			site := rig.Site{Name: "p", Prefix: "/p/", Scheme: "preset", Originals: originals, TOML: "info = true"}
			other := rig.Site{Name: "q", Prefix: "/q/", Scheme: "preset", Originals: originals}
			r := kit.Start(t, rig.Options{Sites: []rig.Site{site, other}, Stopped: !running})
			published := func(original string) string {
				t.Helper()
				return string(readFile(t, r.File("p", "/p/info/"+original+".json")))
			}

			out := printed(t, infoCommand(t, r, running, "p", "d/c.png", "a.jpg"), 0, "")
			if want := published("d/c.png") + published("a.jpg"); out != want {
				t.Errorf("printed %s, want %s", out, want)
			}
			if i, err := info.Parse([]byte(published("d/c.png"))); err != nil || !i.Alpha {
				t.Errorf("%+v, %v", i, err)
			}
			aid.Must(t, os.Rename(filepath.Join(originals, "d/c.png"), filepath.Join(originals, "d/C.png")))
			kit.Put(t, filepath.Join(originals, "d/c.png"), readFile(t, kit.Testdata(t, kit.Upright)))
			out = printed(t, infoCommand(t, r, running, "p", "d/c.png"), 0, "")
			if out != published("d/c.png") || !strings.Contains(out, `"alpha":false`) {
				t.Errorf("of a replaced original %s", out)
			}

			out = printed(t, infoCommand(t, r, running, "p", "--ndjson"), 1,
				`"text.jpg": unsupported`, `"latin-\xe9.jpg": the name is not UTF-8`, "info: 2 originals could not be described")
			got := make(map[string]string)
			for line := range strings.Lines(out) {
				var named struct{ Original string }
				aid.Must(t, json.Unmarshal([]byte(line), &named))
				_, rest, _ := strings.Cut(line, `,"width"`)
				got[named.Original] = `{"width"` + rest
			}
			want := make(map[string]string)
			for _, name := range []string{"a.jpg", "d/b \"ü\".jpg", "d/c.png", "d/C.png"} {
				want[name] = published(name)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			out = printed(t, infoCommand(t, r, running, "--ndjson", "p", "a.jpg", "none.jpg"), 1, `"none.jpg": no-original`)
			if out != `{"original":"a.jpg",`+published("a.jpg")[1:] {
				t.Errorf("printed %s", out)
			}
			if out := printed(t, infoCommand(t, r, running, "p"), 2, "want ORIGINAL, or --ndjson"); out != "" {
				t.Errorf("printed %s", out)
			}
			printed(t, infoCommand(t, r, running, "q", "a.jpg"), 2, "the site q describes no originals; set info = true")
			printed(t, infoCommand(t, r, running, "s", "a.jpg"), 2, `no`, `site`, `"s"`)
			if got := slices.Sorted(maps.Keys(want)); len(kit.Thumbnails(t, r, "p")) != len(got)+1 {
				t.Errorf("published %q for %q and one that is not UTF-8", kit.Thumbnails(t, r, "p"), got)
			}
		})
	}
}

func infoCommand(t *testing.T, r *rig.Rig, running bool, args ...string) *exec.Cmd {
	t.Helper()
	cmd := kit.WarmCommand(t, r, running, args...)
	cmd.Args[1] = "info"
	return cmd
}

// printed runs a command, checks its exit code and words of its standard error, and
// returns its standard output.
func printed(t *testing.T, cmd *exec.Cmd, code int, words ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Errorf("%v: exit code %d, %v, want %d: %s", cmd.Args, got, err, code, errs.String())
	}
	for _, w := range words {
		if !strings.Contains(errs.String(), w) {
			t.Errorf("%v: no %q in %s", cmd.Args, w, errs.String())
		}
	}
	return out.String()
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	aid.Must(t, err)
	return b
}

// expectDescription gets the description of the original upright twice: from thumbd,
// and from nginx alone.
func expectDescription(t *testing.T, r *rig.Rig, uri string) {
	t.Helper()
	for range 2 {
		answer := kit.Get(t, r, uri)
		if got := answer.Header.Get("Content-Type"); answer.Status != 200 || got != "application/json" {
			t.Fatalf("%s: %d, %s", uri, answer.Status, got)
		}
		got, err := info.Parse(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		want := info.Info{Width: 240, Height: 160, Format: thumb.JPEG, Frames: 1, Bytes: got.Bytes,
			Color: got.Color, ThumbHash: got.ThumbHash, BlurHash: got.BlurHash, LQIP: got.LQIP}
		if diff := cmp.Diff(fmt.Sprint(want), fmt.Sprint(got)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
