// SPDX-License-Identifier: MIT

package e2e

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/info"
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
			awaitPublished(t, r, site, all)
			purge("d/a.jpg")
			awaitPublished(t, r, site, []string{})
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
