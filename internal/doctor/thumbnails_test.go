// SPDX-License-Identifier: MIT

package doctor

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thumbd/internal/admin"
	"thumbd/internal/config"
	"thumbd/internal/doctor/probe"
	"thumbd/internal/nginxconf"
	"thumbd/internal/thumb"
)

// answer is an answer of nginx with a status and headers such as "ETag: x".
func answer(status int, headers ...string) probe.Answer {
	a := probe.Answer{Status: status, Header: make(http.Header)}
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		a.Header.Set(name, value)
	}
	return a
}

func TestMeaningOfAnswers(t *testing.T) {
	v := &visit{managed: true}
	for _, tt := range []struct {
		answer     probe.Answer
		what, cure string
	}{
		{probe.Answer{Err: unix.ECONNREFUSED}, "nobody listens there", startNginx},
		{probe.Answer{Err: errors.New("EOF")}, "EOF", reloadNginx},
		{answer(403, "X-Thumbd-Reason: signature"), "403, signature: the daemon has another configuration", "systemctl restart thumbd.service"},
		{answer(404, "X-Thumbd-Reason: no-site"), "another configuration", "systemctl restart thumbd.service"},
		{answer(403, "X-Thumbd-Reason: not-asked"), "has not asked", "include snippets/thumbd-auth.conf;"},
		{answer(415, "X-Thumbd-Reason: unsupported"), "it is answered 415, unsupported", "ANSWERS in thumbd-url(7)"},
		{answer(502), "nginx does not get to thumbd", "systemctl restart thumbd.socket"},
		{answer(504), "nginx does not get to thumbd", "systemctl restart thumbd.socket"},
		{answer(403), "disable_symlinks", "error log"},
		{answer(401), "auth_basic", "auth_basic off;"},
		{answer(404), "another server block answers", reloadNginx},
		{answer(301), "another server block answers", reloadNginx},
		{answer(500), "it is answered 500", journal},
	} {
		what, cure := v.explain(tt.answer)
		if !strings.Contains(what, tt.what) || !strings.Contains(strings.Join(cure, "\n"), tt.cure) {
			t.Errorf("%d %v: %q with the cure %q, want %q with %q", tt.answer.Status, tt.answer.Header, what, cure, tt.what, tt.cure)
		}
	}
}

// small returns a visit whose nginx serves the site small on two addresses, and a
// Probe of the site.
func small(t *testing.T) (*visit, *probe.Probe) {
	t.Helper()
	in := install(t)
	write(t, filepath.Join(in.dir, "originals/a.jpg"), "\xff\xd8\xff")
	v := in.sound(t)
	conf := strings.Replace(in.conf(v.config), "listen 80;\n        server_name small", "listen 127.0.0.1:8443 ssl; listen 80; server_name small", 1)
	in.read(t, v, conf)
	v.sites(t.Context())
	i := 0
	for v.config.Sites[i].Thumb.Name != "small" {
		i++
	}
	probes := probe.New(&v.config.Sites[i], []string{"a.jpg"}, 1)
	if len(probes) != 1 {
		t.Fatalf("%d probes", len(probes))
	}
	return v, probes[0]
}

func TestHits(t *testing.T) {
	for name, tt := range map[string]struct {
		answer probe.Answer
		want   []string
		part   string
	}{
		"a file":              {answer: answer(200, "ETag: \"1\"")},
		"a file without ETag": {answer: answer(200, "Accept-Ranges: bytes")},
		"sent by thumbd":      {answer: answer(200), want: []string{"probe-hit"}, part: "compare root, try_files and open_file_cache of /etc/nginx/nginx.conf:"},
		"not found":           {answer: answer(404), want: []string{"probe-hit"}, part: "is published, and not served through"},
	} {
		t.Run(name, func(t *testing.T) {
			v, p := small(t)
			v.hit(p, v.entrances["small"][0], tt.answer, time.Now())
			v.wants(t, tt.part, tt.want...)
		})
	}
}

func TestRedirects(t *testing.T) {
	v, p := small(t)
	for to, want := range map[string]string{
		"https://small.example" + p.Line():       "127.0.0.1:8443",
		"http://b.b.example" + p.Line():          "127.0.0.1:80",
		"https://small.example/other.jpg":        "",
		"https://elsewhere.example:1" + p.Line(): "127.0.0.1:8443",
		p.Line():                                 "",
	} {
		r, ok := v.redirected(p, answer(301, "Location: "+to))
		if ok != (want != "") || ok && r.way().Address != want {
			t.Errorf("%s: %v through %q, want %q", to, ok, r.way().Address, want)
		}
	}
	for _, status := range []int{200, 404} {
		if _, ok := v.redirected(p, answer(status, "Location: https://small.example"+p.Line())); ok {
			t.Errorf("%d is taken for a redirect", status)
		}
	}
}

// What can't be tried is not, and the check says why.
func TestSitesThatAreNotTried(t *testing.T) {
	for site, want := range map[string]string{
		"uploads": "its clients get the original first",
		"blog":    "its URIs follow from the sizes of originals",
		"news":    "its originals do not answer",
		"gallery": "nothing to try",
	} {
		in := install(t)
		v := in.sound(t)
		in.read(t, v, in.conf(v.config))
		v.sites(t.Context())
		v.host = &admin.Report{User: self(t).Name, Troubles: []admin.Trouble{{Kind: "share", Name: "news"}}}
		for i := range v.config.Sites {
			s := &v.config.Sites[i]
			if s.Thumb.Name != site {
				continue
			}
			if said := v.try(t.Context(), s); !strings.Contains(said, want) {
				t.Errorf("%s: %q, want %q", site, said, want)
			}
			delete(v.entrances, site)
			if said := v.try(t.Context(), s); said != "not tried" {
				t.Errorf("%s without a entrance: %q", site, said)
			}
		}
		names := []string{"probe-untried"}
		if site == "gallery" {
			names = []string{"no-original", "probe-untried"}
		}
		v.wants(t, "", names...)
	}
}

func TestThumbnailsAreSkipped(t *testing.T) {
	conf, thumbd := &nginxconf.Config{}, &config.Config{}
	for want, v := range map[string]*visit{
		"both configurations": {conf: conf},
		"of itself":           {conf: conf, config: thumbd},
		"nginx does not run":  {conf: conf, config: thumbd, host: &admin.Report{}, result: Result{Findings: []Finding{{Name: "nginx-not-running"}}}},
		"no sites":            {conf: conf, config: thumbd, host: &admin.Report{}},
	} {
		v.now.Status = OK
		if said := v.thumbnails(t.Context()); !strings.Contains(said, want) || v.now.Status != Skipped {
			t.Errorf("%s: %q, and the check is %s", want, said, v.now.Status)
		}
	}
}

// The last lines of nginx's error log about a URI are told.
func TestErrorLogOfALocation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "error.log")
	now := time.Now()
	line := now.Format("2006/01/02 15:04:05") + " [crit] 7#7: open() failed, request: \"GET /a.jpg\""
	write(t, path, strings.Repeat("x", 2*maxTail)+"\n"+line+"\n")
	v := &visit{}
	(&installation{}).read(t, v, "error_log "+path+";\nhttp { server { listen 80; location / { } } }\n")
	at := v.conf.Servers()[0].Block
	if got := v.logged(at, "/a.jpg", now); !strings.HasPrefix(got, "; nginx's error log: [crit]") {
		t.Errorf("said %q", got)
	}
	for name, got := range map[string]string{"of another URI": v.logged(at, "/b.jpg", now), "of later": v.logged(at, "/a.jpg", now.Add(2*time.Second))} {
		if got != "" {
			t.Errorf("%s: said %q", name, got)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := v.logged(at, "/a.jpg", now); got != "" {
		t.Errorf("without a log: %q", got)
	}
}

func TestNamesOfServers(t *testing.T) {
	for want, names := range map[string][]string{
		"www.example":           {"www.example"},
		"thumbd-doctor.example": {"*.example"},
		"b.example":             {".b.example"},
		"www.example ":          {"www.*"},
		"localhost":             {"_", "~^r\\d", ""},
		"last.example":          {"~^r", "last.example"},
	} {
		if got := nameOf(&nginxconf.Server{Names: names}); got != strings.TrimSpace(want) {
			t.Errorf("%q: %s, want %s", names, got, want)
		}
	}
}

func TestAddressesOnThisMachine(t *testing.T) {
	for _, tt := range []struct{ network, address, want string }{
		{"tcp", ":80", "127.0.0.1:80"}, {"tcp", "[::]:80", "[::1]:80"}, {"tcp", "192.0.2.1:80", "192.0.2.1:80"}, {"unix", "/run/nginx.sock", "/run/nginx.sock"},
	} {
		if got := local(nginxconf.Listen{Network: tt.network, Address: tt.address}); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.address, got, tt.want)
		}
	}
}

func TestParametersOfNginx(t *testing.T) {
	for in, want := range map[string]string{
		"/srv/a": "/srv/a", "/srv/a b": `"/srv/a b"`, `/srv/"a"`: `"/srv/\"a\""`, `a\b`: `"a\\b"`, "a;b": `"a;b"`, "a{b}": `"a{b}"`, "#a": `"#a"`,
	} {
		if got := quoted(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	for want, formats := range map[string][]thumb.Format{"": nil, "$thumbd_webp": {thumb.WebP}, "$thumbd_variant": {thumb.AVIF, thumb.WebP}} {
		if got := variant(formats); got != want {
			t.Errorf("%v: %q, want %q", formats, got, want)
		}
	}
}
