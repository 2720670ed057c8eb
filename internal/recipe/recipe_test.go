// SPDX-License-Identifier: MIT

package recipe

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/route"
	"thumbd/internal/thumb"
)

// site is one of a scheme, as the configuration makes it.
func site(scheme thumb.Scheme) *thumb.Site {
	return &thumb.Site{
		Route: route.Route{Name: "gallery", Prefix: "/t/"}, DocumentRoot: "/root", Scheme: scheme, Keys: [][]byte{[]byte("secret")},
		Formats: []thumb.Format{thumb.JPEG, thumb.PNG}, MaxWidth: 100, MaxHeight: 100,
		Quality: map[thumb.Format]int{thumb.JPEG: 82, thumb.WebP: 80, thumb.AVIF: 55},
		Presets: map[string]thumb.Preset{
			"s": {Transform: thumb.Transform{Width: 20, Height: 20, Method: thumb.Crop}, DPR: []int{2}, Widths: []int{10}},
			"q": {Transform: thumb.Transform{Width: 20, Height: 20, Method: thumb.Crop, Quality: 70}},
			"w": {Transform: thumb.Transform{Width: 20, Height: 20, Method: thumb.Crop, Watermark: thumb.Watermark{Name: "logo"}}},
		},
		Watermarks: map[string]thumb.Watermark{"logo": {Name: "logo", Opacity: 100, Position: thumb.SouthEast}},
	}
}

func whole(s *thumb.Site) *thumb.Site {
	s.Presets["o"] = thumb.Preset{Transform: thumb.Transform{Method: thumb.Original}}
	return s
}

var logo = map[string]string{"logo": "one"}

// names are what may be published of a site of a scheme, by short words.
func names(scheme thumb.Scheme) map[string]string {
	if scheme == thumb.PresetScheme {
		return map[string]string{
			"s": "/t/s/a.jpg", "s2": "/t/s@2x/a.jpg", "s10": "/t/s-10w/a.jpg", "q": "/t/q/a.jpg", "w": "/t/w/a.jpg", "o": "/t/o/a.jpg",
			"png": "/t/s/a.png", "webp": "/t/s/a.jpg.webp",
		}
	}
	signed := func(spec, ext string) string { return "/t/a.jpg/" + spec + "_" + strings.Repeat("0", 28) + "." + ext }
	return map[string]string{
		"s": signed("s", "jpg"), "s2": signed("s@2x", "jpg"), "s10": signed("s-10w", "jpg"), "q": signed("q", "jpg"), "w": signed("w", "jpg"),
		"own": signed("20x20_fit", "jpg"), "own q": signed("20x20_fit_q=70", "jpg"), "own w": signed("20x20_fit_watermark=logo", "jpg"),
		"v": signed("20x20_fit_v=1", "jpg"), "png": signed("20x20_fit", "png"), "webp": signed("20x20_fit", "jpg.webp"),
	}
}

func TestChangesAreOfWhatTheyMakeOtherwise(t *testing.T) {
	preset := func(name string, change func(*thumb.Preset)) func(*thumb.Site) {
		return func(s *thumb.Site) {
			p := s.Presets[name]
			change(&p)
			s.Presets[name] = p
		}
	}
	const all = "s s2 s10 q w o own own_q own_w v png webp"
	for name, tt := range map[string]struct {
		change func(*thumb.Site)
		marks  map[string]string
		want   string
	}{
		"nothing":                      {func(*thumb.Site) {}, nil, ""},
		"a preset's size":              {preset("s", func(p *thumb.Preset) { p.Transform.Width = 30 }), nil, "s s2 s10 png(p) webp(p)"},
		"a preset's quality":           {preset("q", func(p *thumb.Preset) { p.Transform.Quality = 71 }), nil, "q"},
		"a preset's quality by itself": {preset("q", func(p *thumb.Preset) { p.Transform.Quality = thumb.AutoQuality }), nil, "q"},
		"a preset's bytes":             {preset("q", func(p *thumb.Preset) { p.Transform.MaxBytes = 40960 }), nil, "q"},
		"a preset enlarging":           {preset("q", func(p *thumb.Preset) { p.Enlarge = thumb.Always }), nil, "q"},
		"a dpr less":                   {preset("s", func(p *thumb.Preset) { p.DPR = nil }), nil, "s2"},
		"a width less":                 {preset("s", func(p *thumb.Preset) { p.Widths = nil }), nil, "s10"},
		"a width more":                 {preset("q", func(p *thumb.Preset) { p.Widths = []int{3} }), nil, ""},
		"a dpr more":                   {preset("q", func(p *thumb.Preset) { p.DPR = []int{3} }), nil, ""},
		"another format":               {preset("q", func(p *thumb.Preset) { p.Formats = formats }), nil, ""},
		"no preset":                    {func(s *thumb.Site) { delete(s.Presets, "q") }, nil, "q"},
		"another preset":               {func(s *thumb.Site) { s.Presets["n"] = s.Presets["s"] }, nil, ""},
		"quality of JPEG":              {func(s *thumb.Site) { s.Quality[thumb.JPEG] = 60 }, nil, "s s2 s10 w own own_w v"},
		"quality of WebP":              {func(s *thumb.Site) { s.Quality[thumb.WebP] = 60 }, nil, "webp"},
		"enlarging":                    {func(s *thumb.Site) { s.Enlarge = true }, nil, strings.Replace(all, " o ", " ", 1)},
		"metadata":                     {func(s *thumb.Site) { s.Metadata = thumb.AllMetadata }, nil, strings.Replace(all, " o ", " ", 1)},
		"frames_over":                  {func(s *thumb.Site) { s.FramesOver = thumb.FirstFrame }, nil, "webp"},
		"another image":                {func(*thumb.Site) {}, map[string]string{"logo": "two"}, "w own_w"},
		"a watermark": {func(s *thumb.Site) {
			s.Watermarks["logo"] = thumb.Watermark{Name: "logo", Opacity: 50, Position: thumb.SouthEast}
		}, nil, "w own_w"},
		"another watermark": {func(s *thumb.Site) { s.Watermarks["n"] = thumb.Watermark{Name: "n"} }, nil, ""},
		"other formats":     {func(s *thumb.Site) { s.Formats = formats[:1] }, nil, ""},
		"other limits":      {func(s *thumb.Site) { s.MaxWidth, s.MaxHeight = 10, 10 }, nil, ""},
		"other keys":        {func(s *thumb.Site) { s.Keys = nil }, nil, ""},
	} {
		for _, scheme := range []thumb.Scheme{thumb.Signed, thumb.PresetScheme} {
			t.Run(name+" "+scheme.String(), func(t *testing.T) {
				before, now := site(scheme), site(scheme)
				if scheme == thumb.PresetScheme {
					before, now = whole(before), whole(now)
				}
				tt.change(now)
				marks := logo
				if tt.marks != nil {
					marks = tt.marks
				}
				checkChange(t, NewChange([]Settings{kept(t, Of(before, logo))}, Of(now, marks)), scheme, tt.want)
			})
		}
	}
}

// The default presets of a site without its own go with its first own one.
func TestPresetsThatHaveChanged(t *testing.T) {
	bare := &thumb.Site{Route: route.Route{Prefix: "/t/"}, Scheme: thumb.PresetScheme, Presets: thumb.DefaultPresets()}
	for name, tt := range map[string]struct {
		before, now *thumb.Site
		change      func(*thumb.Site)
		want        []string
	}{
		"none":     {site(thumb.Signed), site(thumb.Signed), func(*thumb.Site) {}, nil},
		"new":      {site(thumb.Signed), site(thumb.Signed), func(s *thumb.Site) { s.Presets["n"] = s.Presets["s"] }, nil},
		"renamed":  {site(thumb.Signed), site(thumb.Signed), func(s *thumb.Site) { s.Presets["n"] = s.Presets["s"]; delete(s.Presets, "s") }, []string{"s"}},
		"dpr":      {site(thumb.Signed), site(thumb.Signed), func(s *thumb.Site) { s.Presets["s"] = thumb.Preset{Transform: s.Presets["s"].Transform} }, []string{"s"}},
		"defaults": {bare, site(thumb.PresetScheme), func(*thumb.Site) {}, []string{"icon", "large", "medium", "small", "thumb", "xlarge"}},
	} {
		tt.change(tt.now)
		if got := NewChange([]Settings{kept(t, Of(tt.before, nil))}, Of(tt.now, nil)).Presets(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// kept returns s as a tree has kept it.
func kept(t *testing.T, s Settings) Settings {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "secret") {
		t.Errorf("keys are kept: %s", b)
	}
	var again Settings
	if err := json.Unmarshal(b, &again); err != nil {
		t.Fatal(err)
	}
	if !Equal(s, again) {
		t.Errorf("kept as %s, and not the same", b)
	}
	return again
}

// checkChange checks that c is of those of the scheme's names that words say,
// (p) only in the preset scheme.
func checkChange(t *testing.T, c Change, scheme thumb.Scheme, words string) {
	t.Helper()
	there := names(scheme)
	want := []string{}
	for _, word := range strings.Fields(words) {
		word, only := strings.CutSuffix(word, "(p)")
		word = strings.ReplaceAll(word, "_", " ")
		if _, ok := there[word]; ok && (!only || scheme == thumb.PresetScheme) {
			want = append(want, word)
		}
	}
	if scheme == thumb.PresetScheme && words == "w own_w" {
		want = []string{"w"}
	}
	got := []string{}
	for _, word := range slices.Sorted(maps.Keys(there)) {
		if c.Of(there[word]) {
			got = append(got, word)
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	if !c.Any() && len(got) > 0 {
		t.Error("Any does not know of it")
	}
	checkFolders(t, c, there)
}

// checkFolders checks that what has changed is in the folders, and what has
// not in none that goes as a whole.
func checkFolders(t *testing.T, c Change, names map[string]string) {
	t.Helper()
	folders, ok := c.Folders()
	for word, name := range names {
		if !ok {
			break
		}
		i := slices.IndexFunc(folders, func(f Folder) bool { return strings.HasPrefix(name, f.Name+"/") })
		if c.Of(name) && i < 0 || !c.Of(name) && i >= 0 && folders[i].Whole {
			t.Errorf("%s, changed: %v, folders %v", word, c.Of(name), folders)
		}
	}
}

// What several configurations have made is of none of them for sure.
func TestChangeFromSeveral(t *testing.T) {
	a, b := site(thumb.Signed), site(thumb.Signed)
	b.Quality[thumb.JPEG] = 60
	c := NewChange([]Settings{Of(a, logo), Of(b, logo)}, Of(a, logo))
	checkChange(t, c, thumb.Signed, "s s2 s10 w own own_w v")
}

// Of a scheme that is another one nothing is left.
func TestAnotherSchemeChangesAll(t *testing.T) {
	c := NewChange([]Settings{Of(site(thumb.Signed), logo)}, Of(site(thumb.PresetScheme), logo))
	if _, ok := c.Folders(); ok || !c.Any() {
		t.Errorf("folders: %v, any: %v", ok, c.Any())
	}
	for word, name := range names(thumb.Signed) {
		if !c.Of(name) {
			t.Errorf("%s is left", word)
		}
	}
}

func TestFactorsAreFollowed(t *testing.T) {
	with := func(factors ...int) Settings {
		s := site(thumb.PresetScheme)
		s.Factors = factors
		return Of(s, logo)
	}
	for _, tt := range []struct {
		before, now Settings
		name        string
		want        bool
	}{
		{with(100, 75), with(100), "/t/s/75/a.jpg", true},
		{with(100, 75), with(100), "/t/s/100/a.jpg", false},
		{with(100), with(100, 75), "/t/s/100/a.jpg", false},
		{with(), with(100), "/t/s/a.jpg", true},
		{with(), with(75), "/t/s/75/a.jpg", true},
		{with(100), with(), "/t/s/100/a.jpg", true},
	} {
		c := NewChange([]Settings{kept(t, tt.before)}, tt.now)
		if got := c.Of(tt.name); got != tt.want || got && !c.Any() {
			t.Errorf("%s: %v, any %v; want %v", tt.name, got, c.Any(), tt.want)
		}
		checkFolders(t, c, map[string]string{tt.name: tt.name})
	}
}

// A changed preset's folder is the same whatever lies between it and the
// originals, and another layout is a change.
func TestLayouts(t *testing.T) {
	with := func(l thumb.Layout, width int) Settings {
		s := site(thumb.PresetScheme)
		s.Layout = l
		s.Presets = map[string]thumb.Preset{
			"My_Thumb": {Transform: thumb.Transform{Width: width, Height: 9, Method: thumb.Fit}},
			"same":     {Transform: thumb.Transform{Width: 9, Height: 9, Method: thumb.Fit}},
		}
		return Of(s, nil)
	}
	for _, l := range []thumb.Layout{thumb.PresetLayout, thumb.LiipLayout, thumb.DrupalLayout} {
		before, now := with(l, 9), with(l, 10)
		var read Settings
		text, err := json.Marshal(before)
		if err == nil {
			err = json.Unmarshal(text, &read)
		}
		if err != nil || !Equal(before, read) {
			t.Errorf("%v: %s is read as other settings: %v", l, text, err)
		}
		c := NewChange([]Settings{read}, now)
		folders, ok := c.Folders()
		want := []Folder{{now.site.Prefix + "My_Thumb", true}}
		if !ok || !cmp.Equal(folders, want) || !c.Any() {
			t.Errorf("%v: %v, %v, want %v", l, folders, ok, want)
		}
	}
	c := NewChange([]Settings{with(thumb.PresetLayout, 9)}, with(thumb.DrupalLayout, 9))
	folders, ok := c.Folders()
	if !c.Any() || !ok || len(folders) != 2 {
		t.Errorf("another layout changes %v, %v", folders, ok)
	}
}
