// SPDX-License-Identifier: MIT

package frontends

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// manual returns the example of thumbd(8) that has these words.
func manual(t *testing.T, words ...string) string {
	t.Helper()
	page, err := os.ReadFile("../../../packaging/man/thumbd.8")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(page), ".Bd -literal -offset indent\n")[1:] {
		example, _, _ := strings.Cut(part, ".Ed\n")
		if hasAll(example, words) {
			return example
		}
	}
	t.Fatalf("thumbd(8) has no example with %q", words)
	return ""
}

func hasAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// The manual's lines for pages and a login of the site's own do what it says, and the
// doctor finds nothing wrong with them.
func TestPagesOfTheSite(t *testing.T) {
	pages := kit.Folder(t, nil)
	kit.Put(t, filepath.Join(pages, "missing.png"), []byte("a picture of the site's own"))
	docs := kit.Folder(t, nil)
	kit.Put(t, filepath.Join(docs, "a.pdf"), []byte("a document"))
	site := kit.Gallery(t, kit.JPGs(t))
	site.Unserved = true
	closed := kit.Gallery(t, kit.JPGs(t))
	closed.Name, closed.Prefix, closed.Key, closed.Protected = "closed", "/closed/", kit.Key+"-closed", true
	closed.TOML = "[site.closed.access]\nproofs = [\"signature\"]\nkeys = [\"access.key\"]\n"
	closed.Location = manual(t, "error_page 401 403 = @login;\n")
	thumbs := strings.NewReplacer("/var/cache/thumbd/gallery", "root/gallery", "/srv/pages", pages).Replace(manual(t, "location @thumbs {"))
	r := kit.Start(t, rig.Options{
		Sites: []rig.Site{site, closed}, Keys: map[string]string{"access.key": kit.AccessKey, "files.key": kit.FilesKey},
		TOML: fmt.Sprintf("[files.documents]\nprefix = \"/documents/\"\nroot = %q\ninternal = \"/_documents/\"\nscheme = \"signed\"\nkeys = [\"files.key\"]\n", docs),
		Server: manual(t, "location @documents {", "location @login {") + thumbs +
			fmt.Sprintf("location ^~ /_documents/ { alias %s/; include snippets/thumbd-files.conf; }", docs),
	})
	document := "/documents/a.pdf"
	for _, tt := range []struct {
		name, target string
		status       int
		header, want string
		body         string
	}{
		{"a missing original", kit.Target("gone.jpg", "20x20_crop", "jpg"), 404, "Cache-Control", "no-store", "a picture of the site's own"},
		{"a missing signature", "/thumbs/a.jpg/20x20_crop.jpg", 401, "X-Thumbd-Reason", "no-signature", ""},
		{"a thumbnail", kit.Target("a.jpg", "20x20_crop", "jpg"), 200, "Content-Type", "image/jpeg", ""},
		{"its hit", kit.Target("a.jpg", "20x20_crop", "jpg"), 200, "Content-Type", "image/jpeg", ""},
		{"a protected one without a proof", "/closed/a.jpg/20x20_crop.jpg", 302, "Location", "/login", ""},
		{"a download", document + kit.Proof(kit.FilesKey, "file", document, kit.Expires(time.Hour)), 200, "Content-Type", "application/pdf", "a document"},
		{"a download without a proof", document, 302, "Location", "/login", ""},
		{"an expired download", document + kit.Proof(kit.FilesKey, "file", document, kit.Expires(-time.Hour)), 302, "Location", "/login", ""},
		{"a document that is not there", "/documents/b.pdf" + kit.Proof(kit.FilesKey, "file", "/documents/b.pdf", kit.Expires(time.Hour)), 404, "X-Thumbd-Reason", "no-file", ""},
	} {
		resp := kit.Get(t, r, tt.target)
		got := strings.TrimPrefix(resp.Header.Get(tt.header), "http://localhost")
		if resp.Status != tt.status || got != tt.want || tt.body != "" && string(resp.Body) != tt.body {
			t.Errorf("%s: %d, %s %q, %.100q, want %d, %q, %q", tt.name, resp.Status, tt.header, got, resp.Body, tt.status, tt.want, tt.body)
		}
	}
	for _, f := range kit.Examine(t, r).Findings {
		t.Errorf("doctor: %+v", f)
	}
}

// The manual's lines limit misses and no hit, and the doctor finds nothing wrong.
func TestLimitOfMisses(t *testing.T) {
	site := kit.Gallery(t, kit.JPGs(t))
	site.Unserved = true
	// The tenth of the manual's rate and no burst, so that the second miss is over it
	// on a slow machine too.
	zone := strings.Replace(manual(t, "limit_req_zone"), "rate=5r/s", "rate=1r/m", 1)
	server := strings.NewReplacer("/var/cache/thumbd/gallery", "root/gallery", " burst=50", "").Replace(manual(t, "location @limited {"))
	r := kit.Start(t, rig.Options{Sites: []rig.Site{site}, HTTP: zone, Server: server})
	first := kit.Target("a.jpg", "20x20_crop", "jpg")
	kit.Expect(t, kit.Get(t, r, first), 200, "")
	for range 10 {
		kit.Expect(t, kit.Get(t, r, first), 200, "")
	}
	if resp := kit.Get(t, r, kit.Target("b.jpg", "20x20_crop", "jpg")); resp.Status != 429 {
		t.Errorf("the second miss: %d, want 429", resp.Status)
	}
	for _, f := range kit.Examine(t, r).Findings {
		if f.Name != "probe-miss" { // Its own misses are over the limit.
			t.Errorf("doctor: %+v", f)
		}
	}
}
