// SPDX-License-Identifier: MIT

package doctor

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/config"
	"thumbd/internal/nginxconf"
	"thumbd/nginx"
)

// installation is a folder with the configuration of a site of each kind, and the
// texts that nginx prints of it with -V and -T.
type installation struct {
	dir   string
	toml  string
	nginx string // of nginx.conf
	files map[string]string
}

// built is the output of nginx -V.
const built = `nginx version: nginx/1.26.3
configure arguments: --prefix=/etc/nginx --conf-path=/etc/nginx/nginx.conf --pid-path=/run/nginx.pid --user=www-data --error-log-path=/var/log/nginx/error.log
`

const toml = `
[site.gallery]
prefix = "/thumbs/"
scheme = "signed"
keys = ["gallery.key"]
originals = "DIR/originals"
document_root = "DIR/root/gallery"
[site.gallery.access]
proofs = ["signature"]
keys = ["access.key"]

[site.news]
prefix = "/news/"
scheme = "signed"
keys = ["gallery.key"]
negotiate = ["avif", "webp"]
originals = "DIR/originals"
document_root = "DIR/root/news"

[site.small]
prefix = "/small/"
scheme = "preset"
hosts = ["small.example", "*.b.example"]
originals = "DIR/originals"
document_root = "DIR/root/small"
[site.small.preset.icon]
size = "16x16"
method = "crop"

[site.uploads]
prefix = "/uploads/"
scheme = "inplace"
originals = "DIR/www/uploads"
document_root = "DIR/root/uploads"

[site.blog]
prefix = "/blog/"
scheme = "preset"
layout = "wordpress"
originals = "DIR/www/blog"
document_root = "DIR/root/blog"
[site.blog.preset.medium]
size = "300x300"
method = "fit"

[files.open]
prefix = "/open/"
root = "DIR/files"
internal = "/_open/"
scheme = "open"

[files.letters]
prefix = "/letters/"
root = "DIR/letters"
internal = "/_letters/"
scheme = "signed"
keys = ["files.key"]
`

// nginxText has the lines of each site in place of its name.
const nginxText = `user www-data;
events { worker_connections 1024; }
http {
    types { image/jpeg jpeg jpg; image/png png; image/webp webp; image/avif avif; image/gif gif; }
    sendfile on;
    include conf.d/thumbd.conf;
    server {
        listen 80;
        server_name www.example;
        LINES gallery news uploads blog
        location ^~ /open/ { try_files /_thumbd/none @thumbd; }
        location ^~ /_open/ { alias DIR/files/; include snippets/thumbd-files.conf; }
        location ^~ /letters/ { try_files /_thumbd/none @thumbd; }
        location ^~ /_letters/ { alias DIR/letters/; include snippets/thumbd-files.conf; }
    }
    server {
        listen 80;
        server_name small.example b.b.example;
        LINES small
    }
}
`

// install makes an installation in which nothing is wrong.
func install(t *testing.T) *installation {
	t.Helper()
	in := &installation{dir: t.TempDir(), files: make(map[string]string)}
	for _, dir := range []string{"originals", "www/uploads", "www/blog", "files", "letters", "keys", "root"} {
		if err := os.MkdirAll(filepath.Join(in.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"gallery", "access", "files"} {
		write(t, filepath.Join(in.dir, "keys", key+".key"), "thumbd-"+key+"-key-0123456789abcdef\n")
	}
	in.toml = strings.ReplaceAll(toml, "DIR", in.dir)
	err := fs.WalkDir(nginx.Files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := nginx.Files.ReadFile(path)
		in.files["/etc/nginx/"+path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	in.nginx = strings.ReplaceAll(nginxText, "DIR", in.dir)
	return in
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// visit returns a visit that has loaded the configuration of thumbd.
func (in *installation) visit(t *testing.T) *visit {
	t.Helper()
	v := &visit{Options: Options{File: filepath.Join(in.dir, "thumbd.toml"), Version: "1.2.3", Admin: "/run/thumbd/admin.sock"}, booted: true, now: Check{Status: OK}}
	write(t, v.File, in.toml)
	v.load()
	return v
}

// sound is visit for a configuration that has no mistake.
func (in *installation) sound(t *testing.T) *visit {
	t.Helper()
	v := in.visit(t)
	if v.mistakes != nil {
		t.Fatal(v.mistakes)
	}
	return v
}

// conf returns the text of nginx.conf, with the lines that thumbd prints for the sites.
// The snippets that several sites need come once.
func (in *installation) conf(c *config.Config) string {
	var b strings.Builder
	for line := range strings.Lines(in.nginx) {
		names, ok := strings.CutPrefix(strings.TrimSpace(line), "LINES ")
		if !ok {
			b.WriteString(line)
			continue
		}
		var lines []string
		for _, name := range strings.Fields(names) {
			i := slices.IndexFunc(c.Sites, func(s config.Site) bool { return s.Thumb.Name == name })
			for _, line := range Lines(&c.Sites[i]) {
				if !strings.HasPrefix(line, "include snippets/") || !slices.Contains(lines, line) {
					lines = append(lines, line)
				}
			}
		}
		b.WriteString(strings.Join(lines, "\n") + "\n")
	}
	return b.String()
}

// read gives the visit the configuration of an nginx with this nginx.conf.
func (in *installation) read(t *testing.T, v *visit, conf string) {
	t.Helper()
	dump := "# configuration file /etc/nginx/nginx.conf:\n" + conf
	for path, text := range in.files {
		dump += "# configuration file " + path + ":\n" + text
	}
	var err error
	if v.conf, err = nginxconf.Read(built, []byte(dump), nil); err != nil {
		t.Fatalf("%v in\n%s", err, dump)
	}
}

// wants checks that a visit has exactly the findings with these names, in order, of
// which a part has the text.
func (v *visit) wants(t *testing.T, part string, names ...string) {
	t.Helper()
	got := make([]string, 0, len(names))
	var all strings.Builder
	for _, f := range v.result.Findings {
		got = append(got, f.Name)
		fmt.Fprintf(&all, "%s: %s: %s: %s\n%s\n", f.Status, f.Name, f.Where, f.What, strings.Join(f.Cure, "\n"))
	}
	if diff := cmp.Diff(names, got, cmp.Transformer("none", func(s []string) []string { return append([]string{}, s...) })); diff != "" {
		t.Errorf("findings (-want +got):\n%s%s", diff, &all)
	} else if !strings.Contains(all.String(), part) {
		t.Errorf("no %q in:\n%s", part, &all)
	}
}
