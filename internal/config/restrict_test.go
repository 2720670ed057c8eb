// SPDX-License-Identifier: MIT

package config

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/thumb"
)

func TestRestrictTakesWhatTheWorkerCan(t *testing.T) {
	c, _ := parse(t, preset(`size = "1x1"`, `method = "fit"`, `formats = ["avif", "webp"]`))
	before, _ := parse(t, preset(`size = "1x1"`, `method = "fit"`, `formats = ["avif", "webp"]`))
	got, warnings, err := c.Restrict(
		[]thumb.Format{thumb.TIFF, thumb.GIF, thumb.WebP, thumb.PNG, thumb.JPEG, thumb.SVG},
		[]thumb.Format{thumb.PNG, thumb.WebP, thumb.JPEG},
	)
	if err != nil {
		t.Fatal(err)
	}
	s := got.Sites[0]
	if d := cmp.Diff([]thumb.Format{thumb.JPEG, thumb.PNG, thumb.WebP, thumb.GIF, thumb.TIFF}, s.OriginalFormats); d != "" {
		t.Errorf("formats of originals (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]thumb.Format{thumb.JPEG, thumb.PNG, thumb.WebP}, s.Thumb.Formats); d != "" {
		t.Errorf("formats of thumbnails (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]thumb.Format{thumb.WebP}, s.Thumb.Presets["card"].Formats); d != "" {
		t.Errorf("formats of the preset (-want +got):\n%s", d)
	}
	want := []string{
		"thumbd.toml:1: site.a.original_formats: avif can't be read by the installed libvips; install libheif-plugin-dav1d; until then it is left out",
		"thumbd.toml:1: site.a.original_formats: heic can't be read by the installed libvips; install libheif-plugin-libde265; until then it is left out",
		"thumbd.toml:1: site.a.formats: avif can't be written by the installed libvips; install libheif-plugin-aomenc; until then it is left out",
		"thumbd.toml:1: site.a.formats: gif can't be written by the installed libvips; install one that can; until then it is left out",
		"thumbd.toml:10: site.a.preset.card.formats: avif can't be written by the installed libvips; install libheif-plugin-aomenc; until then it is left out",
	}
	if d := cmp.Diff(want, messages(warnings)); d != "" {
		t.Errorf("warnings (-want +got):\n%s", d)
	}
	if d := diff(before, c); d != "" {
		t.Errorf("Restrict changed its receiver (-want +got):\n%s", d)
	}
}

// A quality is chosen by comparison, for which the worker must read what it writes.
func TestRestrictTellsOfAuto(t *testing.T) {
	c, _ := parse(t, site("a", "quality = { webp = \"auto\", avif = \"auto\" }", "original_formats = [\"jpg\"]")+
		"[site.a.preset.card]\nsize = \"1x1\"\nmethod = \"fit\"\nquality = \"auto\"\n")
	const end = "avif can't be read by the installed libvips; install libheif-plugin-dav1d; until then it has the quality 55 and not auto"
	for name, tt := range map[string]struct {
		read, write []thumb.Format
		want        []string
	}{
		"all":        {originalFormats, thumbnailFormats, nil},
		"no decoder": {[]thumb.Format{thumb.JPEG, thumb.WebP}, thumbnailFormats, []string{"site.a.quality: " + end, "site.a.preset.card.quality: " + end}},
		"neither":    {[]thumb.Format{thumb.JPEG, thumb.WebP}, []thumb.Format{thumb.JPEG, thumb.PNG, thumb.WebP, thumb.GIF}, nil},
	} {
		_, warnings, err := c.Restrict(tt.read, tt.write)
		var got []string
		for _, m := range messages(warnings) {
			if _, key, _ := strings.Cut(m, ": "); strings.Contains(key, "quality") {
				got = append(got, key)
			}
		}
		if d := cmp.Diff(tt.want, got); d != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, d)
		}
	}
}

func TestRestrictLeavesWhatTheWorkerCan(t *testing.T) {
	c, _ := parse(t, site("a", `negotiate = ["avif", "webp"]`))
	got, warnings, err := c.Restrict(originalFormats, thumbnailFormats)
	if err != nil || warnings != nil {
		t.Fatalf("got %v, %v", warnings, err)
	}
	if d := diff(c, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestRestrictRefuses(t *testing.T) {
	c, _ := parse(t, site("a", `negotiate = ["avif", "webp"]`, `original_formats = ["heic"]`)+site("b", `formats = ["avif"]`))
	got, warnings, err := c.Restrict([]thumb.Format{thumb.JPEG}, []thumb.Format{thumb.JPEG, thumb.WebP})
	if got != nil || err == nil {
		t.Fatalf("got %v, %v, want an error", got, err)
	}
	want := `thumbd.toml:7: site.a.negotiate: avif can't be written by the installed libvips; install libheif-plugin-aomenc, or remove it
thumbd.toml:8: site.a.original_formats: the installed libvips can read none of them; name another
thumbd.toml:15: site.b.formats: the installed libvips can write none of them; name another`
	if d := cmp.Diff(want, err.Error()); d != "" {
		t.Errorf("mistakes (-want +got):\n%s", d)
	}
	if len(warnings) == 0 {
		t.Error("no warnings beside the mistakes")
	}
}

// The packages recommend or suggest the packages that the warnings name.
func TestPackagesNameDecodersAndEncoders(t *testing.T) {
	b, err := os.ReadFile("../../packaging/nfpm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range thumb.Formats() {
		for _, name := range []string{f.Decoder(), f.Encoder()} {
			if !strings.Contains(string(b), name) {
				t.Errorf("packaging/nfpm.yaml does not name %s for %v", name, f)
			}
		}
	}
}
