// SPDX-License-Identifier: MIT

package thumb_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/route"
	"thumbd/internal/thumb"
)

var longName = strings.Repeat("long_Name-", 16) + "123456" // 166 bytes

// layoutSites are a site of each layout in one server.
func layoutSites() []*thumb.Site {
	box := thumb.Transform{Width: 40, Height: 30, Method: thumb.Fit}
	site := func(name, prefix string, layout thumb.Layout) *thumb.Site {
		return &thumb.Site{
			Route: route.Route{Name: name, Prefix: prefix}, DocumentRoot: "/srv", Scheme: thumb.PresetScheme, Layout: layout,
			Formats: all, MaxWidth: 4096, MaxHeight: 4096,
			Presets: map[string]thumb.Preset{
				"thumb": {Transform: box}, "My_Thumb-2": {Transform: box}, "_2x": {Transform: box}, "1200": {Transform: box},
				"public": {Transform: box}, "rc": {Transform: box}, longName: {Transform: box},
				"webp":   {Transform: box, Formats: []thumb.Format{thumb.WebP}, DPR: []int{2}},
				"modern": {Transform: box, Formats: []thumb.Format{thumb.AVIF, thumb.WebP, thumb.JPEG}},
			},
		}
	}
	liip := site("liip", "/media/cache/", thumb.LiipLayout)
	drupal := site("drupal", "/sites/default/files/styles/", thumb.DrupalLayout)
	negotiated := site("negotiated", "/sites/n/files/styles/", thumb.DrupalLayout)
	negotiated.Negotiate = []thumb.Format{thumb.WebP}
	return []*thumb.Site{liip, drupal, negotiated}
}

// layoutURIs are request targets and what they name: the site, the preset and the
// originals of the thumbnail's readings in their order, the format; or a redirect;
// or the error.
var layoutURIs = []struct {
	raw, want string
	err       error
}{
	// The layout liip.
	{"/media/cache/thumb/a.jpg", "liip thumb jpg a.jpg", nil},
	{"/media/cache/thumb/uploads/2024/a.jpg", "liip thumb jpg uploads/2024/a.jpg", nil},
	{"/media/cache/thumb/a.JPEG", "liip thumb jpg a.JPEG", nil},
	{"/media/cache/thumb/a.png", "liip thumb png a.png", nil},
	{"/media/cache/thumb/a.gif", "liip thumb gif a.gif", nil},
	{"/media/cache/thumb/a.webp", "liip thumb webp a.webp", nil},
	{"/media/cache/thumb/a.avif", "liip thumb avif a.avif", nil},
	{"/media/cache/My_Thumb-2/a.jpg", "liip My_Thumb-2 jpg a.jpg", nil},
	{"/media/cache/_2x/a.jpg", "liip _2x jpg a.jpg", nil},
	{"/media/cache/1200/a.jpg", "liip 1200 jpg a.jpg", nil},
	{"/media/cache/public/a.jpg", "liip public jpg a.jpg", nil},
	{"/media/cache/" + longName + "/a.jpg", "liip " + longName + " jpg a.jpg", nil},
	{"/media/cache/%6dy_Thumb-2/a.jpg", "", thumb.ErrUnknownPreset},
	{"/media/cache/%4dy_Thumb%2D2/a.jpg", "liip My_Thumb-2 jpg a.jpg", nil},
	{"/media/cache/my_thumb-2/a.jpg", "", thumb.ErrUnknownPreset},
	{"/media/cache/other/a.jpg", "", thumb.ErrUnknownPreset},
	{"/media/cache/thumb@2x/a.jpg", "", thumb.ErrUnknownPreset},
	{"/media/cache/webp@2x/a.jpg", "liip webp@2x jpg a.jpg", nil},
	{"/media/cache/thumb/a.jpg?v=3", "liip thumb jpg a.jpg", nil},
	{"/media/cache/thumb/a.jpg?", "liip thumb jpg a.jpg", nil},
	{"/media/cache/thumb/a.jpg?/../../x.png", "liip thumb jpg a.jpg", nil},
	{"/media/cache/thumb/a.jpg?filters%5Bthumbnail%5D%5Bsize%5D=50&_hash=x", "liip thumb jpg a.jpg", nil},
	{"/media/cache/thumb/a%3Fv=3.jpg", "liip thumb jpg a?v=3.jpg", nil},
	{"/media/cache/thumb/a%20b%25.jpg", "liip thumb jpg a b%.jpg", nil},
	{"/media/cache/thumb/a+b.jpg", "liip thumb jpg a+b.jpg", nil},
	{"/media/cache/thumb/%C3%BCber/%E7%8C%AB.png", "liip thumb png über/猫.png", nil},
	{"/media/cache/thumb/%FF.png", "liip thumb png \xff.png", nil},
	{"/media/cache/thumb/a%2Fb.jpg", "liip thumb jpg a/b.jpg", nil},
	{"/media/cache//thumb//a.jpg", "liip thumb jpg a.jpg", nil},
	{"/media/./cache/thumb/x/../a.jpg", "liip thumb jpg a.jpg", nil},
	{"/media/cache/thumb/a.jpg#b", "liip thumb jpg a.jpg", nil},
	{"/media/cache/webp/a.jpg.webp", "liip webp webp a.jpg", nil},
	{"/media/cache/webp/a.webp.webp", "liip webp webp a.webp.webp", nil},
	{"/media/cache/modern/a.jpg.avif", "liip modern avif a.jpg", nil},
	{"/media/cache/thumb/a.jpg.webp", "liip thumb webp a.jpg.webp", nil},
	{"/media/cache/thumb/a.jpg.jpg", "liip thumb jpg a.jpg.jpg", nil},
	{"/media/cache/resolve/thumb/a.jpg", "302 /media/cache/thumb/a.jpg", nil},
	{"/media/cache/resolve/thumb/uploads/a.jpg", "302 /media/cache/thumb/uploads/a.jpg", nil},
	{"/media/cache/resolve/My_Thumb-2/a%20b.jpg", "302 /media/cache/My_Thumb-2/a b.jpg", nil},
	{"/media/cache/resolve/webp/a.jpg.webp", "302 /media/cache/webp/a.jpg.webp", nil},
	{"/media/cache/resolve/thumb/a.jpg?v=3", "302 /media/cache/thumb/a.jpg", nil},
	{"/media/cache/resolve/thumb//a.jpg", "302 /media/cache/thumb/a.jpg", nil},
	{"/media/cache/resolve/thumb/a%0D%0Ab.jpg", "302 /media/cache/thumb/a\r\nb.jpg", nil},
	{"/media/cache/resolve/other/a.jpg", "", thumb.ErrUnknownPreset},
	{"/media/cache/resolve/resolve/thumb/a.jpg", "", thumb.ErrUnknownPreset},
	{"/media/cache/resolve/thumb/a.bmp", "", thumb.ErrExtension},
	{"/media/cache/resolve/thumb/.a.jpg", "", thumb.ErrName},
	{"/media/cache/resolve/thumb/", "", thumb.ErrName},
	{"/media/cache/resolve", "", thumb.ErrExtension},
	{"/media/cache/resolve/a.jpg", "", thumb.ErrExtension},
	{"/media/cache/resolve/thumb/../../../../etc/passwd.png", "", thumb.ErrNoSite},
	{"/media/cache/Resolve/thumb/a.jpg", "", thumb.ErrUnknownPreset},
	{"/media/cache/resolve/../thumb/a.jpg", "liip thumb jpg a.jpg", nil},
	{"/media/cache/thumb/resolve/a.jpg", "liip thumb jpg resolve/a.jpg", nil},
	{"/media/cache/thumb/rc/Xz12Ab9_/a.jpg", "liip thumb jpg rc/Xz12Ab9_/a.jpg", nil},
	{"/media/cache/thumb/../../../etc/passwd", "", thumb.ErrNoSite},
	{"/media/cache/thumb/%2e%2e/%2e%2e/%2e%2e/%2e%2e/a.jpg", "", thumb.ErrName},
	{"/media/cache/thumb/..%2fother/a.jpg", "", thumb.ErrUnknownPreset},
	{"/media/cache/thumb/.hidden/a.jpg", "", thumb.ErrName},
	{"/media/cache/.thumbd/a.jpg", "", thumb.ErrName},
	{"/media/cache/thumb/a%00.jpg", "", thumb.ErrName},
	{"/media/cache/thumb/a%zz.jpg", "", thumb.ErrEscape},
	{"/media/cache/thumb/" + strings.Repeat("a", 252) + ".jpg", "", thumb.ErrName},
	{"/media/cache/thumb/", "", thumb.ErrName},
	{"/media/cache/thumb", "", thumb.ErrExtension},
	{"/media/cache/a.jpg", "", thumb.ErrExtension},
	{"/media/cache/thumb/a", "", thumb.ErrExtension},
	{"/media/cache/thumb/a.svg", "", thumb.ErrExtension},
	{"/media/cache/thumb/a.php", "", thumb.ErrExtension},
	{"/media/cached/thumb/a.jpg", "", thumb.ErrNoSite},

	// The layout drupal.
	{"/sites/default/files/styles/thumb/public/a.jpg", "drupal thumb jpg a.jpg", nil},
	{"/sites/default/files/styles/thumb/public/2024-01/a.jpg?itok=Ab_-9xYz", "drupal thumb jpg 2024-01/a.jpg", nil},
	{"/sites/default/files/styles/thumb/public/a.jpg?itok=wrong", "drupal thumb jpg a.jpg", nil},
	{"/sites/default/files/styles/thumb/public/a.jpg?h=56d0ca2e&itok=Ab_-9xYz", "drupal thumb jpg a.jpg", nil},
	{"/sites/default/files/styles/thumb/public/a.jpg?itok=a/../../b.png", "drupal thumb jpg a.jpg", nil},
	{"/sites/default/files/styles/thumb/public/a%3Fitok=x.jpg", "drupal thumb jpg a?itok=x.jpg", nil},
	{"/sites/default/files/styles/thumb/public/a.JPEG", "drupal thumb jpg a.JPEG", nil},
	{"/sites/default/files/styles/thumb/public/a.png", "drupal thumb png a.png", nil},
	{"/sites/default/files/styles/thumb/public/a.gif", "drupal thumb gif a.gif", nil},
	{"/sites/default/files/styles/thumb/public/a.webp", "drupal thumb webp a.webp", nil},
	{"/sites/default/files/styles/My_Thumb-2/public/a.jpg", "drupal My_Thumb-2 jpg a.jpg", nil},
	{"/sites/default/files/styles/_2x/public/a.jpg", "drupal _2x jpg a.jpg", nil},
	{"/sites/default/files/styles/1200/public/a.jpg", "drupal 1200 jpg a.jpg", nil},
	{"/sites/default/files/styles/public/public/a.jpg", "drupal public jpg a.jpg", nil},
	{"/sites/default/files/styles/" + longName + "/public/a.jpg", "drupal " + longName + " jpg a.jpg", nil},
	{"/sites/default/files/styles/webp@2x/public/a.jpg", "drupal webp@2x jpg a.jpg", nil},
	{"/sites/default/files/styles/%74humb/%70ublic/a.jpg", "drupal thumb jpg a.jpg", nil},
	{"/sites/default/files/styles/thumb%2Fpublic%2Fa.jpg", "drupal thumb jpg a.jpg", nil},
	{"/sites/default/files/styles//thumb//public//a.jpg", "drupal thumb jpg a.jpg", nil},
	{"/sites/default/files/styles/thumb/./public/x/../a.jpg", "drupal thumb jpg a.jpg", nil},
	{"/sites/default/files/styles/thumb/public/a%20b%25.jpg", "drupal thumb jpg a b%.jpg", nil},
	{"/sites/default/files/styles/thumb/public/%C3%BC.png", "drupal thumb png ü.png", nil},
	{"/sites/default/files/styles/thumb/public/public/a.jpg", "drupal thumb jpg public/a.jpg", nil},
	{"/sites/default/files/styles/thumb/public/styles/thumb/public/a.jpg", "drupal thumb jpg styles/thumb/public/a.jpg", nil},
	// An appended extension, of which the whole name wins.
	{"/sites/default/files/styles/webp/public/a.jpg.webp", "drupal webp webp a.jpg.webp a.jpg", nil},
	{"/sites/default/files/styles/webp/public/x/a.PNG.webp?itok=x", "drupal webp webp x/a.PNG.webp x/a.PNG", nil},
	{"/sites/default/files/styles/webp@2x/public/a.jpg.webp", "drupal webp@2x webp a.jpg.webp a.jpg", nil},
	{"/sites/default/files/styles/webp/public/a.webp", "drupal webp webp a.webp", nil},
	{"/sites/default/files/styles/webp/public/a.webp.webp", "drupal webp webp a.webp.webp", nil},
	{"/sites/default/files/styles/webp/public/a.WEBP.webp", "drupal webp webp a.WEBP.webp a.WEBP", nil},
	{"/sites/default/files/styles/webp/public/a.jpg.WEBP", "drupal webp webp a.jpg.WEBP", nil},
	{"/sites/default/files/styles/webp/public/a.jpg.png.webp", "drupal webp webp a.jpg.png.webp a.jpg.png", nil},
	{"/sites/default/files/styles/webp/public/a.heic.webp", "drupal webp webp a.heic.webp a.heic", nil},
	{"/sites/default/files/styles/webp/public/a.txt.webp", "drupal webp webp a.txt.webp", nil},
	{"/sites/default/files/styles/webp/public/a.jpg.png", "drupal webp png a.jpg.png", nil},
	{"/sites/default/files/styles/thumb/public/a.jpg.webp", "drupal thumb webp a.jpg.webp", nil},
	{"/sites/default/files/styles/modern/public/a.jpg.avif", "drupal modern avif a.jpg.avif a.jpg", nil},
	{"/sites/default/files/styles/modern/public/a.jpg.webp", "drupal modern webp a.jpg.webp a.jpg", nil},
	{"/sites/default/files/styles/modern/public/a.png.jpg", "drupal modern jpg a.png.jpg a.png", nil},
	{"/sites/default/files/styles/modern/public/a.JPG.jpg", "drupal modern jpg a.JPG.jpg a.JPG", nil},
	{"/sites/default/files/styles/modern/public/a.jpg.jpeg", "drupal modern jpg a.jpg.jpeg a.jpg", nil},
	{"/sites/default/files/styles/modern/public/a.jpg.jpg", "drupal modern jpg a.jpg.jpg", nil},
	{"/sites/n/files/styles/webp/public/a.jpg.webp", "negotiated webp webp a.jpg", nil},
	{"/sites/n/files/styles/thumb/public/a.jpg.webp", "", thumb.ErrExtension},
	{"/sites/n/files/styles/modern/public/a.png.jpg", "negotiated modern jpg a.png.jpg a.png", nil},
	// Refused.
	{"/sites/default/files/styles/thumb/private/a.jpg", "", thumb.ErrUnknownPreset},
	{"/sites/default/files/styles/thumb/Public/a.jpg", "", thumb.ErrUnknownPreset},
	{"/sites/default/files/styles/thumb/public", "", thumb.ErrUnknownPreset},
	{"/sites/default/files/styles/thumb/public/", "", thumb.ErrName},
	{"/sites/default/files/styles/thumb/publica.jpg", "", thumb.ErrUnknownPreset},
	{"/sites/default/files/styles/thumb/a.jpg", "", thumb.ErrUnknownPreset},
	{"/sites/default/files/styles/public/a.jpg", "", thumb.ErrUnknownPreset},
	{"/sites/default/files/styles/other/public/a.jpg", "", thumb.ErrUnknownPreset},
	{"/sites/default/files/styles/resolve/thumb/public/a.jpg", "", thumb.ErrUnknownPreset},
	{"/sites/default/files/styles/thumb@2x/public/a.jpg", "", thumb.ErrUnknownPreset},
	{"/sites/default/files/styles/thumb/public/a.svg", "", thumb.ErrExtension},
	{"/sites/default/files/styles/thumb/public/a.php", "", thumb.ErrExtension},
	{"/sites/default/files/styles/thumb/public/a", "", thumb.ErrExtension},
	{"/sites/default/files/styles/thumb/public/.htaccess.jpg", "", thumb.ErrName},
	{"/sites/default/files/styles/thumb/public/../../a.jpg", "", thumb.ErrUnknownPreset},
	{"/sites/default/files/styles/thumb/public/../../../private/a.jpg", "", thumb.ErrNoSite},
	{"/sites/default/files/styles/thumb/public/%2e%2e/public/a.jpg", "drupal thumb jpg a.jpg", nil},
	{"/sites/default/files/styles/../../../../../etc/a.jpg", "", thumb.ErrName},
	{"/sites/default/files/styles/thumb/public/a%00.jpg", "", thumb.ErrName},
	{"/sites/default/files/a.jpg", "", thumb.ErrNoSite},
	{"/system/files/styles/thumb/private/a.jpg", "", thumb.ErrNoSite},
	// One system's URIs below the prefix of the other.
	{"/media/cache/thumb/public/a.jpg", "liip thumb jpg public/a.jpg", nil},
	{"/sites/default/files/styles/thumb/public/resolve/thumb/a.jpg", "drupal thumb jpg resolve/thumb/a.jpg", nil},
}

func TestLayouts(t *testing.T) {
	counts := make(map[string]int)
	for _, tt := range layoutURIs {
		counts[strings.Split(tt.raw, "/")[1]]++
		got, err := layoutRead(tt.raw)
		if got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%s: %q, %v, want %q, %v", tt.raw, got, err, tt.want, tt.err)
		}
	}
	if counts["media"] < 60 || counts["sites"] < 60 {
		t.Errorf("%v URIs are not 60 of each layout", counts)
	}
}

// layoutRead returns what a request target names, in the words of layoutURIs.
func layoutRead(raw string) (string, error) {
	uri, err := thumb.Normalize(raw)
	if err != nil {
		return "", err
	}
	site, ok := route.Find(layoutSites(), func(s *thumb.Site) *route.Route { return &s.Route }, "", uri)
	if !ok {
		return "", thumb.ErrNoSite
	}
	u, err := site.Parse(uri)
	if to, ok := errors.AsType[thumb.Elsewhere](err); ok {
		return "302 " + to.URI, nil
	}
	if err != nil {
		return "", err
	}
	if back := u.URI(); back != uri {
		return "", errors.New(uri + " is formatted as " + back)
	}
	preset := u.Preset
	if u.Spec.DPR > 0 {
		preset += "@2x"
	}
	text := site.Name + " " + preset + " " + u.Spec.Format.String()
	for _, r := range u.Readings() {
		if r.URI() != uri {
			return "", errors.New(uri + " is formatted as " + r.URI())
		}
		if !cmp.Equal(r.Readings(), u.Readings()) {
			return "", errors.New(uri + " has other readings if " + r.Original + " exists")
		}
		text += " " + r.Original
	}
	return text, nil
}

// Of several originals a URI names, the first that exists is the thumbnail's.
func TestReading(t *testing.T) {
	u, err := layoutSites()[1].Parse("/sites/default/files/styles/webp/public/a.jpg.webp")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ there, want string }{
		{"a.jpg a.jpg.webp", "a.jpg.webp"}, {"a.jpg.webp", "a.jpg.webp"}, {"a.jpg", "a.jpg"}, {"", "a.jpg"},
	} {
		there := strings.Fields(tt.there)
		got := u.Reading(func(name string) bool {
			for _, s := range there {
				if s == name {
					return true
				}
			}
			return false
		})
		if got.Original != tt.want {
			t.Errorf("with %q: %s, want %s", tt.there, got.Original, tt.want)
		}
	}
}

// A purge of an original looks at every file that may be of it.
func TestPlacesOfLayouts(t *testing.T) {
	for _, tt := range layoutURIs {
		uri, err := thumb.Normalize(tt.raw)
		if err != nil {
			continue
		}
		for _, site := range layoutSites() {
			u, err := site.Parse(uri)
			if !strings.HasPrefix(uri, site.Prefix) || err != nil {
				continue
			}
			for _, r := range u.Readings() {
				if !within(site.OfOriginal(r.Original), uri) {
					t.Errorf("%s is none of the places of %s", uri, r.Original)
				}
			}
			preset, _ := site.OfPreset(u.Preset)
			if !within(preset, uri) {
				t.Errorf("%s is none of the places of %s", uri, u.Preset)
			}
			if i := strings.LastIndexByte(u.Original, '/'); i > 0 && !within(site.Below(u.Original[:i]), uri) {
				t.Errorf("%s is none of the places below %s", uri, u.Original[:i])
			}
		}
	}
}

// within reports whether a file is at one of places.
func within(places []thumb.Place, name string) bool {
	for _, p := range places {
		rest, ok := strings.CutPrefix(name, p.Name+"/")
		if ok && p.Files == nil {
			return true
		}
		for _, f := range p.Files {
			if ok && f == rest {
				return true
			}
		}
	}
	return false
}

// New writes the URIs of the layouts.
func TestNewOfLayouts(t *testing.T) {
	sites := layoutSites()
	for _, tt := range []struct {
		site *thumb.Site
		w    thumb.Wanted
		want string
	}{
		{sites[0], thumb.Wanted{Original: "x/a.jpg", Preset: "My_Thumb-2"}, "/media/cache/My_Thumb-2/x/a.jpg"},
		{sites[0], thumb.Wanted{Original: "a.png", Preset: "webp@2x", Ext: "webp"}, "/media/cache/webp@2x/a.png.webp"},
		{sites[1], thumb.Wanted{Original: "x/a.JPG", Preset: "thumb"}, "/sites/default/files/styles/thumb/public/x/a.JPG"},
		{sites[1], thumb.Wanted{Original: "a.jpg", Preset: "modern", Ext: "avif"}, "/sites/default/files/styles/modern/public/a.jpg.avif"},
	} {
		u, err := tt.site.New(tt.w)
		if err != nil || u.URI() != tt.want {
			t.Errorf("%+v: %v, want %s", tt.w, err, tt.want)
		}
	}
}
