// SPDX-License-Identifier: MIT

package clients

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// presets are those of the site, as the packages take them.
var presets = map[string]map[string]any{
	"hero":  {"size": "160x90", "method": "crop", "widths": []int{96, 40, 160}},
	"fit":   {"size": "100x100", "method": "fit", "widths": []int{50, 100}},
	"card":  {"size": "60x40", "method": "smart", "dpr": []int{2}},
	"wide":  {"size": "90x", "method": "fit", "widths": []int{30, 89, 200}},
	"boxed": {"size": "48x48", "method": "pad", "dpr": []int{2}},
}

// described is an original with the part of its description that a page needs.
type described struct {
	Original  string `json:"-"`
	Width     int    `json:"width"`
	Height    int    `json:"height"`
	ThumbHash string `json:"thumbhash"`
}

// shown is a picture that a page shows, in the options of the packages.
type shown struct {
	Original    string    `json:"original"`
	Preset      string    `json:"preset"`
	Alt         string    `json:"alt"`
	Info        described `json:"info"`
	Lazy        bool      `json:"lazy"`
	Placeholder bool      `json:"placeholder"`
}

// TestPicturesOfAllLanguages has the picture elements of originals in all presets from
// thumbd picture and from each package, which write the same to the byte. Each entry of
// each srcset is answered with a picture of exactly the width that it claims.
func TestPicturesOfAllLanguages(t *testing.T) {
	dir := originals(t)
	site := kit.Gallery(t, dir)
	site.TOML = "info = true\n" + presetTables()
	r := kit.Start(t, rig.Options{Sites: []rig.Site{site}, TOML: "[limits]\nrender_time = \"1m\"\nqueue_time = \"2m\"\n"})
	all := describe(t, r)
	if n := kit.Times(5, 30); len(all) != n {
		t.Fatalf("%d originals, want %d", len(all), n)
	}
	var cases []shown
	var want []string
	for i, o := range all {
		for j, preset := range slices.Sorted(maps.Keys(presets)) {
			x := shown{Original: o.Original, Preset: preset, Alt: "of " + o.Original, Info: o, Lazy: j%2 == 0, Placeholder: (i+j)%5 == 0}
			cases, want = append(cases, x), append(want, element(t, r, x))
		}
	}
	for language, got := range everyLanguage(t, cases) {
		for i := range want {
			if len(got) != len(want) || got[i] != want[i] {
				t.Errorf("%s: %d elements, that of %+v is\n%s, want\n%s", language, len(got), cases[i], got[min(i, len(got)-1)], want[i])
				break
			}
		}
	}
	// The files of an original from one decode: what is not there is made when it is asked
	// for.
	kit.Warm(t, kit.WarmCommand(t, r, true, "gallery"), 0)
	for i, x := range want {
		parts := partPattern.FindAllStringSubmatch(x, -1)
		if len(parts) < 2 {
			t.Errorf("%+v: no source in %s", cases[i], x)
		}
		for _, part := range parts {
			format := strings.TrimPrefix(part[1], "image/")
			if format == "" {
				format = own(cases[i].Original)
			}
			kit.EachEntry(t, r, format, html.UnescapeString(part[2]))
		}
	}
}

var partPattern = regexp.MustCompile(`<(?:source type="([^"]*)"|img src="[^"]*") srcset="([^"]*)"`)

// own returns the format of the img element of an original.
func own(original string) string {
	ext := strings.TrimPrefix(path.Ext(original), ".")
	if slices.Contains([]string{"png", "webp", "gif", "avif"}, ext) {
		return ext
	}
	return "jpeg"
}

func presetTables() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(presets)) {
		p := presets[name]
		fmt.Fprintf(&b, "[site.gallery.preset.%s]\nformats = [\"avif\", \"webp\"]\n", name)
		for _, key := range slices.Sorted(maps.Keys(p)) {
			// JSON of texts and lists of numbers is TOML.
			value, _ := json.Marshal(p[key])
			fmt.Fprintf(&b, "%s = %s\n", key, value)
		}
	}
	return b.String()
}

// describe returns what thumbd info --ndjson prints.
func describe(t *testing.T, r *rig.Rig) (all []described) {
	t.Helper()
	out, err := kit.Thumbd(t, "info", "--ndjson", "--admin", r.AdminPath(), "gallery")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for line := range strings.Lines(out) {
		var name struct{ Original string }
		var o described
		aid.Must(t, json.Unmarshal([]byte(line), &name), json.Unmarshal([]byte(line), &o))
		o.Original = name.Original
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b described) int { return strings.Compare(a.Original, b.Original) })
	return all
}

// element returns what thumbd picture prints.
func element(t *testing.T, r *rig.Rig, x shown) string {
	t.Helper()
	args := []string{"picture", "-c", kit.ConfigFile(r), "gallery", x.Original, x.Preset, "--alt", x.Alt}
	if x.Lazy {
		args = append(args, "--lazy")
	}
	if x.Placeholder {
		args = append(args, "--placeholder")
	} else {
		args = append(args, "--original-size", fmt.Sprintf("%dx%d", x.Info.Width, x.Info.Height))
	}
	out, err := kit.Thumbd(t, args...)
	if err != nil {
		t.Fatalf("%v: %v: %s", args, err, out)
	}
	return out
}

// everyLanguage returns the elements that each package writes.
func everyLanguage(t *testing.T, cases []shown) map[string][]string {
	t.Helper()
	options := map[string]any{"prefix": "/thumbs/", "scheme": "signed", "key": kit.Key, "presets": map[string]any{}}
	for name, p := range presets {
		p := maps.Clone(p)
		p["formats"] = []string{"avif", "webp"}
		options["presets"].(map[string]any)[name] = p
	}
	given, err := json.Marshal(map[string]any{"options": options, "cases": cases})
	aid.Must(t, err)
	module := t.TempDir()
	program, err := os.ReadFile("testdata/pictures.go")
	aid.Must(t, err)
	kit.Put(t, filepath.Join(module, "main.go"), program)
	kit.Put(t, filepath.Join(module, "go.mod"), fmt.Appendf(nil, "module pictures\ngo 1.24\nrequire thumbd/clients/go v0.0.0\nreplace thumbd/clients/go => %s\n", folder(t)+"/go"))
	all := make(map[string][]string)
	for language, args := range map[string][]string{
		"npm": {"node", "testdata/pictures.mjs"}, "python": {"/usr/bin/python3", "testdata/pictures.py"},
		"php": {"php", "testdata/pictures.php"}, "ruby": {"ruby", "testdata/pictures.rb"}, "go": {"go", "run", "-C", module, "."},
	} {
		cmd := exec.CommandContext(t.Context(), args[0], append(args[1:], folder(t))...)
		var out, errs bytes.Buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(given), &out, &errs
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s: %v: %s", language, err, errs.String())
		}
		var elements []string
		aid.Must(t, json.Unmarshal(out.Bytes(), &elements))
		all[language] = elements
	}
	return all
}

// originals returns a folder of originals: of each kind one, and in a campaign more, of
// sizes around those of the presets.
func originals(t *testing.T) string {
	t.Helper()
	files := map[string]string{
		"d & é/100% 'a+b,c'.jpg": "originals/tests/orientation/6.jpg",
		"drawing.png":            "originals/tests/made/alpha.png",
		"dandelion.heic":         "originals/tests/made/dandelion.heic",
		"spin.gif":               "originals/tests/made/spin.gif",
	}
	if *kit.Campaign {
		for _, name := range []string{"brook", "brushes", "dogs", "drum", "fig", "mountains", "sunset"} {
			files[name+".jpg"] = "originals/photos/" + name + ".jpg"
		}
		files["p3.JPEG"] = "originals/tests/made/p3.jpg"
		files["dandelion.webp"] = "originals/tests/made/dandelion.webp"
		files["dandelion.avif"] = "originals/tests/made/dandelion.avif"
	}
	dir := kit.Folder(t, files)
	sizes := []image.Point{{X: 41, Y: 39}, {X: 1, Y: 1}, {X: 3, Y: 200}, {X: 200, Y: 3}, {X: 90, Y: 160}, {X: 89, Y: 31}, {X: 160, Y: 90}, {X: 159, Y: 91},
		{X: 320, Y: 17}, {X: 48, Y: 96}, {X: 100, Y: 101}, {X: 61, Y: 40}, {X: 400, Y: 300}, {X: 199, Y: 401}, {X: 7, Y: 5}, {X: 1000, Y: 999}}
	for i, size := range sizes[:kit.Times(1, len(sizes))] {
		var b bytes.Buffer
		m := image.NewPaletted(image.Rectangle{Max: size}, color.Palette{color.White, color.Black, color.RGBA{200, 20, 20, 255}})
		for j := range m.Pix {
			m.Pix[j] = uint8(j / 3 % 3)
		}
		ext := []string{"jpg", "png", "gif"}[i%3]
		switch ext {
		case "jpg":
			aid.Must(t, jpeg.Encode(&b, m, nil))
		case "png":
			aid.Must(t, png.Encode(&b, m))
		case "gif":
			aid.Must(t, gif.Encode(&b, m, nil))
		}
		kit.Put(t, filepath.Join(dir, "made", strconv.Itoa(size.X)+"-"+strconv.Itoa(size.Y)+"."+ext), b.Bytes())
	}
	return dir
}
