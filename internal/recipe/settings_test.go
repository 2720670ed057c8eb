// SPDX-License-Identifier: MIT

package recipe

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/route"
	"thumbd/internal/thumb"
)

// full returns a site in which each setting that a picture can depend on has a value.
func full() *thumb.Site {
	return &thumb.Site{
		Route: route.Route{Name: "gallery", Prefix: "/t/"}, DocumentRoot: "/root", Scheme: thumb.PresetScheme, Layout: thumb.DrupalLayout,
		Presets: map[string]thumb.Preset{
			"all": {
				Transform: thumb.Transform{
					Width: 200, Height: 150, Method: thumb.Crop, Gravity: thumb.NorthEast, Focus: thumb.NewFocus(3000, 6250), Uncovered: thumb.Axes,
					DPR: 2, Quality: 70, MaxBytes: 4096, Format: thumb.JPEG, Background: thumb.NewColor(0, 255, 128), Blur: 30, Sharpen: 100, Gray: true,
					Frames: 1, Watermark: thumb.Watermark{Name: "logo", Opacity: 50, Position: thumb.South, Scale: 25},
					Enlarge: true, Metadata: thumb.CopyrightMetadata, FramesOver: thumb.FirstFrame, Variant: true, MinSaving: 10, Measure: true, Info: true,
				},
				DPR: []int{2, 3}, Widths: []int{320, 640}, Formats: []thumb.Format{thumb.WebP}, Enlarge: thumb.Never, Rank: 4,
			},
			"least": {Transform: thumb.Transform{Width: 1, Method: thumb.Scale}},
		},
		Watermarks: map[string]thumb.Watermark{"logo": {Name: "logo", Opacity: 50, Position: thumb.SouthEast, Scale: 25}, "plain": {Name: "plain"}},
		Factors:    []int{50, 100}, Enlarge: true, Quality: map[thumb.Format]int{thumb.JPEG: 82, thumb.AVIF: thumb.AutoQuality},
		Metadata: thumb.AllMetadata, FramesOver: thumb.FirstFrame,
		Variants: thumb.VariantRules{MaxWidth: 2560, MaxHeight: 1440, MinSaving: 10},
		Formats:  thumb.ThumbnailFormats(), MaxWidth: math.MaxInt, MaxHeight: math.MaxInt,
	}
}

// settings.json keeps its bytes: if a name in it changes, or the text of a value, every
// thumbnail of every tree is purged. A field that is new in package thumb needs a
// decision: add it to full, and if it is written, to the golden file. Values that old
// files lack must be left out if they are zero.
func TestSettingsKeepTheirText(t *testing.T) {
	unset := func(v any) (names []string) {
		for f, value := range reflect.ValueOf(v).Fields() {
			if value.IsZero() {
				names = append(names, f.Name)
			}
		}
		return names
	}
	site := full()
	all := site.Presets["all"]
	for name, v := range map[string]any{"preset": all, "transform": all.Transform, "watermark": all.Transform.Watermark, "variants": site.Variants} {
		if fields := unset(v); fields != nil {
			t.Errorf("%s: no value for %q", name, fields)
		}
	}
	zero := &thumb.Site{Scheme: thumb.Signed}
	for path, s := range map[string]Settings{
		"testdata/settings.json": Of(site, map[string]string{"logo": "checksum"}).Stamped(),
		"testdata/zero.json":     Of(zero, nil),
	} {
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want = bytes.TrimSuffix(want, []byte("\n"))
		got, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
		}
		var read Settings
		if err := json.Unmarshal(want, &read); err != nil {
			t.Fatal(err)
		}
		if !Equal(read, s) {
			t.Errorf("%s is read as other settings", path)
		}
		if d := cmp.Diff(s.site, read.site); d != "" {
			t.Errorf("%s (-written +read):\n%s", path, d)
		}
		if read.mtime != s.mtime || !cmp.Equal(read.marks, s.marks) {
			t.Errorf("%s: mtime %d, marks %v", path, read.mtime, read.marks)
		}
	}
}
