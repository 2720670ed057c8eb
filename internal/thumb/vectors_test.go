// SPDX-License-Identifier: MIT

package thumb_test

import (
	"encoding/json"
	"errors"
	"os"
	"testing"

	"thumbd/internal/thumb"
)

func TestPresetVectors(t *testing.T) {
	b, err := os.ReadFile("../../testdata/vectors/preset.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Vectors []struct {
			URI                string
			Formats, Negotiate []thumb.Format
			Original, Format   string
			Status             int
			Before, Moved, Why string
		}
	}
	if err := json.Unmarshal(b, &v); err != nil || len(v.Vectors) == 0 {
		t.Fatalf("%d vectors, %v", len(v.Vectors), err)
	}
	for _, x := range v.Vectors {
		site := presetSite()
		site.Prefix, site.Formats, site.Negotiate = "/thumbs/", all, x.Negotiate
		site.Presets = map[string]thumb.Preset{"card": {
			Transform: thumb.Transform{Width: 9, Height: 9, Method: thumb.Fit}, Formats: x.Formats,
		}}
		got, err := site.Parse(x.URI)
		if x.Status != 0 {
			if !errors.Is(err, thumb.ErrExtension) {
				t.Errorf("%s (%s): %v of %q, %v, want status %d", x.URI, x.Why, got.Spec.Format, got.Original, err, x.Status)
			}
			continue
		}
		if err != nil || got.Original != x.Original || got.Spec.Format.String() != x.Format || got.URI() != x.URI {
			t.Errorf("%s (%s): %v of %q, %v, want %s of %q", x.URI, x.Why, got.Spec.Format, got.Original, err, x.Format, x.Original)
		}
		moved := ""
		if now, ok := got.Moved(); ok {
			moved = now.URI()
			if now.Original != x.Before || now.Spec.Format != got.Spec.Format {
				t.Errorf("%s (%s): moved to %v of %q, want %s of %q", x.URI, x.Why, now.Spec.Format, now.Original, x.Format, x.Before)
			}
		}
		if moved != x.Moved {
			t.Errorf("%s (%s): moved to %q, want %q", x.URI, x.Why, moved, x.Moved)
		}
		again, err := site.New(thumb.Wanted{Original: x.Original, Preset: "card", Ext: x.Format})
		if err != nil || again.URI() != x.URI {
			t.Errorf("New(%q as %s) = %s, %v; want %s", x.Original, x.Format, again.URI(), err, x.URI)
		}
	}
}
