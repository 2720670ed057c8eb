// SPDX-License-Identifier: MIT

package e2e

import (
	"fmt"
	"testing"

	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
)

// A worker chooses the quality of thumbnails with q=auto and of presets with
// quality = "auto", and lowers it for max_bytes. The log tells the quality, and warns if
// the lowest is too high. A changed max_bytes purges, and nothing else.
func TestQualityByItself(t *testing.T) {
	originals := kit.Folder(t, map[string]string{"a.jpg": "originals/photos/fig.jpg"})
	g := kit.Gallery(t, originals)
	p := rig.Site{Name: "p", Prefix: "/p/", Scheme: "preset", Originals: originals}
	p.TOML = "[site.p.quality]\nwebp = \"auto\"\n[site.p.preset.plain]\nsize = \"200x200\"\nmethod = \"fit\"\nformats = [\"webp\"]\n"
	const most = 4 << 10
	g.TOML = fmt.Sprintf(`[site.gallery.preset.auto]
size = "200x200"
method = "fit"
quality = "auto"
[site.gallery.preset.little]
size = "200x200"
method = "fit"
max_bytes = "4KiB"
[site.gallery.preset.least]
size = "200x200"
method = "fit"
max_bytes = %d
`, 60)
	r := kit.Start(t, rig.Options{Sites: []rig.Site{g, p}})
	for _, ext := range []string{"jpg", "webp", "avif"} {
		for _, spec := range []string{"200x200_fit_q=auto", "auto", "little", "least"} {
			uri := kit.Signed("/thumbs/", "a.jpg", spec, ext)
			answer := kit.Get(t, r, uri)
			if answer.Status != 200 || len(answer.Body) == 0 || spec == "little" && len(answer.Body) > most {
				t.Errorf("%s: %d, %d bytes", uri, answer.Status, len(answer.Body))
			}
		}
	}
	kit.WaitLog(t, r, 6, "msg=rendered", "q=auto.", " quality=")
	// A site's quality of a format is that of its presets.
	kit.Expect(t, kit.Get(t, r, "/p/plain/a.jpg.webp"), 200, "")
	kit.WaitLog(t, r, 1, "msg=rendered", "site=p", "q=auto.webp", " quality=")
	kit.WaitLog(t, r, 1, "WARN", "larger than max_bytes at the lowest quality", "max_bytes=60", fmt.Sprintf("quality=%d", thumb.LeastQuality))
	before := kit.Thumbnails(t, r, "gallery")
	kit.Reload(t, r, replacing(`"4KiB"`, `"5KiB"`)(kit.Configuration(t, r)))
	kit.WaitLog(t, r, 1, "purged thumbnails of an earlier configuration", "removed=3")
	if now := kit.Thumbnails(t, r, "gallery"); len(before) != 12 || len(now) != 9 {
		t.Errorf("%d thumbnails, then %d", len(before), len(now))
	}
}
