// SPDX-License-Identifier: MIT

package doctor

import (
	"os"
	"slices"
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

// A location by regular expression that restricts files of a site is nested in the
// site's lines, if the server is one of the site.
func TestLinesKeepRestrictions(t *testing.T) {
	in := install(t)
	v := in.sound(t)
	conf := strings.Replace(in.conf(v.config), "location ^~ /uploads/ {", "location ~ \\.sql$ { deny all; }\nlocation ~ \\.php$ { deny all; }\nlocation ~ \\.css$ { expires 1d; }\nlocation ^~ /elsewhere/ {", 1)
	conf = strings.Replace(conf, "server_name www.example;", "server_name www.example;\nroot "+in.dir+"/www;", 1)
	in.read(t, v, conf)
	for i := range v.config.Sites {
		s := &v.config.Sites[i]
		got := strings.Join(LinesFor(s, v.conf.Servers()), "\n")
		plain := strings.Join(Lines(s), "\n")
		if s.Thumb.Name != "uploads" {
			if got != plain && s.Thumb.Name != "blog" {
				t.Errorf("%s: nginx serves no originals for it, and the lines are\n%s", s.Thumb.Name, got)
			}
			continue
		}
		want := strings.Replace(plain, denyPrograms, denyPrograms+"\n    location ~ \"\\.sql$\" {\n        deny all;\n    }", 1)
		if got != want {
			t.Errorf("lines\n%s\nwant\n%s", got, want)
		}
		// The server of another folder has rules for other files.
		s.Originals = in.dir + "/letters"
		if got := LinesFor(s, v.conf.Servers()); slices.ContainsFunc(got, func(line string) bool { return strings.Contains(line, "sql") }) {
			t.Errorf("the server does not serve %s, and the lines are\n%s", s.Originals, strings.Join(got, "\n"))
		}
	}
}
