// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// names are names of originals that somebody will have.
var names = []string{
	"plain.jpg", "UPPER.JPG", "no-extension", "a.tar.gz", "dots..in..it.jpg", "ends-with-a-dot.", "-dash.jpg", "--.jpg", "_.jpg",
	"two words.jpg", " leading.jpg", "trailing .jpg ", "a b/c d/e f.jpg", " / / .jpg",
	"tab\t.jpg", "line\nbreak.jpg", "\n", "cr\r\nlf.jpg: x", "\x01\x1f\x7f.jpg",
	`"double".jpg`, "'single'.jpg", "`back`.jpg", `back\slash.jpg`, `\`, "<angle>&amp;.jpg",
	"percent%.jpg", "%", "%25.jpg", "%2F.jpg", "%2e%2e.jpg", "%zz.jpg", "%00.jpg", "100%25 sure%3F.jpg",
	"question?.jpg", "?a=b.jpg", "hash#.jpg", "#", "a?b#c?d.jpg",
	"semi;colon.jpg", "amp&er=sand.jpg", "plus+.jpg", "at@.jpg", "co:lon.jpg", "comma,.jpg", "star*.jpg", "excl!.jpg", "(paren).jpg",
	"$uri.jpg", "${document_root}.jpg", "$(id).jpg", "{brace}.jpg", "[bracket].jpg", "pipe|.jpg", "caret^.jpg", "tilde~.jpg",
	"été à la plage.jpg", "e\u0301.jpg", "写真/猫.jpg", "🐈.jpg", "\u202etfel.jpg",
	"\xff.jpg", "\xff\xfe\x80", "latin-1 \xe9t\xe9.jpg", "half \xf0\x9f.jpg",
	"index.html", "index.php", "favicon.ico", "400x300_crop_FaaVi3DkBSa6NmwGAhbPJxX5i64G.webp", "card.jpg",
	"deep" + strings.Repeat("/er", 60) + "/a.jpg",
	strings.Repeat("n", 255), strings.Repeat("\xc3\xa9", 127) + "/a.jpg",
}

// spellings are other ways to write the target /thumbs/plain.jpg/x.
var spellings = []func(target string) string{
	func(s string) string { return strings.Replace(s, "/plain", "//plain", 1) },
	func(s string) string { return "//" + strings.ReplaceAll(s, "/", "///") },
	func(s string) string { return strings.Replace(s, "/plain", "/./plain", 1) },
	func(s string) string { return strings.Replace(s, "/plain", "/x/../plain", 1) },
	func(s string) string { return strings.Replace(s, "/plain", "/x/%2e%2E/plain", 1) },
	func(s string) string { return strings.Replace(s, "/plain", "/%2e/plain", 1) },
	func(s string) string { return strings.Replace(s, "/plain", "%2Fplain", 1) },
	func(s string) string { return strings.Replace(s, "/plain", "%2f%2F/plain", 1) },
	func(s string) string { return strings.Replace(s, "/plain", "/x%2F..%2fplain", 1) },
	func(s string) string { return "/else/../thumbs/../." + s },
	func(s string) string { return strings.Replace(s, "/thumbs", "/%74%68umbs", 1) },
	func(s string) string { return strings.ReplaceAll(s, "_", "%5F") },
	func(s string) string { return strings.ReplaceAll(s, "_", "%5f") },
	func(s string) string { return s + "?" },
	func(s string) string { return s + "?a=b&c=%00/../%zz" },
	func(s string) string { return s + "#" },
	func(s string) string { return s + "#/../../../other.jpg" },
	func(s string) string { return s + "?a#b?c" },
	func(s string) string { return s + "#a?b" },
}

// Every URI is a miss that publishes the one file that nginx looks for, and
// then a hit, with thumbd stopped.
func TestNamesMissAndHit(t *testing.T) {
	picture, err := os.ReadFile(kit.Testdata(t, "originals/tests/orientation/1.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	originals := kit.Folder(t, nil)
	for _, name := range names {
		kit.Put(t, filepath.Join(originals, name), picture)
	}
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, originals)}})

	misses := make(map[string][]byte)
	miss := func(target, uri string) {
		t.Helper()
		resp := kit.Get(t, r, target)
		kit.Expect(t, resp, 200, "")
		if resp.Status != 200 {
			return
		}
		file, err := os.ReadFile(r.File("gallery", uri))
		if err != nil || !bytes.Equal(file, resp.Body) {
			t.Errorf("%q: answer of %d bytes, file %q of %d bytes: %v", target, len(resp.Body), uri, len(file), err)
		}
		misses[target] = resp.Body
	}
	for _, name := range names {
		uri := kit.Signed("/thumbs/", name, "64x64_fit", "jpg")
		miss(rig.Escape(uri), uri)
	}
	for i, spell := range spellings {
		uri := kit.Signed("/thumbs/", "plain.jpg", fmt.Sprintf("%dx64_fit", 10+i), "jpg")
		miss(spell(rig.Escape(uri)), uri)
	}
	// What needs no escape for nginx may come without one.
	for _, name := range []string{`"double".jpg`, `back\slash.jpg`, "été à la plage.jpg", "\xff.jpg", "<angle>&amp;.jpg", "🐈.jpg"} {
		uri := kit.Signed("/thumbs/", name, "32x32_fit", "jpg")
		miss(strings.ReplaceAll(uri, " ", "%20"), uri)
	}
	kit.StopDaemon(t, r)
	if got := r.Log.Count("rendered"); got != len(misses) || got < 60 {
		t.Errorf("%d renders of %d thumbnails, want as many and at least 60", got, len(misses))
	}
	for target, want := range misses {
		resp := kit.Get(t, r, target)
		kit.Expect(t, resp, 200, "")
		if !bytes.Equal(resp.Body, want) {
			t.Errorf("%q: hit and miss differ", target)
		}
	}
	kit.NoTempFiles(t, r, "gallery")
}

func TestNamesRefused(t *testing.T) {
	originals := kit.Folder(t, map[string]string{"a.jpg": "originals/tests/orientation/1.jpg", ".hidden.jpg": "originals/tests/orientation/1.jpg"})
	r := kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, originals)}})
	for _, tt := range []struct {
		target string
		status int
		reason string // "": nginx answers by itself
	}{
		{"/thumbs/../../etc/passwd", 400, ""},
		{"/thumbs/%2e%2e/%2e%2e/etc/passwd", 400, ""},
		{"/thumbs/%00.jpg", 400, ""},
		{"/thumbs/%zz.jpg", 400, ""},
		{"/thumbs/%2", 400, ""},
		{kit.Target(".hidden.jpg", "10x10_fit", "jpg"), 404, "bad-name"},
		{kit.Target(".thumbd/a", "10x10_fit", "jpg"), 404, "bad-name"},
		{kit.Target("...jpg", "10x10_fit", "jpg"), 404, "bad-name"},
		{kit.Target("a/..b", "10x10_fit", "jpg"), 404, "bad-name"},
		{kit.Target("a//b.jpg", "10x10_fit", "jpg"), 401, "signature"},
		{kit.Target(strings.Repeat("n", 256), "10x10_fit", "jpg"), 404, "bad-name"},
		{kit.Target(strings.Repeat("deep/", 810)+"a.jpg", "10x10_fit", "jpg"), 404, "bad-name"},
		{kit.Target(strings.Repeat("d/", 2040)+"a.jpg", "10x10_fit", "jpg"), 404, "bad-name"},
		{kit.Target("%2e%2e/a.jpg", "10x10_fit", "jpg"), 404, "no-original"},
		{strings.Replace(kit.Target("a.jpg", "10x10_fit", "jpg"), "a.jpg", "a.jpg%23", 1), 401, "signature"},
		{strings.Replace(kit.Target("a.jpg", "10x10_fit", "jpg"), "a.jpg", "a.jpg#/x", 1), 401, "no-signature"},
		{strings.Replace(kit.Target("a.jpg", "10x10_fit", "jpg"), "a.jpg", "a.jpg%3F", 1), 401, "signature"},
	} {
		t.Run(fmt.Sprintf("%.60q", tt.target), func(t *testing.T) {
			kit.Expect(t, kit.Get(t, r, tt.target), tt.status, tt.reason)
		})
	}
	if entries, err := os.ReadDir(r.File("gallery", "/thumbs")); err != nil || len(entries) > 1 {
		t.Errorf("published: %v, %v", entries, err)
	}
}
