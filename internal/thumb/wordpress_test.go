// SPDX-License-Identifier: MIT

package thumb_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"thumbd/internal/route"
	"thumbd/internal/thumb"
)

// wordpressSites are sites of the layout wordpress in both schemes, and one of
// another layout in the same server.
func wordpressSites() []*thumb.Site {
	preset := func(w, h int, m thumb.Method, rank int) thumb.Preset {
		return thumb.Preset{Transform: thumb.Transform{Width: w, Height: h, Method: m}, Rank: rank}
	}
	sizes := map[string]thumb.Preset{
		"thumbnail": preset(150, 150, thumb.Crop, 0), "medium": preset(300, 300, thumb.Fit, 1), "medium_large": preset(768, 0, thumb.Fit, 2),
		"hero": preset(1600, 900, thumb.Attention, 3), "tall": preset(0, 250, thumb.Fit, 4), "wide": preset(9999, 400, thumb.Fit, 5),
	}
	site := func(name, prefix string, scheme thumb.Scheme) *thumb.Site {
		return &thumb.Site{
			Route: route.Route{Name: name, Prefix: prefix}, DocumentRoot: "/srv", Scheme: scheme, Layout: thumb.WordPressLayout,
			Formats: []thumb.Format{thumb.JPEG, thumb.PNG, thumb.WebP, thumb.GIF}, MaxWidth: 4096, MaxHeight: 4096, Presets: sizes,
		}
	}
	inPlace := site("in", "/in/", thumb.InPlace)
	inPlace.Formats, inPlace.Negotiate = all, thumb.Variants()
	return []*thumb.Site{site("wp", "/wp-content/uploads/", thumb.PresetScheme), inPlace, layoutSites()[0]}
}

// wordpressURIs are request targets and what they name, SITE FORMAT, and SIZE of
// ORIGINAL for each reading. No size: it is the original of that name.
var wordpressURIs = []struct {
	raw  string
	want string
	err  error
}{
	{"/wp-content/uploads/2024/05/a-300x200.jpg", "wp jpg 300x200 of 2024/05/a.jpg", nil},
	{"/wp-content/uploads/a-300x200.jpg", "wp jpg 300x200 of a.jpg", nil},
	{"/wp-content/uploads/a-300x200.jpg?ver=6.1", "wp jpg 300x200 of a.jpg", nil},
	{"/wp-content/uploads/a-300x200.jpg?ssl=1&w=400", "wp jpg 300x200 of a.jpg", nil},
	{"/wp-content/uploads/a-300x200.jpg#top", "wp jpg 300x200 of a.jpg", nil},
	{"/wp-content/uploads/a-150x150.png", "wp png 150x150 of a.png", nil},
	{"/wp-content/uploads/a-150x99.gif", "wp gif 150x99 of a.gif", nil},
	{"/wp-content/uploads/a-99x150.webp", "wp webp 99x150 of a.webp", nil},
	{"/wp-content/uploads/A-300x200.JPG", "wp jpg 300x200 of A.JPG", nil},
	{"/wp-content/uploads/a-300x200.jpeg", "wp jpg 300x200 of a.jpeg", nil},
	{"/wp-content/uploads/a-300x200.jpe", "wp jpg 300x200 of a.jpe", nil},
	{"/wp-content/uploads/a-768x4096.jpg", "wp jpg 768x4096 of a.jpg", nil},
	{"/wp-content/uploads/a-375x250.jpg", "wp jpg 375x250 of a.jpg", nil},
	{"/wp-content/uploads/a-1600x37.jpg", "wp jpg 1600x37 of a.jpg", nil},
	{"/wp-content/uploads/a-2000x400.jpg", "wp jpg 2000x400 of a.jpg", nil},
	{"/wp-content/uploads/a-scaled.jpg", "wp jpg scaled of a.jpg", nil},
	{"/wp-content/uploads/a-scaled.PNG", "wp png scaled of a.PNG", nil},
	{"/wp-content/uploads/a-scaled-300x200.jpg", "wp jpg 300x200 of a-scaled.jpg", nil},
	{"/wp-content/uploads/a-300x200-150x150.jpg", "wp jpg 150x150 of a-300x200.jpg", nil},
	{"/wp-content/uploads/a-300x200-scaled.jpg", "wp jpg scaled of a-300x200.jpg", nil},
	{"/wp-content/uploads/a-1-300x200.jpg", "wp jpg 300x200 of a-1.jpg", nil},
	{"/wp-content/uploads/a--300x200.jpg", "wp jpg 300x200 of a-.jpg", nil},
	{"/wp-content/uploads/a.b.c-300x200.jpg", "wp jpg 300x200 of a.b.c.jpg", nil},
	{"/wp-content/uploads/a.png-300x200.jpg", "wp jpg 300x200 of a.png.jpg", nil},
	{"/wp-content/uploads/sites/3/2024/05/a-300x200.jpg", "wp jpg 300x200 of sites/3/2024/05/a.jpg", nil},
	{"/wp-content/uploads/2024-05/a-300x200.jpg", "wp jpg 300x200 of 2024-05/a.jpg", nil},
	{"/wp-content/uploads/a-300x200/b-150x150.jpg", "wp jpg 150x150 of a-300x200/b.jpg", nil},
	{"/wp-content/uploads/a%20b-300x200.jpg", "wp jpg 300x200 of a b.jpg", nil},
	{"/wp-content/uploads/%C3%A4-300x200.jpg", "wp jpg 300x200 of ä.jpg", nil},
	{"/wp-content/uploads/ä-300x200.jpg", "wp jpg 300x200 of ä.jpg", nil},
	{"/wp-content/uploads/a%2Fb-300x200.jpg", "wp jpg 300x200 of a/b.jpg", nil},
	{"/wp-content/uploads/a-300%78200.jpg", "wp jpg 300x200 of a.jpg", nil},
	{"/wp-content/uploads/a%2D300x200.jpg", "wp jpg 300x200 of a.jpg", nil},
	{"/wp-content/uploads/100%25-300x200.jpg", "wp jpg 300x200 of 100%.jpg", nil},
	{"/wp-content/uploads/a%3Fb-300x200.jpg", "wp jpg 300x200 of a?b.jpg", nil},
	{"/wp-content/uploads/a%0A-300x200.jpg", "wp jpg 300x200 of a\n.jpg", nil},
	{"/wp-content//uploads///a-300x200.jpg", "wp jpg 300x200 of a.jpg", nil},
	{"/wp-content/uploads/./x/../a-300x200.jpg", "wp jpg 300x200 of a.jpg", nil},
	{"/wp-content/uploads/%2e%2e/uploads/a-300x200.jpg", "wp jpg 300x200 of a.jpg", nil},
	// Sizes that no preset can give, whatever the original is.
	{"/wp-content/uploads/a-301x200.jpg", "", thumb.ErrUnknownPreset},
	{"/wp-content/uploads/a-300x301.jpg", "", thumb.ErrUnknownPreset},
	{"/wp-content/uploads/a-9999x401.jpg", "", thumb.ErrUnknownPreset},
	{"/wp-content/uploads/a-99999x99999.jpg", "", thumb.ErrUnknownPreset},
	{"/wp-content/uploads/a-1x1.jpg", "", thumb.ErrUnknownPreset},
	{"/wp-content/uploads/a-768x4097.jpg", "", thumb.ErrUnknownPreset},
	// No sizes.
	{"/wp-content/uploads/a.jpg", "", thumb.ErrUnknownPreset},
	{"/wp-content/uploads/a-300x.jpg", "", thumb.ErrUnknownPreset},
	{"/wp-content/uploads/a-x200.jpg", "", thumb.ErrUnknownPreset},
	{"/wp-content/uploads/a-0x250.jpg", "", thumb.ErrUnknownPreset},
	{"/wp-content/uploads/a-0300x200.jpg", "", thumb.ErrUnknownPreset},
	{"/wp-content/uploads/a-+300x200.jpg", "", thumb.ErrUnknownPreset},
	{"/wp-content/uploads/a-300X200.jpg", "", thumb.ErrUnknownPreset},
	{"/wp-content/uploads/a-300x200x1.jpg", "", thumb.ErrUnknownPreset},
	{"/wp-content/uploads/a_300x200.jpg", "", thumb.ErrUnknownPreset},
	{"/wp-content/uploads/a300x200.jpg", "", thumb.ErrUnknownPreset},
	{"/wp-content/uploads/300x200.jpg", "", thumb.ErrUnknownPreset},
	{"/wp-content/uploads/-300x200.jpg", "", thumb.ErrUnknownPreset},
	{"/wp-content/uploads/x/-300x200.jpg", "", thumb.ErrUnknownPreset},
	{"/wp-content/uploads/a-300x200", "", thumb.ErrUnknownPreset},
	{"/wp-content/uploads/a-300x200.", "", thumb.ErrUnknownPreset},
	{"/wp-content/uploads/a-scaled", "", thumb.ErrUnknownPreset},
	{"/wp-content/uploads/a-rotated.jpg", "", thumb.ErrUnknownPreset},
	{"/wp-content/uploads/a-Scaled.jpg", "", thumb.ErrUnknownPreset},
	{"/wp-content/uploads/a-300x200.jpg.webp", "", thumb.ErrUnknownPreset},
	{"/wp-content/uploads/a-300x200.avif", "", thumb.ErrExtension},
	{"/wp-content/uploads/a-300x200.svg", "", thumb.ErrExtension},
	{"/wp-content/uploads/a-300x200.php", "", thumb.ErrExtension},
	{"/wp-content/uploads/a-300x200.jpg/", "", thumb.ErrName},
	{"/wp-content/uploads/.a-300x200.jpg", "", thumb.ErrName},
	{"/wp-content/uploads/.git/a-300x200.jpg", "", thumb.ErrName},
	{"/wp-content/uploads/a%00-300x200.jpg", "", thumb.ErrName},
	{"/wp-content/uploads/../../../etc/a-300x200.jpg", "", thumb.ErrName},
	{"/wp-content/uploads/../a-300x200.jpg", "", thumb.ErrNoSite},
	{"/wp-content/plugins/a-300x200.jpg", "", thumb.ErrNoSite},
	// In place each name may be an original's.
	{"/in/a.jpg", "in none of a.jpg", nil},
	{"/in/a.pdf", "in none of a.pdf", nil},
	{"/in/a-300x200.jpg", "in jpg of a-300x200.jpg, 300x200 of a.jpg", nil},
	{"/in/x/a-scaled.gif", "in gif of x/a-scaled.gif, scaled of x/a.gif", nil},
	{"/in/a-301x200.jpg", "in none of a-301x200.jpg", nil},
	{"/in/a-300x200.svg", "in none of a-300x200.svg", nil},
	{"/in/a-300x200-150x150.jpg?v=3", "in jpg of a-300x200-150x150.jpg, 150x150 of a-300x200.jpg", nil},
	// One layout's URIs below the prefix of the other.
	{"/media/cache/thumb/a-300x200.jpg", "liip jpg of thumb/a-300x200.jpg", nil},
	{"/media/cache/a-300x200.jpg", "", thumb.ErrExtension},
	{"/wp-content/uploads/thumb/public/a.jpg", "", thumb.ErrUnknownPreset},
}

func TestWordPressURIs(t *testing.T) {
	uploads := 0
	for _, tt := range wordpressURIs {
		if strings.HasPrefix(tt.raw, "/wp-content/uploads/") {
			uploads++
		}
		got, err := wordpressRead(tt.raw)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %q, %v, want %q, %v", tt.raw, got, err, tt.want, tt.err)
		}
	}
	if uploads < 60 {
		t.Errorf("%d URIs are not 60", uploads)
	}
}

// wordpressRead returns what a request target names, in the words of wordpressURIs.
func wordpressRead(raw string) (string, error) {
	uri, err := thumb.Normalize(raw)
	if err != nil {
		return "", err
	}
	site, ok := route.Find(wordpressSites(), func(s *thumb.Site) *route.Route { return &s.Route }, "", uri)
	if !ok {
		return "", thumb.ErrNoSite
	}
	u, err := site.Parse(uri)
	if err != nil {
		return "", err
	}
	if site.Layout == thumb.LiipLayout {
		return site.Name + " " + u.Spec.Format.String() + " of " + u.Preset + "/" + u.Original, nil
	}
	var format string
	var names []string
	for _, r := range u.Readings() {
		if back := r.URI(); back != uri {
			return "", errors.New(uri + " is formatted as " + back)
		}
		format = r.Spec.Format.String()
		names = append(names, strings.TrimPrefix(r.Size+" of "+r.Original, " "))
		if of := site.OfOriginal(r.Original); r.Sized() && !placed(of, uri) {
			return "", errors.New(uri + " is none of the places of " + r.Original)
		}
		if site.Scheme == thumb.InPlace && !placed(site.OfOriginal(r.Original), uri+".webp") && site.Negotiates(uri, thumb.WebP) {
			return "", errors.New(uri + ".webp is none of the places of " + r.Original)
		}
	}
	return site.Name + " " + format + " " + strings.Join(names, ", "), nil
}

// placed reports whether a file is at one of places.
func placed(places []thumb.Place, name string) bool {
	return slices.ContainsFunc(places, func(p thumb.Place) bool {
		file, ok := strings.CutPrefix(name, p.Name+"/")
		return ok && p.Holds(file)
	})
}

// The sizes of an original are not taken for those of another one.
func TestPlacesOfSizes(t *testing.T) {
	for _, site := range wordpressSites()[:2] {
		p := site.OfOriginal("2024/a.jpg")
		for _, name := range []string{"a-300x200.png", "b-300x200.jpg", "a-1-300x200.jpg", "a-300x200-150x150.jpg", "ab-300x200.jpg", "a-300x200.jpg.txt", "a.png", "x/a-300x200.jpg"} {
			if placed(p, site.Prefix+"2024/"+name) {
				t.Errorf("%s: %s is among the places of a.jpg", site.Name, name)
			}
		}
		if below := site.Below("2024"); !placed(below, site.Prefix+"2024/a-300x200.jpg") {
			t.Errorf("%s: %+v", site.Name, below)
		}
	}
}

// A published name has the format of its file.
func TestPublishedSizes(t *testing.T) {
	sites := wordpressSites()
	for _, tt := range []struct {
		site *thumb.Site
		name string
		want string // FORMAT SIZE ORIGINAL of each reading
	}{
		{sites[0], "a-300x200.jpg", "jpg 300x200 a.jpg"},
		{sites[0], "a.jpg", ""},
		{sites[0], "a-300x200.jpg.webp", "webp 300x200 a.jpg"},
		{sites[1], "a-300x200.jpg", "jpg 300x200 a.jpg"},
		{sites[1], "a-300x200.jpg.avif", "avif  a-300x200.jpg, avif 300x200 a.jpg"},
		{sites[1], "a.jpg.avif", "avif  a.jpg"},
		{sites[1], "a-301x200.jpg.avif", "avif  a-301x200.jpg"},
		{sites[1], "a.jpg", ""},
	} {
		got, err := tt.site.Published(tt.site.Prefix + tt.name)
		var readings []string
		if err == nil {
			for _, r := range got.Readings() {
				readings = append(readings, r.Spec.Format.String()+" "+r.Size+" "+r.Original)
			}
		}
		if text := strings.Join(readings, ", "); text != tt.want {
			t.Errorf("%s of %s: %q, %v, want %q", tt.name, tt.site.Name, text, err, tt.want)
		}
	}
}

func TestNewOfSizes(t *testing.T) {
	for _, site := range wordpressSites()[:2] {
		u, err := site.New(thumb.Wanted{Original: "x/a.jpg", Size: "300x200"})
		if err != nil || u.URI() != site.Prefix+"x/a-300x200.jpg" {
			t.Errorf("%s: %+v, %v", site.Name, u, err)
		}
		if _, err := site.New(thumb.Wanted{Original: "x/a.jpg", Size: "300x200", Method: "crop"}); !errors.Is(err, thumb.ErrMalformed) {
			t.Errorf("%s: %v", site.Name, err)
		}
		if _, err := site.New(thumb.Wanted{Original: "x/a.jpg", Preset: "medium"}); !errors.Is(err, thumb.ErrMalformed) {
			t.Errorf("%s: %v", site.Name, err)
		}
	}
}
