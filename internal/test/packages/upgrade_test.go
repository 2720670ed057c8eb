// SPDX-License-Identifier: MIT

package packages

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// placed are the files of /etc, which are the administrator's once they are
// there.
var placed = []string{
	"nginx/conf.d/thumbd.conf",
	"nginx/snippets/thumbd-auth.conf",
	"nginx/snippets/thumbd-files.conf",
	"nginx/snippets/thumbd-front.conf",
	"nginx/snippets/thumbd-inplace.conf",
	"nginx/snippets/thumbd-node.conf",
	"nginx/snippets/thumbd-original.conf",
	"nginx/snippets/thumbd-proxy.conf",
	"nginx/snippets/thumbd.conf",
	"thumbd/thumbd.toml",
}

// before packs a version of before, in which all of placed are files of the
// package that it asks about (deb) or keeps if edited (rpm).
func before(t *testing.T, kind string) string {
	t.Helper()
	dir := t.TempDir()
	arch := strings.TrimSpace(output(t, "go", "env", "GOARCH"))
	text := "{name: thumbd, arch: " + arch + ", version: 0.0.0~0, version_schema: none, release: '1', maintainer: 'a <a@b.example>', contents: [\n"
	for _, name := range placed {
		put(t, filepath.Join(dir, name), []byte("# "+name+" of before\n"), 0o644)
		text += fmt.Sprintf("  {src: %s, dst: %s, type: config|noreplace, file_info: {mode: 0644}},\n", filepath.Join(dir, name), "/etc/"+name)
	}
	put(t, filepath.Join(dir, "nfpm.yaml"), []byte(text+"]}\n"), 0o644)
	output(t, "build/tools/nfpm", "package", "--config", filepath.Join(dir, "nfpm.yaml"), "--packager", kind, "--target", dir+"/")
	return one(t, dir, "."+kind)
}

// template returns what a new system gets at /etc/NAME.
func template(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join("packaging", name)
	if strings.HasSuffix(name, ".toml") {
		path = "packaging/thumbd.toml"
	}
	b, err := os.ReadFile(filepath.Join(module, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// holds fails the test unless the files of /etc have these texts; a name that
// is left out has the template's.
func (r root) holds(t *testing.T, step string, texts map[string]string) {
	t.Helper()
	for _, name := range placed {
		want, ok := texts[name]
		if !ok {
			want = template(t, name)
		}
		got, err := os.ReadFile(r.path("/etc/" + name))
		if diff := cmp.Diff(want, string(got)); diff != "" || err != nil {
			t.Errorf("%s: /etc/%s: %v (-want +got):\n%s", step, name, err, diff)
		}
	}
}

// An upgrade asks nobody: an edited file stays byte for byte, from whatever
// version. One that nobody has edited follows the package.
func TestUpgradesKeepEditedFiles(t *testing.T) {
	for kind, upgrade := range map[string]func(t *testing.T, r root, pkg string){
		"deb": func(t *testing.T, r root, pkg string) { r.dpkg(t, "--install", pkg) },
		// With force the same version is one, too.
		"rpm": func(t *testing.T, r root, pkg string) { r.rpm(t, "--upgrade", "--force", pkg) },
	} {
		t.Run(kind, func(t *testing.T) {
			r := newRoot(t)
			upgrade(t, r, before(t, kind))
			edited := map[string]string{
				"thumbd/thumbd.toml":         "# two sites, by thumbd init\n",
				"nginx/snippets/thumbd.conf": "location @thumbd { }\n",
			}
			for name, text := range edited {
				put(t, r.path("/etc/"+name), []byte(text), 0o644)
			}
			first := one(t, folder(t), "."+kind)
			upgrade(t, r, first)
			r.holds(t, "first upgrade", edited)

			edited["nginx/snippets/thumbd-auth.conf"] = template(t, "nginx/snippets/thumbd-auth.conf") + "add_header X a;\n"
			put(t, r.path("/etc/nginx/snippets/thumbd-auth.conf"), []byte(edited["nginx/snippets/thumbd-auth.conf"]), 0o644)
			upgrade(t, r, first)
			r.holds(t, "second upgrade", edited)
			if left, err := filepath.Glob(r.path("/etc/*/*/*.dpkg-*")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %q, %v", left, err)
			}
		})
	}
}

// make install makes the same of a system without packages.
func TestMakeInstallKeepsEditedFiles(t *testing.T) {
	folder(t) // what is installed has been built
	dir := t.TempDir()
	install := func() { output(t, "make", "-o", "all", "install", "DESTDIR="+dir, "PREFIX=/opt/thumbd") }
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	put(t, filepath.Join(dir, "etc/nginx/snippets/thumbd.conf"), []byte("# edited\n"), 0o644)
	put(t, filepath.Join(dir, "etc/thumbd/thumbd.toml"), []byte("# edited\n"), 0o644)
	put(t, filepath.Join(dir, "opt/thumbd/share/thumbd/nginx/snippets/thumbd.conf"), []byte("# of before\n"), 0o644)
	for range 2 {
		install()
		for _, name := range placed[:4] {
			shipped, err := os.ReadFile(filepath.Join(module, name))
			if err != nil {
				t.Fatal(err)
			}
			if got := read("opt/thumbd/share/thumbd/" + name); got != string(shipped) {
				t.Errorf("share: %s is %q, want that of the checkout", name, got)
			}
			want := strings.ReplaceAll(template(t, name), "/usr/share/", "/opt/thumbd/share/")
			if name == "nginx/snippets/thumbd.conf" {
				want = "# edited\n"
			}
			if got := read("etc/" + name); got != want {
				t.Errorf("/etc/%s is %q, want %q", name, got, want)
			}
		}
		for installed, name := range map[string]string{
			"opt/thumbd/lib/sysusers.d/thumbd.conf":                    "sysusers.d/thumbd.conf",
			"opt/thumbd/lib/tmpfiles.d/thumbd.conf":                    "tmpfiles.d/thumbd.conf",
			"opt/thumbd/share/doc/thumbd/thumbd.toml":                  "thumbd.toml",
			"opt/thumbd/share/doc/thumbd/examples/clients/README.md":   "clients/README.md",
			"opt/thumbd/share/doc/thumbd/examples/vectors/signed.json": "../testdata/vectors/signed.json",
			"opt/thumbd/lib/systemd/system/thumbd-admin.socket":        "systemd/thumbd-admin.socket",
		} {
			shipped, err := os.ReadFile(filepath.Join(module, "packaging", name))
			if got := read(installed); err != nil || got != string(shipped) {
				t.Errorf("%s is not packaging/%s (%v)", installed, name, err)
			}
		}
		if got := read("etc/thumbd/thumbd.toml"); got != "# edited\n" {
			t.Errorf("/etc/thumbd/thumbd.toml is %q", got)
		}
		if fi, err := os.Stat(filepath.Join(dir, "etc/thumbd/sites.d")); err != nil || fi.Mode().Perm() != 0o755 {
			t.Errorf("the folder of sites: %v, %v", fi, err)
		}
	}
}

// What the administrator has removed does not come back, but a snippet, which
// does nothing by itself: a version before may not have had it.
func TestUpgradeOfADebKeepsWhatWasRemoved(t *testing.T) {
	r := newRoot(t)
	r.dpkg(t, "--install", deb(t))
	r.holds(t, "install", nil)
	for _, name := range placed {
		if err := os.Remove(r.path("/etc/" + name)); err != nil {
			t.Fatal(err)
		}
	}
	r.dpkg(t, "--install", deb(t))
	for _, name := range placed {
		if got, want := r.exists("/etc/"+name), strings.Contains(name, "snippets"); got != want {
			t.Errorf("/etc/%s is there: %v, want %v", name, got, want)
		}
	}
}

// nginx starts without the package: in place of its include each file has what is
// included, closed if it is to protect something, until the package comes back.
func TestRemovalClosesNginxsFiles(t *testing.T) {
	for kind, do := range map[string]struct{ install, remove func(r root) }{
		"deb": {
			func(r root) { r.dpkg(t, "--install", deb(t)) },
			func(r root) { r.dpkg(t, "--remove", "thumbd") },
		},
		"rpm": {
			func(r root) { r.rpm(t, "--install", rpm(t)) },
			func(r root) { r.rpm(t, "--erase", "thumbd") },
		},
	} {
		t.Run(kind, func(t *testing.T) {
			r := newRoot(t)
			do.install(r)
			// A whole server block: nginx takes it afterwards, too.
			put(t, r.path("/etc/nginx/sites-enabled/a"), []byte(userOfAll), 0o644)
			edited := map[string]string{
				"nginx/snippets/thumbd-proxy.conf": "internal;\n",
				"nginx/snippets/thumbd-auth.conf":  "# mine\n\t" + "include " + share + "/nginx/snippets/thumbd-auth.conf;\nadd_header X a;\n",
			}
			for name, text := range edited {
				put(t, r.path("/etc/"+name), []byte(text), 0o644)
			}
			if err := os.Chmod(r.path("/etc/nginx/snippets/thumbd-auth.conf"), 0o600); err != nil {
				t.Fatal(err)
			}
			do.remove(r)
			if r.exists(share) {
				t.Errorf("%s is left", share)
			}
			for _, name := range placed[:len(placed)-1] {
				got, err := os.ReadFile(r.path("/etc/" + name))
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				text, ok := edited[name]
				if !ok {
					text = template(t, name)
				}
				if diff := cmp.Diff(closed(t, name, text), string(got)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
			nginxTakes(t, r.path("/etc/nginx"))
			do.install(r)
			r.holds(t, "install again", edited)
			fi, err := os.Stat(r.path("/etc/nginx/snippets/thumbd-auth.conf"))
			if err != nil || fi.Mode().Perm() != 0o600 {
				t.Errorf("the mode of an edited file is %v, %v", fi.Mode(), err)
			}
			for _, left := range []string{"closed", "thumbd-closed", "dpkg-new", "rpmsave"} {
				if found, err := filepath.Glob(r.path("/etc/nginx/*/*." + left)); err != nil || len(found) > 0 {
					t.Errorf("left behind: %q, %v", found, err)
				}
			}
		})
	}
}

// closed returns a file of /etc/nginx as it is to be without the package.
func closed(t *testing.T, name, text string) string {
	t.Helper()
	shipped, err := os.ReadFile(filepath.Join(module, name))
	if err != nil {
		return text // thumbd.toml
	}
	switch name {
	case "nginx/snippets/thumbd-files.conf", "nginx/snippets/thumbd-original.conf":
		shipped = []byte("internal;\n")
	case "nginx/snippets/thumbd-auth.conf":
		shipped = []byte("deny all;\nset $thumbd_auth_reason \"\";\nset $thumbd_proof \"\";\n" +
			"set $thumbd_root $document_root;\nset $thumbd_original_cache \"private, no-store\";\n")
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) != "include "+share+"/"+name+";" {
			b.WriteString(line)
			continue
		}
		b.WriteString("# thumbd was removed: " + line + string(shipped) + "# thumbd was removed, end\n")
	}
	return b.String()
}

// linkedText is in a folder that is a link.
const linkedText = "server { include snippets/thumbd-auth.conf; }\n"

// nginx keeps the files that it still uses, and no others, if a deb is purged or an rpm
// removed.
func TestPurgeLeavesNginxWhatItUses(t *testing.T) {
	for text, stays := range map[string]bool{
		"server { include snippets/thumbd.conf; }\n":                   true,
		"server { location /a { auth_request_set $thumbd_proof 1; } }": true,
		"# include snippets/thumbd.conf;\nserver { }\n":                false,
		linkedText: true,
	} {
		for _, kind := range []string{"deb", "rpm"} {
			r := newRoot(t)
			if text == linkedText {
				err := errors.Join(os.MkdirAll(r.path("/srv/nginx"), 0o755), os.RemoveAll(r.path("/etc/nginx/sites-enabled")),
					os.MkdirAll(r.path("/etc/nginx"), 0o755), os.Symlink("../../srv/nginx", r.path("/etc/nginx/sites-enabled")))
				if err != nil {
					t.Fatal(err)
				}
			}
			if site := r.path("/etc/nginx/sites-enabled/thumbd.conf"); kind == "deb" {
				r.dpkg(t, "--install", deb(t))
				put(t, site, []byte(text), 0o644)
				r.dpkg(t, "--purge", "thumbd")
			} else {
				r.rpm(t, "--install", rpm(t))
				put(t, site, []byte(text), 0o644)
				r.rpm(t, "--erase", "thumbd")
			}
			for _, name := range placed {
				want := stays && strings.HasPrefix(name, "nginx/")
				if got := r.exists("/etc/" + name); got != want {
					t.Errorf("%s, %q: /etc/%s is there: %v, want %v", kind, text, name, got, want)
				}
			}
		}
	}
}
