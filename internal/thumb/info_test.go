// SPDX-License-Identifier: MIT

package thumb

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/route"
)

// infoSites are a site of each scheme and layout that can have descriptions of
// originals, by the URI of that of d/a.jpg.
func infoSites() map[string]*Site {
	with := func(s *Site) *Site {
		presets := map[string]Preset{"s": {Transform: Transform{Width: 9, Height: 9, Method: Fit}, Formats: []Format{WebP}}}
		maps.Copy(presets, s.Presets)
		s.Presets, s.MaxWidth, s.MaxHeight, s.Formats = presets, 1000, 1000, ThumbnailFormats()
		s.Presets[InfoName] = InfoPreset()
		s.Together = []string{InfoName, "s"}
		return s
	}
	signature := strings.Repeat("0", signatureLength)
	return map[string]*Site{
		"/t/d/a.jpg/info_" + signature + ".json": with(&Site{Route: route.Route{Prefix: "/t/"}, Scheme: Signed}),
		"/p/info/d/a.jpg.json":                   with(&Site{Route: route.Route{Prefix: "/p/"}, Scheme: PresetScheme}),
		"/f/info/d/a.jpg.json":                   with(&Site{Route: route.Route{Prefix: "/f/"}, Scheme: PresetScheme, Factors: []int{75, 100}}),
		"/l/info/d/a.jpg.json":                   with(&Site{Route: route.Route{Prefix: "/l/"}, Scheme: PresetScheme, Layout: LiipLayout}),
		"/u/info/d/a.jpg.json":                   with(&Site{Route: route.Route{Prefix: "/u/"}, Scheme: PresetScheme, Layout: DrupalLayout}),
	}
}

// TestInfo reads the URI of a description, writes it again, and looks for it among the
// places of its original, folder and preset.
func TestInfo(t *testing.T) {
	want := InfoPreset().Transform
	want.Format = JSON
	for uri, s := range infoSites() {
		s.Enlarge, s.Metadata = true, AllMetadata
		got, err := s.Parse(uri)
		if err != nil {
			t.Errorf("%s: %v", uri, err)
			continue
		}
		if got.Original != "d/a.jpg" || got.URI() != uri {
			t.Errorf("%s is of %s, and again %s", uri, got.Original, got.URI())
		}
		if diff := cmp.Diff(want, got.Transform()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", uri, diff)
		}
		if list := got.Readings(); len(list) != 1 {
			t.Errorf("%s has the readings %v", uri, list)
		}
		if published, err := s.Published(uri); err != nil || published != got {
			t.Errorf("%s is published as %+v, %v", uri, published, err)
		}
		made, err := s.New(Wanted{Original: "d/a.jpg", Preset: InfoName})
		if made.Signature = got.Signature; err != nil || made.URI() != uri {
			t.Errorf("New gives %s, %v", made.URI(), err)
		}
		if places, ok := s.OfPreset(InfoName); ok && !covers(places, uri) {
			t.Errorf("%s is not among the places of its preset, %v", uri, places)
		}
		for what, places := range map[string][]Place{"original": s.OfOriginal("d/a.jpg"), "folder": s.Below("d")} {
			if !covers(places, uri) {
				t.Errorf("%s is not among the places of its %s, %v", uri, what, places)
			}
		}
		if covers(s.OfOriginal("d/b.jpg"), uri) {
			t.Errorf("%s is among the places of another original", uri)
		}
	}
}

// TestInfoIsNoPicture refuses the extensions of pictures for a description, and JSON
// for all else.
func TestInfoIsNoPicture(t *testing.T) {
	signature := "_" + strings.Repeat("0", signatureLength)
	for prefix, uris := range map[string]map[string]error{
		"/t/": {
			"d/a.jpg/info" + signature + ".jpg": ErrExtension, "d/a.jpg/s" + signature + ".json": ErrExtension,
			"d/a.jpg/9x9_fit" + signature + ".json": ErrExtension,
		},
		"/p/": {
			"info/d/a.jpg": ErrExtension, "info/d/a.jpg.webp": ErrExtension, "s/d/a.jpg.json": ErrExtension,
			"info/d/a.json": ErrNoOriginal, "info/a.jpg.JSON": ErrExtension, "info": ErrExtension,
		},
		"/f/": {"info/75/a.jpg": ErrExtension, "75/info/a.jpg.json": ErrUnknownPreset},
		"/u/": {"info/public/a.jpg": ErrExtension, "s/public/a.jpg.json": ErrExtension},
	} {
		for uri, s := range infoSites() {
			if !strings.HasPrefix(uri, prefix) {
				continue
			}
			for rest, want := range uris {
				if _, err := s.Parse(prefix + rest); !errors.Is(err, want) {
					t.Errorf("%s%s: %v, want %v", prefix, rest, err, want)
				}
			}
			delete(s.Presets, InfoName)
			if _, err := s.Parse(uri); err == nil {
				t.Errorf("%s is accepted on a site without info", uri)
			}
		}
	}
}

// TestInfoBringsOthers: a description brings the thumbnails of the presets that are made together, in the
// original's format and in their own, and these bring the description.
func TestInfoBringsOthers(t *testing.T) {
	for uri, s := range infoSites() {
		if len(s.Factors) > 0 {
			continue
		}
		formatsOf := func(t Thumb) (list []string) {
			for _, sibling := range t.Siblings() {
				list = append(list, sibling.Preset+"."+sibling.Ext)
			}
			slices.Sort(list)
			return list
		}
		description, err := s.Parse(uri)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"s.jpg", "s.webp"}, formatsOf(description)); diff != "" {
			t.Errorf("%s brings (-want +got):\n%s", uri, diff)
		}
		picture, err := s.New(Wanted{Original: "d/a.jpg", Preset: "s"})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"info.json", "s.webp"}, formatsOf(picture)); diff != "" {
			t.Errorf("%s brings (-want +got):\n%s", picture.URI(), diff)
		}
	}
}
