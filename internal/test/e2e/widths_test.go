// SPDX-License-Identifier: MIT

package e2e

import (
	"fmt"
	"image"
	"slices"
	"testing"

	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// widthSites are a site of each scheme with a preset that has widths and formats.
func widthSites(t *testing.T, originals string) []rig.Site {
	t.Helper()
	const text = `render_together = ["hero-*"]
[site.%s.preset.hero]
size = "40x30"
method = "crop"
widths = [7, 20]
formats = ["webp"]
`
	g, p := kit.Gallery(t, originals), rig.Site{Name: "p", Prefix: "/p/", Scheme: "preset", Originals: originals}
	g.TOML, p.TOML = fmt.Sprintf(text, "gallery"), fmt.Sprintf(text, "p")
	return []rig.Site{g, p}
}

// The widths of a preset are made together in all its formats, in their exact size,
// and a purge and a changed configuration know them.
func TestWidths(t *testing.T) {
	originals := kit.Folder(t, map[string]string{"a.jpg": kit.Upright})
	r := kit.Start(t, rig.Options{Sites: widthSites(t, originals)})
	sizes := map[string]image.Point{"hero": {X: 40, Y: 30}, "hero-20w": {X: 20, Y: 15}, "hero-7w": {X: 7, Y: 5}}
	for _, site := range []string{"gallery", "p"} {
		uri := func(preset, ext string) string {
			if site == "gallery" {
				return kit.Signed("/thumbs/", "a.jpg", preset, ext)
			}
			if ext != "jpg" {
				return "/p/" + preset + "/a.jpg." + ext
			}
			return "/p/" + preset + "/a.jpg"
		}
		ladder := []string{uri("hero-7w", "jpg"), uri("hero-7w", "webp"), uri("hero-20w", "jpg"), uri("hero-20w", "webp")}
		slices.Sort(ladder)
		kit.Picture(t, kit.Get(t, r, uri("hero-20w", "webp")), "webp", 20, 15)
		kit.AwaitPublished(t, r, site, ladder)
		kit.Warm(t, kit.WarmCommand(t, r, true, site), 0, "1 originals, made 2 thumbnails, 4 were there\n")
		kit.Warm(t, kit.WarmCommand(t, r, true, site, "--preset", "hero-*", "--preset", "hero"), 0, "made 0 thumbnails, 6 were there\n")
		for preset, size := range sizes {
			kit.Picture(t, kit.Get(t, r, uri(preset, "jpg")), "jpeg", size.X, size.Y)
			kit.Picture(t, kit.Get(t, r, uri(preset, "webp")), "webp", size.X, size.Y)
		}
		kit.Expect(t, kit.Get(t, r, uri("hero-30w", "jpg")), 404, "unknown-preset")
		for _, args := range [][]string{{site, "a.jpg"}, {site, "--preset", "hero"}} {
			if out, err := kit.Thumbd(t, append([]string{"purge", "--admin", r.AdminPath()}, args...)...); err != nil {
				t.Fatalf("purge %v: %v: %s", args, err, out)
			}
			kit.AwaitPublished(t, r, site, []string{})
			kit.Warm(t, kit.WarmCommand(t, r, true, site), 0, "made 6 thumbnails")
		}
	}
	kit.Reload(t, r, replacing("widths = [7, 20]", "widths = [20]")(kit.Configuration(t, r)))
	for _, site := range []string{"gallery", "p"} {
		if got := kit.Thumbnails(t, r, site); len(got) != 4 {
			t.Errorf("%s, a width less: %v", site, got)
		}
	}
}
