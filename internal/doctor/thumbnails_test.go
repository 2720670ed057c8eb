// SPDX-License-Identifier: MIT

package doctor

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thumbd/internal/access"
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
	return v, v.probeOf(t, "small")
}

// probeOf returns a Probe of the original a.jpg of a site.
func (v *visit) probeOf(t *testing.T, site string) *probe.Probe {
	t.Helper()
	i := slices.IndexFunc(v.config.Sites, func(s config.Site) bool { return s.Thumb.Name == site })
	probes := probe.New(&v.config.Sites[i], []string{"a.jpg"}, 1)
	if len(probes) != 1 {
		t.Fatalf("%d probes", len(probes))
	}
	return probes[0]
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

// standIn answers as nginx would on an address of its own. It returns the address.
func standIn(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(answer)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// Each site is asked for a missing thumbnail and then for the same one again. No file of
// the attempt stays.
func TestAttempts(t *testing.T) {
	// way is what nginx and thumbd do with a request.
	type way struct {
		refuse    int    // the status of a miss, 0 for 200
		reason    string // with it
		unwritten bool   // the miss is answered, not published
		sent      bool   // thumbd sends the miss, so that it has no header of a file
		headless  bool   // hits have none
		kept      bool   // the published name is a folder with a file
		open      bool   // the proof of access makes no difference
	}
	for name, tt := range map[string]struct {
		site  string
		way   way
		last  bool
		said  string
		again bool
		part  string
		want  []string
	}{
		"sound":                      {site: "small", said: "miss and hit"},
		"damaged original":           {site: "small", way: way{refuse: 415}, again: true},
		"original too large":         {site: "small", way: way{refuse: 422}, again: true},
		"last original damaged":      {site: "small", way: way{refuse: 415, reason: "damaged"}, last: true, said: "miss failed", part: "it is answered 415, damaged", want: []string{"probe-miss"}},
		"no daemon":                  {site: "small", way: way{refuse: 502}, said: "miss failed", part: "nginx does not get to thumbd", want: []string{"probe-miss"}},
		"not published":              {site: "small", way: way{unwritten: true}, said: "not published", part: "/root/small/small/icon/a.jpg", want: []string{"probe-unpublished"}},
		"miss sent by thumbd":        {site: "small", way: way{sent: true}, said: "miss and hit", part: "thumbd has to send it", want: []string{"probe-hit"}},
		"hits by thumbd":             {site: "small", way: way{headless: true}, said: "miss and hit", part: "thumbd has to send it", want: []string{"probe-hit"}},
		"file that stays":            {site: "small", way: way{kept: true}, said: "miss and hit", part: "rm ", want: []string{"probe-left"}},
		"protected":                  {site: "gallery", said: "miss and hit"},
		"protected, and open":        {site: "gallery", way: way{open: true}, said: "miss and hit", part: "a request without a proof is answered", want: []string{"probe-open"}},
		"protected by another's key": {site: "gallery", way: way{refuse: 403, reason: "signature"}, said: "miss failed", part: "another configuration", want: []string{"probe-miss"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := install(t)
			write(t, filepath.Join(in.dir, "originals/a.jpg"), "\xff\xd8\xff")
			v := in.sound(t)
			p := v.probeOf(t, tt.site)
			address := standIn(t, func(w http.ResponseWriter, q *http.Request) {
				switch {
				case p.Site.Access != nil && q.URL.RawQuery == "" && !tt.way.open:
					w.WriteHeader(http.StatusForbidden)
				case p.Published():
					if !tt.way.headless {
						w.Header().Set("ETag", `"1"`)
					}
				case tt.way.refuse != 0:
					w.Header().Set("X-Thumbd-Reason", tt.way.reason)
					w.WriteHeader(tt.way.refuse)
				case !tt.way.unwritten:
					file := p.File()
					if tt.way.kept {
						file += "/x"
					}
					if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o600)); err != nil {
						t.Error(err)
					}
					if !tt.way.sent {
						w.Header().Set("Accept-Ranges", "bytes")
					}
				}
			})
			in.read(t, v, strings.ReplaceAll(in.conf(v.config), "listen 80;", "listen "+address+";"))
			v.sites(t.Context())
			v.result = Result{}
			said, again := v.attempt(t.Context(), p, v.entrances[tt.site], tt.last)
			if !strings.Contains(said, tt.said) || again != tt.again {
				t.Errorf("%q, and another original: %v; want %q, %v", said, again, tt.said, tt.again)
			}
			v.wants(t, tt.part, tt.want...)
			if p.Published() != tt.way.kept {
				t.Errorf("%s is there afterwards: %v", p.File(), p.Published())
			}
		})
	}
}

// If a signer outside has the private key, thumbd can't prove access. It only tries that
// a request without a proof is refused.
func TestRefusalAloneIsTried(t *testing.T) {
	for status, want := range map[int][]string{http.StatusForbidden: {"probe-untried"}, http.StatusOK: {"probe-untried", "probe-open"}} {
		v, p := small(t)
		p.Provable, p.Site.Access = false, &access.Options{}
		address := standIn(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		entrances := v.entrances["small"][:1]
		entrances[0].listen = nginxconf.Listen{Network: "tcp", Address: address}
		said, again := v.attempt(t.Context(), p, entrances, false)
		if said != "refusal alone tried" || again {
			t.Errorf("%d: %q, and another original: %v", status, said, again)
		}
		v.wants(t, "thumbd verify URL --token TOKEN", want...)
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
				t.Errorf("%s without an entrance: %q", site, said)
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
