// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/asuser"
	"thumbd/internal/config"
	"thumbd/internal/newsite"
	"thumbd/internal/route"
	"thumbd/internal/systemd"
	"thumbd/internal/thumb"
)

// nginxOf writes a configuration of nginx with the directives http in its http block, in
// which DIR is the folder of the file, and returns the command that runs nginx with it.
func nginxOf(t *testing.T, dir, http string) []string {
	t.Helper()
	nginx := nginxProgram()
	if _, err := exec.LookPath(nginx); err != nil {
		t.Skip(err)
	}
	const text = `error_log stderr;
pid DIR/pid;
events {}
http {
    access_log off;
    client_body_temp_path DIR/t;
    proxy_temp_path DIR/t;
    fastcgi_temp_path DIR/t;
    uwsgi_temp_path DIR/t;
    scgi_temp_path DIR/t;
HTTP}
`
	file := filepath.Join(dir, "nginx.conf")
	conf := strings.ReplaceAll(strings.Replace(text, "HTTP", http, 1), "DIR", dir)
	if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	return []string{nginx, "-e", "stderr", "-c", file}
}

// A file that the server block includes already is not named once more, and each
// other one is.
func TestInclusionsOfAServerAreLeftOut(t *testing.T) {
	dir := t.TempDir()
	const servers = `    server {
        server_name a.example;
        location @thumbd { return 404; }
    }
    server {
        server_name B.example;
        location @thumbd { return 404; }
        location @thumbd_inplace { return 404; }
    }
    server {
        server_name c.example;
    }
`
	command := nginxOf(t, dir, servers)
	both := []string{"include snippets/thumbd.conf;", "include snippets/thumbd-inplace.conf;"}
	for _, tt := range []struct {
		hosts   []string
		scheme  thumb.Scheme
		command []string
		want    []string
	}{
		{[]string{"c.example"}, thumb.Signed, command, both[:1]},
		{[]string{"a.example"}, thumb.Signed, command, nil},
		{[]string{"a.example"}, thumb.InPlace, command, both[1:]},
		{[]string{"b.example"}, thumb.InPlace, command, nil},
		{[]string{"c.example"}, thumb.InPlace, command, both},
		{nil, thumb.InPlace, command, nil},
		{nil, thumb.InPlace, []string{filepath.Join(dir, "no-nginx")}, both},
	} {
		s := &config.Site{Originals: "/srv/media", Thumb: thumb.Site{
			Route: route.Route{Name: "uploads", Prefix: "/uploads/", Hosts: tt.hosts}, DocumentRoot: "/srv/thumbs", Scheme: tt.scheme, Negotiate: thumb.Variants(),
		}}
		lines := nginxLines(t.Context(), s, tt.command)
		got := slices.DeleteFunc(lines, func(line string) bool { return !strings.HasPrefix(line, "include ") })
		if diff := cmp.Diff(strings.Join(tt.want, "\n"), strings.Join(got, "\n")); diff != "" {
			t.Errorf("%v, %v (-want +got):\n%s", tt.hosts, tt.scheme, diff)
		}
	}
}

// Locations of the server that restrict files below the prefix of a site that serves
// originals are nested in its location, as they are, and nginx takes these lines.
func TestRestrictionsOfAServerAreNested(t *testing.T) {
	dir := t.TempDir()
	ours, err := filepath.Abs("../../nginx/conf.d/thumbd.conf")
	if err != nil {
		t.Fatal(err)
	}
	write := func(lines []string) []string {
		t.Helper()
		const http = `    include OURS;
    server {
        server_name other.example;
        location ~ \.zip$ { deny all; }
    }
    server {
        server_name blog.example;
        root DIR/www;
        location ~ \.php$ { fastcgi_pass unix:DIR/php; }
        location ~* "^/uploads/(private|x{2})/" { if ($http_cookie = "a b") { return 403 "no;"; } proxy_pass http://127.0.0.1:9; }
        location ~ (^|/)\. { return 404; }
        location ~ /\.git { deny all; }
        location ~ \.(jpg|png)$ { expires 1d; }
        location ~ ^/admin/ { deny all; }
        location ~ \.sql$ { deny all; }
        LINES
    }
`
		return nginxOf(t, dir, strings.NewReplacer("OURS", ours, "LINES", strings.Join(lines, "\n")).Replace(http))
	}
	command := write(nil)
	want := strings.Split(`    location ~* \.(?:php\d*|phtml|phar)$ { deny all; }
    location ~* "^/uploads/(private|x{2})/" {
        if ($http_cookie = "a b") {
            return 403 "no;";
        }
        proxy_pass http://127.0.0.1:9;
    }
    location ~ (^|/)\. {
        return 404;
    }
    location ~ "\.sql$" {
        deny all;
    }
}`, "\n")
	for _, hosts := range [][]string{{"blog.example"}, nil} {
		s := &config.Site{Originals: dir + "/www/uploads", Thumb: thumb.Site{
			Route: route.Route{Name: "uploads", Prefix: "/uploads/", Hosts: hosts}, DocumentRoot: "/srv/thumbs", Scheme: thumb.InPlace, Negotiate: thumb.Variants(),
		}}
		lines := nginxLines(t.Context(), s, command)
		from := slices.Index(lines, want[0])
		if diff := cmp.Diff(want, lines[max(from, 0):min(len(lines), from+len(want))]); diff != "" {
			t.Errorf("%v (-want +got):\n%s", hosts, diff)
		}
		check := write(slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return strings.Contains(line, "include ") }))
		if out, err := exec.CommandContext(t.Context(), check[0], append(check[1:], "-t")...).CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", hosts, err, out)
		}
		command = write(nil)
	}
}

// The command that init shows is one that thumbd url takes.
func TestTheLineToTryIsRight(t *testing.T) {
	for _, scheme := range []thumb.Scheme{thumb.Signed, thumb.PresetScheme, thumb.RestThumbnails, thumb.InPlace} {
		s := &config.Site{Originals: t.TempDir(), Thumb: thumb.Site{
			Route: route.Route{Name: "a", Prefix: "/a/"}, Scheme: scheme, Presets: thumb.DefaultPresets(), Negotiate: thumb.Variants(),
			MaxWidth: 1000, MaxHeight: 1000, Formats: []thumb.Format{thumb.JPEG}, Keys: [][]byte{[]byte("key")},
		}}
		args := strings.Fields(tryLine(s))
		var f urlFlags
		if i := slices.Index(args, "--preset"); i > 0 {
			f.preset = args[i+1]
		}
		words := args[3:slices.Index(args, "--base")]
		words[0] = "picture.jpg"
		if _, err := f.thumbnail(&s.Thumb, words); err != nil {
			t.Errorf("%v: %s: %v", scheme, strings.Join(args, " "), err)
		}
	}
}

// The steps name no systemctl on a machine that systemd does not run, and the drop-in
// of the unit on one that it runs. What the service's user can't read is named with its
// cure.
func TestStepsAreForTheMachine(t *testing.T) {
	self, err := asuser.Self()
	if err != nil {
		t.Fatal(err)
	}
	home := added(t, "/home/me/pictures", "/srv/small")
	for booted, want := range map[bool][]string{
		true: {
			"systemctl edit thumbd.service", "ProtectHome=tmpfs", "BindReadOnlyPaths=/home/me/pictures", "ReadWritePaths=/srv/small",
			"install -d -o thumbd /srv/small", "systemctl try-restart thumbd.service", "systemctl reload nginx",
		},
		false: {"install -d -o " + self.Name + " /srv/small", "signal HUP", "nginx -t && nginx -s reload"},
	} {
		text := steps(t, home, newMachine(onlooker{User: self}, booted))
		for _, line := range want {
			if !strings.Contains(text, line) {
				t.Errorf("booted %v: no %q in\n%s", booted, line, text)
			}
		}
		if got := strings.Contains(text, "systemctl"); got != booted {
			t.Errorf("booted %v:\n%s", booted, text)
		}
	}
	if text := steps(t, added(t, t.TempDir(), "/var/cache/thumbd/a"), newMachine(onlooker{User: self, Note: "nobody knows"}, true)); !strings.Contains(text, "\nNote: nobody knows.\n") {
		t.Errorf("no note in\n%s", text)
	}
}

func TestStepsLetTheServiceReadOriginals(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can look as another user")
	}
	nobody, err := asuser.Lookup("nobody", "")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	pictures := filepath.Join(dir, "app", "pictures")
	if err := os.MkdirAll(pictures, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(pictures, "a.jpg"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	above := "setfacl -m u:nobody:x " + filepath.Join(dir, "app")
	if systemd.Binds(pictures) { // TMPDIR can be elsewhere
		text := steps(t, added(t, pictures, "/var/cache/thumbd/a"), newMachine(onlooker{User: nobody}, true))
		if strings.Contains(text, above) || !strings.Contains(text, "BindReadOnlyPaths="+pictures) || !strings.Contains(text, ":rX "+pictures+"\n") {
			t.Errorf("with the folder bound:\n%s", text)
		}
	}
	text := steps(t, added(t, pictures, "/var/cache/thumbd/a"), newMachine(onlooker{User: nobody}, false))
	for _, want := range []string{
		"user nobody can't read " + pictures, filepath.Join(dir, "app"),
		"\n    setfacl -m u:nobody:x " + filepath.Join(dir, "app") + "\n",
		"\n    setfacl -R -m u:nobody:rX -m d:u:nobody:rX " + pictures + "\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func added(t *testing.T, originals, root string) newsite.Added {
	t.Helper()
	s := &config.Site{Originals: originals, OriginalFormats: thumb.DefaultFormats()}
	s.Thumb = thumb.Site{Route: route.Route{Name: "a", Prefix: "/a/"}, DocumentRoot: root, Scheme: thumb.Signed}
	return newsite.Added{File: "a.toml", Site: s}
}

func steps(t *testing.T, a newsite.Added, m machine) string {
	t.Helper()
	var b strings.Builder
	if err := writeSteps(&b, a, []string{"a line"}, m); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
