// SPDX-License-Identifier: MIT

package packages

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What both packages hold, beside the examples. The letter c marks what an
// upgrade leaves as the administrator has made it.
const both = `
-rwxr-xr-x - /usr/bin/thumbd
-rw-r--r-- - /usr/lib/systemd/system/thumbd-admin.socket
-rw-r--r-- - /usr/lib/systemd/system/thumbd-gc.service
-rw-r--r-- - /usr/lib/systemd/system/thumbd-gc.timer
-rw-r--r-- - /usr/lib/systemd/system/thumbd-metrics.socket
-rw-r--r-- - /usr/lib/systemd/system/thumbd.service
-rw-r--r-- - /usr/lib/systemd/system/thumbd.socket
-rw-r--r-- - /usr/lib/sysusers.d/thumbd.conf
-rw-r--r-- - /usr/lib/tmpfiles.d/thumbd.conf
-rwxr-xr-x - /usr/libexec/thumbd/thumbd-render
-rw-r--r-- - /usr/share/bash-completion/completions/thumbd
-rw-r--r-- - /usr/share/doc/thumbd/changelog.gz
-rw-r--r-- - /usr/share/doc/thumbd/thumbd.toml
-rw-r--r-- - /usr/share/fish/vendor_completions.d/thumbd.fish
-rw-r--r-- - /usr/share/thumbd/nginx/conf.d/thumbd.conf
-rw-r--r-- - /usr/share/thumbd/nginx/snippets/thumbd-auth.conf
-rw-r--r-- - /usr/share/thumbd/nginx/snippets/thumbd-files.conf
-rw-r--r-- - /usr/share/thumbd/nginx/snippets/thumbd-front.conf
-rw-r--r-- - /usr/share/thumbd/nginx/snippets/thumbd-inplace.conf
-rw-r--r-- - /usr/share/thumbd/nginx/snippets/thumbd-node.conf
-rw-r--r-- - /usr/share/thumbd/nginx/snippets/thumbd-original.conf
-rw-r--r-- - /usr/share/thumbd/nginx/snippets/thumbd-proxy.conf
-rw-r--r-- - /usr/share/thumbd/nginx/snippets/thumbd.conf
-rw-r--r-- - /usr/share/man/man5/thumbd.toml.5.gz
-rw-r--r-- - /usr/share/man/man7/thumbd-admin.7.gz
-rw-r--r-- - /usr/share/man/man7/thumbd-nodes.7.gz
-rw-r--r-- - /usr/share/man/man7/thumbd-url.7.gz
-rw-r--r-- - /usr/share/man/man8/thumbd-doctor.8.gz
-rw-r--r-- - /usr/share/man/man8/thumbd-render.8.gz
-rw-r--r-- - /usr/share/man/man8/thumbd.8.gz
`

const debOnly = `
-rw-r--r-- - /usr/share/doc/thumbd/changelog.Debian.gz
-rw-r--r-- - /usr/share/doc/thumbd/copyright
-rw-r--r-- - /usr/share/doc/thumbd/third-party.gz
-rw-r--r-- - /usr/share/lintian/overrides/thumbd
-rw-r--r-- - /usr/share/thumbd/etc/nginx/conf.d/thumbd.conf
-rw-r--r-- - /usr/share/thumbd/etc/nginx/snippets/thumbd-auth.conf
-rw-r--r-- - /usr/share/thumbd/etc/nginx/snippets/thumbd-files.conf
-rw-r--r-- - /usr/share/thumbd/etc/nginx/snippets/thumbd-front.conf
-rw-r--r-- - /usr/share/thumbd/etc/nginx/snippets/thumbd-inplace.conf
-rw-r--r-- - /usr/share/thumbd/etc/nginx/snippets/thumbd-node.conf
-rw-r--r-- - /usr/share/thumbd/etc/nginx/snippets/thumbd-original.conf
-rw-r--r-- - /usr/share/thumbd/etc/nginx/snippets/thumbd-proxy.conf
-rw-r--r-- - /usr/share/thumbd/etc/nginx/snippets/thumbd.conf
-rw-r--r-- - /usr/share/thumbd/etc/thumbd/thumbd.toml
-rw-r--r-- - /usr/share/zsh/vendor-completions/_thumbd
`

const rpmOnly = `
-rw-r--r-- c /etc/nginx/conf.d/thumbd.conf
-rw-r--r-- c /etc/nginx/snippets/thumbd-auth.conf
-rw-r--r-- c /etc/nginx/snippets/thumbd-files.conf
-rw-r--r-- c /etc/nginx/snippets/thumbd-front.conf
-rw-r--r-- c /etc/nginx/snippets/thumbd-inplace.conf
-rw-r--r-- c /etc/nginx/snippets/thumbd-node.conf
-rw-r--r-- c /etc/nginx/snippets/thumbd-original.conf
-rw-r--r-- c /etc/nginx/snippets/thumbd-proxy.conf
-rw-r--r-- c /etc/nginx/snippets/thumbd.conf
-rw-r--r-- c /etc/thumbd/thumbd.toml
-rw-r--r-- - /usr/lib/systemd/system-preset/80-thumbd.preset
-rw-r--r-- - /usr/share/licenses/thumbd/LICENSE
-rw-r--r-- - /usr/share/licenses/thumbd/third-party.gz
-rw-r--r-- - /usr/share/zsh/site-functions/_thumbd
`

// share has what the packages replace, and what postinst of the deb places.
const share = "/usr/share/thumbd"

const examples = "/usr/share/doc/thumbd/examples/"

// want returns the lines of lists and the examples', sorted.
func want(t *testing.T, lists ...string) []string {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(strings.Join(lists, "")), "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool { return l == "" })
	tracked := output(t, "git", "ls-files", "packaging/examples", "packaging/clients", "testdata/vectors")
	for name := range strings.FieldsSeq(tracked) {
		for _, prefix := range []string{"packaging/examples/", "packaging/", "testdata/"} {
			if below, ok := strings.CutPrefix(name, prefix); ok {
				name = below
				break
			}
		}
		lines = append(lines, "-rw-r--r-- - "+examples+name)
	}
	slices.Sort(lines)
	return lines
}

func TestDebFiles(t *testing.T) {
	// dpkg would ask about one that thumbd init has changed.
	if control := output(t, "dpkg-deb", "--info", deb(t)); strings.Contains(control, "conffiles") {
		t.Errorf("the deb has conffiles:\n%s", control)
	}
	var got []string
	for path, f := range debFiles(t, deb(t)) {
		if f.header.Uid != 0 || f.header.Gid != 0 {
			t.Errorf("%s: belongs to %d:%d, want root", path, f.header.Uid, f.header.Gid)
		}
		mode := f.header.FileInfo().Mode()
		if mode.IsDir() {
			if mode.Perm() != 0o755 {
				t.Errorf("%s: mode %v, want 0755", path, mode.Perm())
			}
			continue
		}
		got = append(got, fmt.Sprintf("%v - %s", mode, path))
	}
	slices.Sort(got)
	if diff := cmp.Diff(want(t, both, debOnly), got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestRpmFiles(t *testing.T) {
	lines := query(t, rpm(t), `[%{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} -%{FILEFLAGS:fflags} %{FILENAMES}\n]`)
	var got []string
	for line := range strings.Lines(lines) {
		var mode, owner, flags, path string
		if _, err := fmt.Sscan(line, &mode, &owner, &flags, &path); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if owner != "root:root" {
			t.Errorf("%s: belongs to %s, want root", path, owner)
		}
		if mode[0] == 'd' {
			if mode != "drwxr-xr-x" {
				t.Errorf("%s: mode %s, want 0755", path, mode)
			}
			continue
		}
		// A changed one is kept, and the new one laid beside it.
		mark := "-"
		if strings.ContainsRune(flags, 'c') && strings.ContainsRune(flags, 'n') {
			mark = "c"
		}
		got = append(got, fmt.Sprintf("%s %s %s", mode, mark, path))
	}
	slices.Sort(got)
	if diff := cmp.Diff(want(t, both, rpmOnly), got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// What lies in both at the same place is the same, but for nginx's group.
func TestDebAndRpmHoldTheSame(t *testing.T) {
	digests := map[string]string{}
	for line := range strings.Lines(query(t, rpm(t), `[%{FILEDIGESTS} %{FILENAMES}\n]`)) {
		if digest, path, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			digests[path] = digest
		}
	}
	var differ []string
	for path, f := range debFiles(t, deb(t)) {
		digest, ok := digests[path]
		if ok && f.header.FileInfo().Mode().IsRegular() && digest != fmt.Sprintf("%x", sha256.Sum256(f.body)) {
			differ = append(differ, path)
		}
	}
	slices.Sort(differ)
	want := []string{"/usr/lib/systemd/system/thumbd.socket", "/usr/lib/sysusers.d/thumbd.conf"}
	if diff := cmp.Diff(want, differ); diff != "" {
		t.Errorf("what differs (-want +got):\n%s", diff)
	}
}

// Each package's socket is for the nginx of its distributions.
func TestSocketGroup(t *testing.T) {
	socket := string(debFiles(t, deb(t))["/usr/lib/systemd/system/thumbd.socket"].body)
	if !strings.Contains(socket, "\nSocketGroup=www-data\n") {
		t.Errorf("deb: no SocketGroup=www-data in\n%s", socket)
	}
	for path, want := range map[string]string{
		"/usr/lib/systemd/system/thumbd.socket": "\nSocketGroup=nginx\n",
		"/usr/lib/sysusers.d/thumbd.conf":       "\ng nginx -\n",
	} {
		got := output(t, "sh", "-c", `rpm2cpio "$1" | cpio --quiet --to-stdout -i "*$2"`, "-", rpm(t), path)
		if !strings.Contains(got, want) {
			t.Errorf("rpm: %s: no %q in\n%s", path, want, got)
		}
	}
}

// nginx takes the packaged files as they are: those of /etc include those of
// /usr/share.
func TestNginxTakesPackagedFiles(t *testing.T) {
	dir := t.TempDir()
	for path, f := range debFiles(t, deb(t)) {
		name, ok := strings.CutPrefix(path, share+"/")
		if ok && strings.Contains(path, "/nginx/") && !f.header.FileInfo().IsDir() {
			put(t, filepath.Join(dir, name), bytes.ReplaceAll(f.body, []byte(share), []byte(dir)), 0o644)
		}
	}
	dir = filepath.Join(dir, "etc/nginx")
	put(t, filepath.Join(dir, "sites-enabled/a"), []byte(userOfAll), 0o644)
	nginxTakes(t, dir)
}

// userOfAll is a server block with each file that the packages have for one.
const userOfAll = `server {
	listen unix:server.sock;
	location ^~ /thumbs/ {
		root /var/cache/thumbd/gallery;
		try_files $uri$thumbd_variant @thumbd;
		include snippets/thumbd-auth.conf;
	}
	location ^~ /documents/ { include snippets/thumbd-files.conf; }
	location ^~ /_thumbd/original/ { include snippets/thumbd-original.conf; }
	location @own { include snippets/thumbd-proxy.conf; }
	include snippets/thumbd.conf;
	include snippets/thumbd-inplace.conf;
}
`

// nginxTakes fails the test unless nginx starts with conf.d and sites-enabled of dir.
func nginxTakes(t *testing.T, dir string) {
	t.Helper()
	put(t, filepath.Join(dir, "nginx.conf"), []byte(`
pid nginx.pid; error_log stderr; events {}
http {
	access_log off;
	client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t; scgi_temp_path t;
	include conf.d/*.conf;
	include sites-enabled/*;
}`), 0o644)
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	output(t, "nginx", "-t", "-q", "-p", dir+"/", "-c", filepath.Join(dir, "nginx.conf"))
}

// put writes a file, and the folders that it needs.
func put(t *testing.T, path string, body []byte, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, body, mode); err != nil {
		t.Fatal(err)
	}
}
