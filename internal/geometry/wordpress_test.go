// SPDX-License-Identifier: MIT

package geometry

import (
	"fmt"
	"image"
	"os"
	"strings"
	"testing"

	"thumbd/internal/route"
	"thumbd/internal/thumb"
)

// Sizes are those of WordPress' own rule, and a plan of a thumbnail has exactly the
// size that its name says.
func TestWordPressSizes(t *testing.T) {
	text, err := os.ReadFile("testdata/wordpress.txt")
	if err != nil {
		t.Fatal(err)
	}
	rows, made := 0, 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		rows++
		var original, box image.Point
		var method, want string
		if _, err := fmt.Sscanf(line, "%d %d %s %d %d %s", &original.X, &original.Y, &method, &box.X, &box.Y, &want); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		// WordPress makes no picture without pixels either.
		if strings.HasPrefix(want, "0x") || strings.HasSuffix(want, "x0") {
			want = "-"
		}
		size, ok := WordPress(original, box, method == "crop")
		got := fmt.Sprintf("%dx%d", size.X, size.Y)
		if !ok {
			got = "-"
		}
		if got != want {
			t.Errorf("%s of %v in %v: %s, want %s", method, original, box, got, want)
		}
		if !ok {
			continue
		}
		made++
		s := sizesOnly(thumb.Preset{Transform: thumb.Transform{Width: box.X, Height: box.Y, Method: methodOf(t, method)}})
		parsed, err := s.Parse("/u/a-" + want + ".jpg")
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		resolved, ok := Resolve(parsed, original)
		p, err := New(original, resolved.Transform(), image.Pt(1<<20, 1<<20))
		if !ok || err != nil || p.Canvas != size || p.Enlarges() {
			t.Errorf("%s: %+v, %t, %v, want %v", line, p, ok, err, size)
		}
	}
	if rows < 2200 || made < 750 {
		t.Errorf("%d rows, %d with a size, which are too few", rows, made)
	}
}

func methodOf(t *testing.T, name string) (m thumb.Method) {
	t.Helper()
	if err := m.UnmarshalText([]byte(name)); err != nil {
		t.Fatal(err)
	}
	return m
}

func sizesOnly(presets ...thumb.Preset) *thumb.Site {
	s := &thumb.Site{
		Route: route.Route{Prefix: "/u/"}, DocumentRoot: "/srv", Scheme: thumb.PresetScheme, Layout: thumb.WordPressLayout,
		Formats: thumb.ThumbnailFormats(), MaxWidth: 100_000, MaxHeight: 100_000, Presets: make(map[string]thumb.Preset),
	}
	for i, p := range presets {
		p.Rank = i
		s.Presets[fmt.Sprintf("p%d", i)] = p
	}
	return s
}

// A size is that of the last preset which gives it for this original, and of none if
// the box alone would do.
func TestResolve(t *testing.T) {
	preset := func(w, h int, m thumb.Method, g thumb.Gravity) thumb.Preset {
		return thumb.Preset{Transform: thumb.Transform{Width: w, Height: h, Method: m, Gravity: g}}
	}
	s := sizesOnly(
		preset(150, 150, thumb.Crop, thumb.Center),
		preset(300, 300, thumb.Fit, thumb.Center),
		preset(150, 150, thumb.Crop, thumb.North),
		preset(300, 200, thumb.Attention, thumb.Center),
	)
	for _, tt := range []struct {
		size     string
		original image.Point
		preset   string // "-": none
	}{
		{"150x150", image.Pt(3000, 2000), "p2"},
		{"300x200", image.Pt(3000, 2000), "p3"},
		{"200x300", image.Pt(2000, 3000), "p1"},
		{"150x100", image.Pt(3000, 100), "p2"},
		{"150x100", image.Pt(3000, 2000), "-"},
		{"300x300", image.Pt(3000, 2000), "-"},
		{"300x300", image.Pt(3000, 3000), "p1"},
		{"300x300", image.Pt(300, 300), "-"},
		{"scaled", image.Pt(3000, 2000), ""},
		{"scaled", image.Pt(2560, 2000), "-"},
		{"scaled", image.Pt(2561, 1707), "-"},
	} {
		parsed, err := s.Parse("/u/2024/a-" + tt.size + ".png")
		if err != nil {
			t.Fatal(err)
		}
		got, ok := Resolve(parsed, tt.original)
		if !ok {
			got.Preset = "-"
		}
		if got.Preset != tt.preset {
			t.Errorf("%s of %v: preset %q, want %q", tt.size, tt.original, got.Preset, tt.preset)
		}
		if ok && got.URI() != parsed.URI() {
			t.Errorf("%s: the URI is %s", tt.size, got.URI())
		}
	}
	parsed, err := s.Parse("/u/a-scaled.jpg")
	if err != nil {
		t.Fatal(err)
	}
	got, ok := Resolve(parsed, image.Pt(5000, 1000))
	if tr := got.Transform(); !ok || tr.Width != 2560 || tr.Height != 512 || tr.Method != thumb.Stretch {
		t.Errorf("scaled: %+v, %t", tr, ok)
	}
	s.MaxWidth = 2000
	if _, ok := Resolve(parsed, image.Pt(5000, 1000)); ok {
		t.Error("a thumbnail is larger than the site's limit")
	}
}
