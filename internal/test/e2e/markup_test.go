// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"path/filepath"
	"strings"
	"testing"

	"thumbd/internal/markup"
	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// Every entry of every srcset that thumbd picture prints is answered with a picture
// of exactly the width that it claims, and src with the size of the element.
func TestPictureElement(t *testing.T) {
	originals := kit.Folder(t, map[string]string{
		"wide.jpg": "originals/photos/mountains.jpg", "tall & <thin>.jpg": "originals/tests/orientation/6.jpg", "small.jpg": kit.Upright,
	})
	const text = `
[site.%[1]s.preset.hero]
size = "160x90"
method = "crop"
widths = [96, 32, 160, 2000]
formats = ["avif", "webp"]
[site.%[1]s.preset.fit]
size = "80x60"
method = "fit"
dpr = [2]
formats = ["webp"]
`
	g, p := kit.Gallery(t, originals), rig.Site{Name: "p", Prefix: "/p/", Scheme: "preset", Originals: originals}
	g.TOML, p.TOML = fmt.Sprintf(text, "gallery"), fmt.Sprintf(text, "p")
	r := kit.Start(t, rig.Options{Sites: []rig.Site{g, p}})
	names := []string{"small.jpg", "tall & <thin>.jpg", "wide.jpg"}
	for _, site := range []string{"gallery", "p"} {
		for _, name := range names {
			for preset, formats := range map[string]int{"hero": 2, "fit": 1} {
				args := []string{"picture", "-c", filepath.Join(r.Dir, "thumbd.toml"), site, name, preset}
				out, err := kit.Thumbd(t, append(args, "--json")...)
				if err != nil {
					t.Fatalf("%v: %v: %s", args, err, out)
				}
				var got markup.Picture
				if err := json.Unmarshal([]byte(out), &got); err != nil || len(got.Sources) != formats {
					t.Fatalf("%v: %v: %s", args, err, out)
				}
				kit.Picture(t, kit.Get(t, r, got.Image.Src), "jpeg", got.Image.Width, got.Image.Height)
				kit.EachEntry(t, r, "jpeg", got.Image.Srcset)
				for _, s := range got.Sources {
					kit.EachEntry(t, r, strings.TrimPrefix(s.Type, "image/"), s.Srcset)
				}
				size := fmt.Sprintf("%dx%d", got.Image.Width, got.Image.Height)
				again, err := kit.Thumbd(t, append(args, "--original-size", size)...)
				if err != nil || !strings.HasPrefix(again, "<picture>\n<source type=") {
					t.Errorf("%v: %v: %s", args, err, again)
				}
			}
		}
	}
}

// The tiny picture of thumbd picture --placeholder is that of the original, upright.
func TestPlaceholderOfThePictureElement(t *testing.T) {
	site := rig.Site{Name: "p", Prefix: "/p/", Scheme: "preset", Originals: kit.Testdata(t, "originals/tests"), TOML: "[site.p.preset.hero]\nsize = \"60x40\"\nmethod = \"crop\"\n"}
	r := kit.Start(t, rig.Options{Sites: []rig.Site{site}, Stopped: true})
	blurred := func(args ...string) string {
		t.Helper()
		out, err := kit.Thumbd(t, append([]string{"picture", "-c", filepath.Join(r.Dir, "thumbd.toml"), "p", "--placeholder"}, args...)...)
		if err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
		_, text, _ := strings.Cut(out, "url(data:image/png;base64,")
		text, _, _ = strings.Cut(text, ")")
		return text
	}
	file, err := base64.StdEncoding.DecodeString(blurred("orientation/6.jpg", "hero"))
	aid.Must(t, err)
	tiny, err := png.Decode(bytes.NewReader(file))
	aid.Must(t, err)
	if got := tiny.Bounds().Size(); got != image.Pt(16, 11) {
		t.Errorf("%v, want 16x11", got)
	}
	for at, want := range marks(16, 11) {
		if got := tiny.At(at.X, at.Y); distance(got, want) > 90 {
			t.Errorf("at %v: %v, want about %v", at, got, want)
		}
	}
	if got := blurred("made/alpha.png", "hero"); got != "" {
		t.Errorf("below transparent pixels: %s", got)
	}
}
