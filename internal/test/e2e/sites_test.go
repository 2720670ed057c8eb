// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"os"
	"testing"

	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

const (
	chromium = "Accept: image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
	older    = "Accept: image/webp,*/*"
	oldest   = "Accept: image/png,image/*;q=0.8,*/*;q=0.5"
)

func TestNegotiation(t *testing.T) {
	originals := kit.Testdata(t, "originals")
	// A subrequest that evaluates nginx's maps for a URI of its own changes
	// nothing for the request that caused it.
	location := "add_header Vary Accept always; auth_request /auth;"
	auth := "location = /auth { internal; set $seen $thumbd_variant$thumbd_webp; return 204; }"
	r := kit.Start(t, rig.Options{Server: auth, Sites: []rig.Site{
		{
			Name: "both", Prefix: "/both/", Scheme: "signed", Key: kit.Key, Originals: originals,
			TOML: `negotiate = ["avif", "webp"]`, TryFiles: "$uri$thumbd_variant", Location: location,
		},
		{
			Name: "webp", Prefix: "/webp/", Scheme: "signed", Key: kit.Key + "2", Originals: originals,
			TOML: `negotiate = ["webp"]`, TryFiles: "$uri$thumbd_webp", Location: location,
		},
		{
			Name: "none", Prefix: "/none/", Scheme: "preset", Originals: originals,
			TOML: "[site.none.preset.square]\nsize = \"48x48\"\nmethod = \"crop\"",
		},
	}})
	for _, tt := range []struct {
		site, original, ext string
		header              []string
		want, suffix        string
	}{
		{"both", "photos/fig.jpg", "jpg", []string{chromium}, "avif", ".avif"},
		{"both", "photos/fig.jpg", "jpg", []string{older}, "webp", ".webp"},
		{"both", "photos/fig.jpg", "jpg", []string{oldest}, "jpeg", ""},
		{"both", "photos/fig.jpg", "jpg", nil, "jpeg", ""},
		{"both", "photos/dogs.jpg", "jpg", []string{"Accept: IMAGE/AVIF"}, "avif", ".avif"},
		{"both", "photos/drum.jpg", "jpg", []string{"Accept: image/avif;q=0, image/webp;q=0.1"}, "webp", ".webp"},
		{"both", "photos/drum.jpg", "jpg", []string{"Accept: image/avif ; q=0.000, image/webp;v=1;Q=0"}, "jpeg", ""},
		{"both", "tests/made/alpha.png", "png", []string{chromium}, "avif", ".avif"},
		{"both", "tests/made/alpha.png", "png", []string{older}, "webp", ".webp"},
		{"both", "tests/made/spin.gif", "gif", []string{chromium}, "webp", ".webp"},
		{"both", "tests/made/spin.gif", "gif", []string{oldest}, "gif", ""},
		{"both", "photos/fig.jpg", "webp", []string{chromium}, "webp", ""},
		{"both", "photos/fig.jpg", "avif", []string{older}, "avif", ""},
		{"webp", "photos/fig.jpg", "jpg", []string{chromium}, "webp", ".webp"},
		{"webp", "photos/fig.jpg", "jpg", []string{"Accept: image/avif"}, "jpeg", ""},
		{"webp", "tests/made/spin.gif", "gif", []string{chromium}, "webp", ".webp"},
		{"none", "photos/fig.jpg", "jpg", []string{chromium}, "jpeg", ""},
		// The daemon listens to nginx's maps and not to the client.
		{"both", "photos/sunset.jpg", "jpg", []string{"X-Thumbd-Variant: .avif", "X-Thumbd-Webp: .webp"}, "jpeg", ""},
		{"webp", "photos/sunset.jpg", "jpg", []string{"X-Thumbd-Webp: .webp", oldest}, "jpeg", ""},
	} {
		t.Run(tt.site+" "+tt.original+" "+tt.want, func(t *testing.T) {
			uri := negotiatedURI(tt.site, tt.original, tt.ext)
			file := r.File(tt.site, uri+tt.suffix)
			if err := os.RemoveAll(r.Root(tt.site) + "/" + tt.site); err != nil {
				t.Fatal(err)
			}
			miss := kit.Get(t, r, rig.Escape(uri), tt.header...)
			kit.Picture(t, miss, tt.want, 48, 48)
			published, err := os.ReadFile(file)
			if err != nil || !bytes.Equal(published, miss.Body) {
				t.Errorf("published: %v", err)
			}
			hit := kit.Get(t, r, rig.Escape(uri), tt.header...)
			kit.Picture(t, hit, tt.want, 48, 48)
			if got := hit.Header.Get("Vary"); tt.site != "none" && got != "Accept" {
				t.Errorf("Vary %q", got)
			}
		})
	}
}

func negotiatedURI(site, original, ext string) string {
	switch site {
	case "both":
		return kit.SignedWith(kit.Key, "/both/"+original, "48x48_crop", ext)
	case "webp":
		return kit.SignedWith(kit.Key+"2", "/webp/"+original, "48x48_crop", ext)
	}
	return "/none/square/" + original
}

// Sites that share a prefix are told apart by host, as nginx does.
func TestSitesAndHosts(t *testing.T) {
	const one = "originals/tests/orientation/1.jpg"
	site := func(name string, hosts ...string) rig.Site {
		return rig.Site{
			Name: name, Prefix: "/t/", Scheme: "signed", Key: kit.Key + name, Hosts: hosts,
			Originals: kit.Folder(t, map[string]string{name + ".jpg": one}),
		}
	}
	r := kit.Start(t, rig.Options{Sites: []rig.Site{
		site("exact", "a.example", "www.a.example"),
		site("wildcard", "*.example"),
		site("longer", "*.b.example"),
		site("any"),
		{Name: "other", Prefix: "/other/", Scheme: "signed", Key: kit.Key + "other", Originals: kit.Folder(t, map[string]string{"other.jpg": one})},
	}})
	for _, tt := range []struct{ host, site string }{
		{"a.example", "exact"}, {"A.Example:8080", "exact"}, {"www.a.example", "exact"},
		{"c.example", "wildcard"}, {"x.c.example", "wildcard"}, {"b.example", "wildcard"},
		{"x.b.example", "longer"},
		{"localhost", "any"}, {"example", "any"}, {"127.0.0.1", "any"},
	} {
		uri := kit.SignedWith(kit.Key+tt.site, "/t/"+tt.site+".jpg", "30x30_crop", "jpg")
		resp := kit.Do(t, r, rig.Request{Target: rig.Escape(uri), Host: tt.host})
		if resp.Status != 200 {
			t.Errorf("%s: status %d, reason %q, want the thumbnail of %s", tt.host, resp.Status, resp.Header.Get("X-Thumbd-Reason"), tt.site)
		}
		if _, err := os.Stat(r.File(tt.site, uri)); err != nil {
			t.Errorf("%s: %v", tt.host, err)
		}
	}
	// One site's signatures are worth nothing on another.
	uri := kit.SignedWith(kit.Key+"any", "/t/exact.jpg", "30x30_crop", "jpg")
	kit.Expect(t, kit.Do(t, r, rig.Request{Target: rig.Escape(uri), Host: "a.example"}), 401, "signature")
	uri = kit.SignedWith(kit.Key+"other", "/other/other.jpg", "30x30_crop", "jpg")
	kit.Expect(t, kit.Do(t, r, rig.Request{Target: rig.Escape(uri)}), 200, "")
}

func TestPresetScheme(t *testing.T) {
	originals := kit.Folder(t, map[string]string{
		"tests/image.png": "originals/tests/made/alpha.png", "a.JPG": "originals/tests/orientation/6.jpg", "b.jpg": "originals/photos/dogs.jpg",
		"b.jpg.jpg": "originals/tests/orientation/1.jpg", "a.png.webp": "originals/tests/made/dandelion.webp", "odd name %.jpeg": "originals/tests/orientation/1.jpg",
	})
	r := kit.Start(t, rig.Options{Sites: []rig.Site{
		{Name: "default", Prefix: "/d/", Scheme: "preset", Originals: originals},
		{Name: "own", Prefix: "/o/", Scheme: "preset", Originals: originals, TOML: `
[site.own.preset.card]
size = "60x40"
method = "crop"
dpr = [2]
formats = ["webp"]
[site.own.preset.whole]
method = "original"
`},
		{Name: "wsgi", Prefix: "/w/", Scheme: "preset", Originals: originals, TOML: "factors = [100, 75]"},
	}})
	for _, tt := range []struct {
		target        string
		format        string
		width, height int
	}{
		{"/d/icon/tests/image.png", "png", 16, 16},
		{"/d/small/tests/image.png", "png", 50, 50},
		{"/d/thumb/b.jpg", "jpeg", 67, 100},
		{"/d/medium/b.jpg", "jpeg", 200, 300},
		{"/d/large/b.jpg", "jpeg", 333, 500},
		{"/d/xlarge/b.jpg", "jpeg", 533, 800},
		{"/d/thumb/a.JPG", "jpeg", 100, 67},
		{"/d/thumb/a.png.webp", "webp", 100, 56},
		{"/d/thumb/b.jpg.jpg", "jpeg", 100, 67},
		{"/d/thumb/odd%20name%20%25.jpeg", "jpeg", 100, 67},
		{"/o/card/b.jpg", "jpeg", 60, 40},
		{"/o/card@2x/b.jpg", "jpeg", 120, 80},
		{"/o/card/b.jpg.webp", "webp", 60, 40},
		{"/o/card/tests/image.png.webp", "webp", 60, 40},
		{"/w/thumb/75/b.jpg", "jpeg", 50, 75},
		{"/w/thumb/100/b.jpg", "jpeg", 67, 100},
	} {
		kit.Picture(t, kit.Get(t, r, tt.target), tt.format, tt.width, tt.height)
	}
	for _, tt := range []struct {
		target string
		status int
		reason string
	}{
		{"/d/huge/b.jpg", 404, "unknown-preset"},
		{"/d/thumb@2x/b.jpg", 404, "unknown-preset"},
		{"/o/card@3x/b.jpg", 404, "unknown-preset"},
		{"/w/thumb/50/b.jpg", 404, "unknown-preset"},
		{"/d/thumb/missing.jpg", 404, "no-original"},
		{"/d/thumb/b.jpg.webp", 404, "no-original"},
		{"/o/card/b.jpg.png", 404, "no-original"},
		{"/d/thumb/missing.jpg.jpg", 404, "no-original"},
		{"/d/thumb/b.bmp", 400, "extension"},
		{"/d/thumb/b", 400, "extension"},
	} {
		kit.Expect(t, kit.Get(t, r, tt.target), tt.status, tt.reason)
	}
	// Old spellings are sent to the one of now.
	for target, now := range map[string]string{
		"/d/thumb/b.jpg.JPG": "/d/thumb/b.jpg", "/d/thumb/tests/image.png.png?a=b": "/d/thumb/tests/image.png",
		"/o/card@2x/b.jpg.WebP": "/o/card@2x/b.jpg.webp", "/w/thumb/75/b.jpg.jpeg": "/w/thumb/75/b.jpg",
		"/d/thumb/odd%20name%20%25.jpeg.jpe": "/d/thumb/odd%20name%20%25.jpeg",
	} {
		moved := kit.Get(t, r, target)
		kit.Expect(t, moved, 301, "moved")
		if got := moved.Header.Get("Location"); got != now {
			t.Errorf("%s: moved to %q, want %q", target, got, now)
		}
	}
	whole := kit.Get(t, r, "/o/whole/b.jpg")
	original, err := os.ReadFile(kit.Testdata(t, "originals/photos/dogs.jpg"))
	if err != nil || !bytes.Equal(whole.Body, original) {
		t.Errorf("the original itself: status %d, %d bytes, %v", whole.Status, len(whole.Body), err)
	}
}
