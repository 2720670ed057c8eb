// SPDX-License-Identifier: MIT

package doctor

import (
	"os"
	"strings"
	"testing"

	"thumbd/internal/config"
	"thumbd/internal/route"
	"thumbd/internal/thumb"
	"thumbd/nginx"
)

// The lines for the scheme inplace are the same in thumbd init, in the snippet, in
// thumbd(8) and in the example, which has more between them.
func TestLinesInPlaceAreTheSameEverywhere(t *testing.T) {
	read := func(name string) string {
		t.Helper()
		b, err := os.ReadFile("../../packaging/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	snippet, err := nginx.Files.ReadFile("snippets/thumbd-inplace.conf")
	if err != nil {
		t.Fatal(err)
	}
	site := func(name, prefix, originals string) *config.Site {
		return &config.Site{Originals: originals, Thumb: thumb.Site{
			Route: route.Route{Name: name, Prefix: prefix}, DocumentRoot: "/var/cache/thumbd/" + name, Scheme: thumb.InPlace, Negotiate: thumb.Variants(),
		}}
	}
	uploads, blog := site("uploads", "/uploads/", "/var/www/example/uploads"), site("blog", "/wp-content/uploads/", "/srv/blog/wp-content/uploads")
	for name, tt := range map[string]struct {
		text string
		site *config.Site
	}{
		"snippets/thumbd-inplace.conf": {strings.ReplaceAll(string(snippet), "\n#     ", "\n"), uploads},
		"man/thumbd.8":                 {strings.ReplaceAll(read("man/thumbd.8"), `\e`, `\`), uploads},
		"examples/wordpress":           {read("examples/wordpress/nginx.conf"), blog},
	} {
		rest := tt.text
		for _, line := range Lines(tt.site) {
			_, after, ok := strings.Cut(rest, strings.TrimSpace(line)+"\n")
			if !ok {
				t.Errorf("%s has no %q in its place", name, line)
				break
			}
			rest = after
		}
	}
}
