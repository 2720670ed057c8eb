// SPDX-License-Identifier: MIT

package nginxconf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// dump is the output of nginx -T of a configuration in several files.
const dump = `# configuration file /etc/nginx/nginx.conf:
user www-data;
pid run/nginx.pid;
error_log stderr;
error_log logs/error.log warn;
events { worker_connections 1024; }
http {
	gzip on;
	include conf.d/*.conf;
	include /etc/nginx/sites/gallery;
}

# configuration file /etc/nginx/conf.d/thumbd.conf:
upstream thumbd {
	server unix:/run/thumbd/thumbd.sock;
}
# configuration file /etc/nginx/sites/gallery:
server {
	listen 80;
	gzip off;
	error_log syslog:server=unix:/dev/log;
	location /thumbs/ { root /var/cache/thumbd; }
}
`

// built is the output of nginx -V.
const built = `nginx version: nginx/1.22.1
built with OpenSSL 3.0.8
configure arguments: --prefix=/etc/nginx --conf-path=/etc/nginx/nginx.conf --pid-path=/run/nginx.pid --user=nobody --error-log-path=/var/log/nginx/error.log
`

// load returns the configuration of an nginx that prints built and a dump.
func load(t *testing.T, dump string, flags ...string) *Config {
	t.Helper()
	c, err := Read(built, []byte(dump), flags)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// servers returns the servers of the directives of an http block.
func servers(t *testing.T, http string) []*Server {
	t.Helper()
	return load(t, "# configuration file /etc/nginx/nginx.conf:\nhttp {\n"+http+"\n}\n").Servers()
}

func TestFilesThatAreIncluded(t *testing.T) {
	c := load(t, dump)
	want := []string{"/etc/nginx/nginx.conf", "/etc/nginx/conf.d/thumbd.conf", "/etc/nginx/sites/gallery"}
	if diff := cmp.Diff(want, c.Files); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if got := c.Upstream("thumbd"); got == nil || got.Where() != "/etc/nginx/conf.d/thumbd.conf:1" {
		t.Errorf("upstream %+v", got)
	}
	if got := c.Upstream("other"); got != nil {
		t.Errorf("an upstream that is not there: %+v", got)
	}
	location := c.Servers()[0].Locations()[0]
	if got, want := location.Where()+" "+location.Text(), "/etc/nginx/sites/gallery:5 location /thumbs/"; got != want {
		t.Errorf("location %q, want %q", got, want)
	}
	if c.HTTP()[0].IsOn("gzip") != true || location.IsOn("gzip") || location.IsOn("sendfile") {
		t.Error("gzip is on in http, off in the server and its location, and sendfile is not there")
	}
}

func TestMainDirectives(t *testing.T) {
	const empty = "# configuration file /etc/nginx/nginx.conf:\nevents {}\n"
	for name, tt := range map[string]struct {
		dump  string
		flags []string
		want  string // user, group, pid, log, connections
	}{
		"as written":    {dump, nil, `"www-data" "" /etc/nginx/run/nginx.pid "/etc/nginx/logs/error.log" 1024 /etc/nginx/nginx.conf:5`},
		"as built":      {empty, nil, `"nobody" "" /run/nginx.pid "/var/log/nginx/error.log" 512 /etc/nginx/nginx.conf:1`},
		"a group":       {empty + "user web media;", nil, `"web" "media" /run/nginx.pid "/var/log/nginx/error.log" 512 /etc/nginx/nginx.conf:1`},
		"by flags":      {empty + "pid my.pid;", []string{"-p", "/srv", "-e", "my.log", "-c", "/etc/nginx/nginx.conf"}, `"nobody" "" /srv/my.pid "/srv/my.log" 512 /etc/nginx/nginx.conf:1`},
		"no events":     {"# configuration file /etc/nginx/nginx.conf:\nuser web;\n", nil, `"web" "" /run/nginx.pid "/var/log/nginx/error.log" 512 /etc/nginx/nginx.conf`},
		"not a number":  {"# configuration file /etc/nginx/nginx.conf:\nevents { worker_connections many; }\n", nil, `"nobody" "" /run/nginx.pid "/var/log/nginx/error.log" 512 /etc/nginx/nginx.conf:1`},
		"a log nowhere": {empty + "error_log stderr;", nil, `"nobody" "" /run/nginx.pid "" 512 /etc/nginx/nginx.conf:1`},
	} {
		t.Run(name, func(t *testing.T) {
			c := load(t, tt.dump, tt.flags...)
			user, group := c.User()
			n, where := c.WorkerConnections()
			got := fmt.Sprintf("%q %q %s %q %d %s", user, group, c.PIDFile(), c.ErrorLog(c.main), n, where)
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
	if c := load(t, dump); c.Version != "1.22.1" || c.ErrorLog(c.Servers()[0].Block) != "" {
		t.Errorf("version %q, log of the server %q, want 1.22.1 and none: syslog is no file", c.Version, c.ErrorLog(c.Servers()[0].Block))
	}
}

// A relative -c is below the prefix.
func TestFileOfAFlag(t *testing.T) {
	if got, want := describe(built, []string{"-p", "/srv/web", "-c", "conf/my.conf"}).File, "/srv/web/conf/my.conf"; got != want {
		t.Errorf("file %s, want %s", got, want)
	}
}

func TestListens(t *testing.T) {
	for listen, want := range map[string]Listen{
		"8080":                        {Network: "tcp", Address: ":8080"},
		"*:80":                        {Network: "tcp", Address: ":80"},
		"0.0.0.0:81 default_server":   {Network: "tcp", Address: ":81", Default: true},
		"127.0.0.1":                   {Network: "tcp", Address: "127.0.0.1:80"},
		"a.example:443 ssl":           {Network: "tcp", Address: "a.example:443", TLS: true},
		"[::]:80":                     {Network: "tcp", Address: "[::]:80"},
		"[::1]":                       {Network: "tcp", Address: "[::1]:80"},
		"443 quic":                    {Network: "udp", Address: ":443"},
		"unix:/run/n.sock":            {Network: "unix", Address: "/run/n.sock"},
		"127.0.0.1:82 proxy_protocol": {Network: "tcp", Address: "127.0.0.1:82", Proxy: true},
	} {
		got := servers(t, "server { listen "+listen+"; }")[0].Listens
		if diff := cmp.Diff([]Listen{want}, got); diff != "" {
			t.Errorf("listen %s (-want +got):\n%s", listen, diff)
		}
	}
	port := ":8000"
	if os.Geteuid() == 0 {
		port = ":80"
	}
	if got := servers(t, "server {}")[0].Listens; len(got) != 1 || got[0].Address != port {
		t.Errorf("without listen: %+v, want %s", got, port)
	}
}

func TestPick(t *testing.T) {
	all := servers(t, `
server { listen 80; server_name first.example; }
server { listen 80; server_name Exact.example .dot.example; }
server { listen 80; server_name *.example; }
server { listen 80; server_name *.long.example; }
server { listen 80; server_name www.*; }
server { listen 80; server_name ~^r[0-9]+\.; server_name ~[; }
server { listen 81; server_name a.example; }
server { listen 81 default_server; server_name b.example; }`)
	for at, hosts := range map[string]map[string]string{
		":80": {
			"exact.example": "exact.example .dot.example", "dot.example": "exact.example .dot.example", "x.dot.example": "exact.example .dot.example",
			"x.example": "*.example", "x.long.example": "*.long.example", "long.example": "*.example", "example": "first.example",
			"www.org": "www.*", "www.example": "*.example", "R12.org": "~^r[0-9]+\\. ~[", "other": "first.example",
		},
		":81": {"a.example": "a.example", "exact.example": "b.example"},
		":82": {"a.example": "none"},
	} {
		for host, want := range hosts {
			got := "none"
			if s := Pick(all, Listen{Network: "tcp", Address: at}, host); s != nil {
				got = strings.Join(s.Names, " ")
			}
			if got != want {
				t.Errorf("%s at %s: %q, want %q", host, at, got, want)
			}
		}
	}
}

func TestFile(t *testing.T) {
	s := servers(t, `
server {
	root /srv;
	location /a/ { }
	location /b/ { root /b; location /b/c/ { } }
	location /c/ { alias /elsewhere/; }
	location /d/ { root /sites/$host; }
	location ~ ^/e/ { alias /elsewhere/; }
}
server { location / { } }`)
	for uri, want := range map[string]string{
		"/x": "/srv/x", "/a/x": "/srv/a/x", "/b/x": "/b/b/x", "/b/c/x": "/b/b/c/x", "/c/x": "/elsewhere/x", "/d/x": "unknown", "/e/x": "unknown",
	} {
		got, ok := s[0].File(s[0].Locate(uri), uri)
		if !ok {
			got = "unknown"
		}
		if got != want {
			t.Errorf("%s: %s, want %s", uri, got, want)
		}
	}
	if got, ok := s[1].File(s[1].Locate("/x"), "/x"); ok {
		t.Errorf("without a root: %s", got)
	}
}

func TestLocations(t *testing.T) {
	s := servers(t, `
server {
	location / { location /inner/ { } }
	location ^~/tight/ { }
	location ~*\.png$ { }
	location ~ \.(jpg { }
	location = /exact { }
	location @named { }
}`)[0]
	var got []string
	for _, l := range s.Locations() {
		got = append(got, l.Modifier+" "+l.Pattern)
	}
	want := []string{" /", " /inner/", "^~ /tight/", `~* \.png$`, `~ \.(jpg`, "= /exact", " @named"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("locations (-want +got):\n%s", diff)
	}
	for uri, want := range map[string]string{
		"/x": "/", "/inner/x": "/inner/", "/inner/x.PNG": `\.png$`, "/tight/x.png": "/tight/", "/exact": "/exact", "/x.jpg": "/", "/@named": "/",
	} {
		if got := s.Locate(uri); got == nil || got.Pattern != want {
			t.Errorf("%s: %+v, want %s", uri, got, want)
		}
	}
	if l := s.Named("@named"); l == nil || At(l.Block).Pattern != "@named" || s.Named("@other") != nil {
		t.Errorf("named: %+v", l)
	}
	if s.Exact("/inner/") == nil || s.Exact("/exact") != nil || s.Exact("/none/") != nil {
		t.Error("Exact finds prefixes alone, wherever they are nested")
	}
}

func TestLacks(t *testing.T) {
	parse := func(text string) *Block {
		t.Helper()
		b, err := Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	want := parse("location @thumbd { proxy_pass http://thumbd; gzip off; } etag off;")
	for have, lacks := range map[string]string{
		"etag off; location @thumbd { gzip off; internal; proxy_pass http://thumbd; }": "",
		"etag off; location @thumbd { proxy_pass http://thumbd; }":                     "gzip off",
		"etag off; location @other { proxy_pass http://thumbd; gzip off; }":            "location @thumbd",
		"etag on; location @thumbd { proxy_pass http://thumbd; gzip off; }":            "etag off",
	} {
		got := ""
		if b := parse(have).Lacks(want); b != nil {
			got = b.Text()
		}
		if got != lacks {
			t.Errorf("%s lacks %q, want %q", have, got, lacks)
		}
	}
	if b := parse("etag off;").First("etag"); b.Arg(0) != "off" || b.Arg(1) != "" {
		t.Errorf("arguments %q, %q", b.Arg(0), b.Arg(1))
	}
}

func TestTextOfABlock(t *testing.T) {
	location := servers(t, "server { listen 80; location ~* \\.(sql|bak)$ { deny   all; # a comment\n\nif ($x = 'a b') { return 403; } } }")[0].Locations()[0]
	want := []string{
		`location ~* "\.(sql|bak)$" {`,
		`    deny all;`,
		`    if ($x = "a b") {`,
		`        return 403;`,
		`    }`,
		`}`,
	}
	got, err := location.Lines()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

// If nginx refuses its configuration, the error has nginx's words, and the files
// are read as they are.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	file, program := filepath.Join(dir, "nginx.conf"), filepath.Join(dir, "nginx")
	script := "#!/bin/sh\ncase \"$*\" in\n*-V*) echo 'nginx version: nginx/1.26.0' >&2;;\n" +
		"*) echo 'nginx: [warn] old' >&2; echo 'nginx: [emerg] unknown directive \"tyop\"' >&2; exit 1;;\nesac\n"
	if err := errors.Join(os.WriteFile(file, []byte("tyop on;\nhttp { server { listen 8080; } }\n"), 0o644), os.WriteFile(program, []byte(script), 0o755)); err != nil {
		t.Fatal(err)
	}
	c, err := Load(t.Context(), []string{program, "-c", file})
	if !errors.Is(err, ErrRefused) || !strings.HasSuffix(err.Error(), `: nginx: [emerg] unknown directive "tyop"`) {
		t.Errorf("error %v", err)
	}
	if c == nil || len(c.Servers()) != 1 || c.Version != "1.26.0" {
		t.Fatalf("%+v", c)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if c, err := Load(t.Context(), []string{program, "-c", file}); c != nil || !errors.Is(err, ErrRefused) {
		t.Errorf("without the file: %+v, %v", c, err)
	}
	if _, err := Load(t.Context(), []string{filepath.Join(dir, "none")}); err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("without nginx: %v", err)
	}
}
