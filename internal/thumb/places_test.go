// SPDX-License-Identifier: MIT

package thumb

import (
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/route"
)

// covers reports whether name lies at one of places.
func covers(places []Place, name string) bool {
	return slices.ContainsFunc(places, func(p Place) bool {
		if p.Files != nil {
			return path.Dir(name) == p.Name && slices.Contains(p.Files, path.Base(name))
		}
		return name == p.Name || strings.HasPrefix(name, p.Name+"/")
	})
}

func presetSite(factors ...int) *Site {
	return &Site{
		Route: route.Route{Prefix: "/p/"}, Scheme: PresetScheme, Factors: factors, MaxWidth: 1000, MaxHeight: 1000,
		Formats: []Format{JPEG, PNG, WebP, AVIF, GIF},
		Presets: map[string]Preset{
			"s": {Transform: Transform{Width: 9, Height: 9, Method: Fit}, DPR: []int{2}, Formats: []Format{WebP, PNG}},
			"l": {Transform: Transform{Width: 90, Height: 9, Method: Fit}, Widths: []int{45}},
		},
	}
}

// Whatever a URI may be, its thumbnail lies where those of its original do, and
// where no other original's do.
func TestThumbnailsLieWhereTheirOriginalsDo(t *testing.T) {
	signature := strings.Repeat("0", signatureLength)
	secret := strings.Repeat("0", secretLength)
	signed := &Site{Route: route.Route{Prefix: "/t/"}, Scheme: Signed, Formats: []Format{JPEG, WebP}, MaxWidth: 1000, MaxHeight: 1000}
	rest := &Site{Route: route.Route{Prefix: "/r/"}, Scheme: RestThumbnails, Formats: []Format{JPEG}, MaxWidth: 1000, MaxHeight: 1000}
	for _, tt := range []struct {
		site  *Site
		names []string
	}{
		{signed, []string{
			"/t/a.jpg/20x20_fit_" + signature + ".jpg", "/t/a.jpg/20x20_fit_" + signature + ".jpg.webp",
			"/t/b.jpg/x20_crop_q=1_" + signature + ".webp", "/t/d/a.jpg/x20_crop_" + signature + ".jpg",
		}},
		{rest, []string{"/r/a.jpg/20x20/crop/" + secret + ".jpg", "/r/d/a.jpg/20x0/scale/" + secret + ".jpeg"}},
		{presetSite(), []string{
			"/p/s/a.jpg", "/p/s@2x/a.jpg", "/p/l/a.jpg", "/p/l-45w/a.jpg", "/p/l-45w/d/a.jpg", "/p/s/a.jpg.png", "/p/s/a.jpg.webp", "/p/s/a.jpg.WebP", "/p/s/a.jpg.JPeG",
			"/p/s/d/a.jpg", "/p/s/d/e/a.jpg.webp", "/p/s/a.webp.webp", "/p/s/a.webp", "/p/s/a.heic.png", "/p/s/a.heic.png.webp",
			"/p/s/a.jpg.webp.webp", "/p/s/a.jpg.webp.png", "/p/l/a.jpg.webp", "/p/s/A.JPG", "/p/s/a.tar.gif", "/p/s/a.gif.webp",
		}},
		{presetSite(100, 75), []string{"/p/s/75/a.jpg", "/p/s@2x/100/d/a.jpg.png", "/p/l/75/75/a.jpg"}},
	} {
		var originals []string
		of := make(map[string]string)
		for _, name := range tt.names {
			u, err := tt.site.Published(name)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			of[name] = u.Original
			originals = append(originals, u.Original)
		}
		for _, original := range originals {
			places := tt.site.OfOriginal(original)
			for _, name := range tt.names {
				got, want := covers(places, name), of[name] == original
				// With other formats that name may be of this original.
				may := tt.site.Scheme == PresetScheme && strings.HasPrefix(path.Base(name)+".", path.Base(original)+".")
				if got != want && !(got && may) {
					t.Errorf("%s is of %q: %v; want %v", name, original, got, want)
				}
			}
		}
	}
}

func TestPlacesOfFoldersAndPresets(t *testing.T) {
	signed := &Site{Route: route.Route{Prefix: "/t/"}, Scheme: Signed}
	for _, tt := range []struct {
		name string
		got  []Place
		want []string
	}{
		{"a folder", signed.Below("d/e"), []string{"/t/d/e"}},
		{"a folder of each preset", presetSite().Below("d"), []string{"/p/l/d", "/p/l-45w/d", "/p/s/d", "/p/s@2x/d"}},
		{"a folder of each factor", presetSite(100, 75).Below("d"), []string{
			"/p/l/100/d", "/p/l/75/d", "/p/l-45w/100/d", "/p/l-45w/75/d", "/p/s/100/d", "/p/s/75/d", "/p/s@2x/100/d", "/p/s@2x/75/d",
		}},
	} {
		var names []string
		for _, p := range tt.got {
			names = append(names, p.Name)
		}
		if diff := cmp.Diff(tt.want, names); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	if _, ok := signed.OfPreset("s"); ok {
		t.Error("a folder has the thumbnails of a preset in the signed scheme")
	}
	if places, ok := presetSite().OfPreset("l"); !ok || !covers(places, "/p/l-45w/a.jpg") {
		t.Errorf("of the preset l: %v", places)
	}
	// Those of a dpr that the configuration had before, too.
	if places, ok := presetSite().OfPreset("s"); !ok || !covers(places, "/p/s@3x/a.jpg") || covers(places, "/p/sm/a.jpg") {
		t.Errorf("of the preset s: %v", places)
	}
}

func TestPresetNamesAreWhatURIsCanHave(t *testing.T) {
	for _, tt := range []struct {
		site *Site
		want []string
	}{
		{presetSite(), []string{"l", "l-45w", "s", "s@2x"}},
		{presetSite(100, 75), []string{"l/100", "l/75", "l-45w/100", "l-45w/75", "s/100", "s/75", "s@2x/100", "s@2x/75"}},
	} {
		if diff := cmp.Diff(tt.want, tt.site.PresetNames()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		for _, name := range tt.want {
			if thumb, err := tt.site.New(Wanted{Original: "d/a.jpg", Preset: name}); err != nil || thumb.URI() != tt.site.Prefix+name+"/d/a.jpg" {
				t.Errorf("%s: %v, %v", name, thumb, err)
			}
		}
	}
}

func TestPublishedHasTheFormatOfTheFile(t *testing.T) {
	site := presetSite()
	site.Negotiate = []Format{WebP}
	for name, original := range map[string]string{"/p/l/a.jpg.webp": "a.jpg", "/p/s/a.heic.png.webp": "a.heic"} {
		got, err := site.Published(name)
		if err != nil || got.Transform().Format != WebP || got.Original != original {
			t.Errorf("%s, a negotiated one: %v of %q, %v", name, got.Transform().Format, got.Original, err)
		}
	}
	site.Negotiate = nil
	if got, err := site.Published("/p/l/a.jpg.webp"); err != nil || got.Original != "a.jpg.webp" {
		t.Errorf("a suffix that is not negotiated: %v of %q, %v", got.Transform().Format, got.Original, err)
	}
}

// Whatever sites negotiate and presets have, no file is of two originals, and
// no original has two files of one transform.
func TestAFileIsOfOneOriginal(t *testing.T) {
	extensions := []string{"jpg", "JPG", "jpeg", "jpe", "png", "webp", "WEBP", "avif", "gif", "heic", "x"}
	names := []string{"a"}
	for range 3 {
		for _, name := range slices.Clip(names) {
			for _, ext := range extensions {
				names = append(names, name+"."+ext)
			}
		}
		slices.Sort(names)
		names = slices.Compact(names)
	}
	for _, formats := range [][]Format{nil, {WebP}, {JPEG, WebP}, {JPEG, PNG, WebP, AVIF, GIF}} {
		for _, negotiate := range [][]Format{nil, {WebP}, {AVIF, WebP}} {
			site := presetSite()
			site.Negotiate = negotiate
			site.Presets["s"] = Preset{Transform: site.Presets["s"].Transform, Formats: formats}
			of := make(map[string]string)      // originals by their files
			uris := make(map[[2]string]string) // by original and format
			for _, name := range names {
				u, err := site.Parse("/p/s/" + name)
				if err != nil {
					continue
				}
				key := [2]string{u.Original, u.Spec.Format.String()}
				if before, ok := uris[key]; ok {
					t.Errorf("%v, %v: %s and %s are of %v", formats, negotiate, before, name, key)
				}
				uris[key] = name
				files := map[string]Format{name: u.Spec.Format}
				for _, f := range negotiate {
					if site.Negotiates(name, f) {
						files[name+"."+f.String()] = f
					}
				}
				for file, format := range files {
					if before, ok := of[file]; ok && before != u.Original {
						t.Errorf("%v, %v: the file %s is of %s and of %s", formats, negotiate, file, before, u.Original)
					}
					of[file] = u.Original
					if p, err := site.Published("/p/s/" + file); err != nil || p.Original != u.Original || p.Spec.Format != format {
						t.Errorf("%v, %v: the file %s is taken for %v of %s, want %s: %v", formats, negotiate, file, p.Spec.Format, p.Original, u.Original, err)
					}
				}
			}
		}
	}
}
