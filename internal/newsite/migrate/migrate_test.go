// SPDX-License-Identifier: MIT

package migrate

import (
	"errors"
	"fmt"
	"image"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/geometry"
	"thumbd/internal/newsite"
	"thumbd/internal/thumb"
)

func TestLiip(t *testing.T) {
	got, err := Read("testdata/liip.yaml")
	if err != nil {
		t.Fatal(err)
	}
	webp := []string{"webp"}
	want := Settings{
		Layout: thumb.LiipLayout, Prefix: "/media/thumbs/", Quality: map[string]int{"jpg": 100, "webp": 100},
		Presets: []newsite.Preset{
			{Name: "my_thumb", Size: "120x90", Method: "crop", Uncovered: "axes", Quality: 75, Formats: webp, Frames: 1},
			{Name: "Wide_2", Size: "600x", Method: "fit", Formats: webp},
			{Name: "padded", Size: "30x20", Method: "pad", Background: "ffeedd", Formats: webp, Frames: 1},
			{Name: "banner", Size: "900x90", Method: "crop", Enlarge: true, Formats: webp, Frames: 1},
			{Name: "exact", Size: "40x30", Method: "stretch", Formats: webp, Frames: 1},
		},
		Lost: []string{
			`liip.yaml:9: filter set "cache": nothing in it gives a size`,
			`liip.yaml:21: filter set "gray": a gray picture on a ground with a color has no equal`,
			`liip.yaml:40: filter set "collage": paste has no equal`,
			`liip.yaml:43: filter set "free": thumbnail with a free side has no equal: Liip rounds it down`,
			`liip.yaml:47: filter set "twice": downscale is a second change of the size, which has no equal`,
			`liip.yaml:49: filter set "late": auto_rotate after a change of the size has no equal`,
			`liip.yaml:51: filter set "frame": background but for the size of the thumbnail or downscale before it has no equal`,
			`liip.yaml:54: filter set "optimized": "post_processors" has no equal`,
			`liip.yaml:57: filter set "elsewhere": data_loader "remote" may have other URLs or originals, which have no equal`,
			`liip.yaml:60: filter set "option": thumbnail: "filter" has no equal`,
			`liip.yaml:61: filter set "a b/c": its name can't be a preset's: want a name of at most 166 letters, digits, _ and -, not beginning with -`,
			`liip.yaml:63: filter set "resolve": its name begins the URLs that are redirected`,
			`liip.yaml:65: filter set "hero-320w": its name can't be a preset's: ends as the widths of a preset do (hero-320w is hero at that width); choose another name, or give a preset these widths`,
		},
		Remarks: []string{
			`liip.yaml:10: filter set "my_thumb": WebP is of quality 75, as JPEG is, and not of 100`,
			`liip.yaml:20: filter set "Wide_2": interlace has no equal: the picture is the same, but is not shown while it loads`,
			`liip.yaml:15: filter set "Wide_2": it has no auto_rotate, and thumbd turns a picture as its EXIF orientation says; the same holds for all such sets`,
			`liip.yaml:67: "when@dev" is not read`,
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestDrupal(t *testing.T) {
	got, err := Read("testdata/image.style.large.yml", "testdata/image.style.2_squares.yml", "testdata/image.style.rotated.yml")
	if err != nil {
		t.Fatal(err)
	}
	want := Settings{
		Layout: thumb.DrupalLayout, Prefix: "/sites/default/files/styles/", Quality: map[string]int{"jpg": 75},
		Presets: []newsite.Preset{
			{Name: "large", Size: "480x480", Method: "fit", Formats: []string{"avif", "webp"}, Frames: 1},
			{Name: "2_squares", Size: "180x180", Method: "crop", Gravity: "southwest", Enlarge: true, Gray: true, Quality: 60, Frames: 1},
		},
		Lost: []string{`image.style.rotated.yml:3: style "rotated": "image_rotate" has no equal`},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestDrupalEffectsWithoutWeight(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.yml")
	write(t, file, "name: a\neffects:\n    u: { id: image_desaturate, weight: 1 }\n    v: { id: image_desaturate }\n"+
		"    w: { id: image_resize, weight: 0, data: { width: 1, height: 1 } }\n    x: { id: image_desaturate, weight: 2 }\n")
	got, err := Read(file)
	want := []string{`a.yml:4: style "a": an effect without a weight has no equal`}
	if diff := cmp.Diff(want, got.Lost); err != nil || diff != "" || len(got.Presets) != 0 {
		t.Errorf("%+v, %v, -want +got:\n%s", got.Presets, err, diff)
	}
}

func TestWordPress(t *testing.T) {
	file := filepath.Join(t.TempDir(), "sizes.json")
	write(t, file, `{"thumbnail":{"width":150,"height":"150","crop":true},
"medium_large":{"width":768,"height":0,"crop":false}, "2048x2048":{"width":2048,"height":2048,"crop":false},
"banner top":{"width":1600,"height":400,"crop":["left","top"]},
"tall":{"width":400,"height":9999,"crop":0}, "blog-300w":{"width":300,"height":0,"crop":false},
"none":{"width":0,"height":0,"crop":false},
"odd":{"width":10,"height":10,"crop":["left","up"]},
"banner+top":{"width":1600,"height":400,"crop":"1"}}`)
	got, err := Read(file)
	if err != nil {
		t.Fatal(err)
	}
	want := Settings{
		Layout: thumb.WordPressLayout, Prefix: "/wp-content/uploads/",
		Presets: []newsite.Preset{
			{Name: "thumbnail", Size: "150x150", Method: "crop"}, {Name: "medium_large", Size: "768x", Method: "fit"},
			{Name: "2048x2048", Size: "2048x2048", Method: "fit"}, {Name: "banner_top", Size: "1600x400", Method: "crop", Gravity: "northwest"},
			{Name: "tall", Size: "400x9999", Method: "fit"}, {Name: "blog_300w", Size: "300x", Method: "fit"},
		},
		Lost: []string{
			`sizes.json:5: size "none": width 0 and height 0 have no equal`,
			`sizes.json:6: size "odd": crop [left up] has no equal`,
			`sizes.json:7: size "banner+top": another size has the name "banner_top"`,
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for name, text := range map[string]string{"cut off": `{"a":{"width":1`, "no object": `{"a":1}`, "no text": `{"a":{"width":1,"height":1},}`} {
		write(t, file, text)
		if _, err := Read(file); !errors.Is(err, ErrSettings) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A filter or effect gives a preset with the size of the other system's result, or
// none.
func TestSizesAreThoseOfTheOtherSystem(t *testing.T) {
	text, err := os.ReadFile("../../geometry/testdata/dims.tsv")
	if err != nil {
		t.Fatal(err)
	}
	equal, lost := 0, 0
	for line := range strings.Lines(string(text)) {
		row := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		// The other system fails for some originals of a few pixels: "error".
		if strings.HasPrefix(line, "#") || strings.Trim(row[3], "0123456789x") != "" {
			continue
		}
		name, options, _ := strings.Cut(row[2], " ")
		file := filepath.Join(t.TempDir(), "x.yaml")
		settings := ""
		switch row[0] {
		case "liip":
			settings = "filter_sets: { x: { filters: { " + name + ": " + options + " } } }"
		case "drupal":
			settings = "name: x\neffects: { u: { id: " + name + ", weight: 0, data: " + options + " } }"
		default:
			continue
		}
		write(t, file, settings)
		m, err := Read(file)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		// A background of its own has an equal for small originals alone.
		if known := row[4] != "-" && name != "background"; known != (len(m.Presets) == 1) {
			t.Errorf("%s: %+v", line, m)
		}
		if len(m.Presets) == 0 {
			lost++
			continue
		}
		equal++
		var original image.Point
		if _, err := fmt.Sscanf(row[1], "%dx%d", &original.X, &original.Y); err != nil {
			t.Fatal(err)
		}
		p, err := geometry.New(original, transform(t, m), image.Pt(1<<20, 1<<20))
		if got := fmt.Sprintf("%dx%d", p.Canvas.X, p.Canvas.Y); err != nil || got != row[3] {
			t.Errorf("%s of %s: %s, %v, want %s", row[2], row[1], got, err, row[3])
		}
	}
	if equal < 50 || lost < 15 {
		t.Errorf("%d filters with an equal, %d without, which are too few", equal, lost)
	}
}

// transform returns that of the one preset of m, as a configuration has it.
func transform(t *testing.T, m Settings) thumb.Transform {
	t.Helper()
	added, err := newsite.Add(filepath.Join(t.TempDir(), "thumbd.toml"), newsite.Site{
		Name: "a", Prefix: m.Prefix, DocumentRoot: "/srv/tree", Originals: "/srv/originals",
		Scheme: "preset", Layout: m.Layout.String(), Quality: m.Quality, Presets: m.Presets,
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	s := &added.Site.Thumb
	thumbnail, err := s.New(thumb.Wanted{Original: "a.jpg", Preset: m.Presets[0].Name})
	if err != nil {
		t.Fatal(err)
	}
	return thumbnail.Transform()
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestReadRefuses(t *testing.T) {
	const style = "name: a\neffects: {}\n"
	bomb := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 8 {
		bomb += fmt.Sprintf("a%d: &a%d [%s*a%d]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d, ", i), 9), i)
	}
	for name, tt := range map[string]struct{ text, want string }{
		"no YAML":             {"a: [", "line 1"},
		"no mapping":          {"- a\n", "it is no mapping"},
		"nothing":             {"", "it is no mapping"},
		"another program":     {"services: { a: b }\n", "no liip_imagine"},
		"a tag":               {"a: b\nfilter_sets: { a: !php/object x }\n", `line 2: the tag "!php/object"`},
		"a tag of a key":      {"? !x a\n: b\n", "a key that is no text"},
		"a key twice":         {"filter_sets:\n    a: ~\n    a: ~\n", `"a" is there twice`},
		"aliases":             {bomb, "more than 20000 values"},
		"an alias of its own": {"a: &a [*a]\n", "values, or 40 levels"},
		"depth":               {strings.Repeat("a: {", 60) + strings.Repeat("}", 60), "values, or 40 levels"},
		"size":                {style + strings.Repeat("#", mostBytes), "more than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "x.yaml")
			write(t, file, tt.text)
			_, err := Read(file)
			if !errors.Is(err, ErrSettings) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	for _, files := range [][]string{
		{"testdata/liip.yaml", "testdata/liip.yaml"},
		{"testdata/image.style.large.yml", "testdata/liip.yaml"},
	} {
		if _, err := Read(files...); !errors.Is(err, ErrSettings) {
			t.Errorf("%q: got %v", files, err)
		}
	}
	if _, err := Read("testdata/none.yaml"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
