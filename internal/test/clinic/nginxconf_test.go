// SPDX-License-Identifier: MIT

package clinic

import (
	"path/filepath"
	"strings"
	"testing"

	"thumbd/internal/nginxconf"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// Each location and server answers with its number, so that nginx tells which
// one it has chosen.
const (
	numbered = `
location = /a/exact { return 200 "exact"; }
location /a/ { return 200 "a"; }
location ^~ /a/b/ { return 200 "a-b"; }
location /a/c/ { location ~ \.jpg$ { return 200 "a-c-jpg"; } location ^~ /a/c/d/ { return 200 "a-c-d"; } return 200 "a-c"; }
location ~* \.png$ { return 200 "png"; }
location ~ \.(jpg|gif)$ { location ~ /gifs/ { return 200 "gifs"; } return 200 "jpg"; }
location ~*\.tight$ { return 200 "tight"; }
location "/with space/" { return 200 "space"; }
location @named { return 200 "named"; }
`
)

// hosts are the servers' names, beside the default server.
var hosts = map[string][]string{
	"exact": {"exact.example"}, "wildcard": {"*.example", ".b.other"}, "longer": {"*.long.example"},
	"prefix": {"prefix.*"}, "regexp": {`~^r[0-9]+\.`},
}

// What is said of nginx's choices is what nginx chooses.
func TestNginxconfChoosesAsNginxDoes(t *testing.T) {
	o := rig.Options{Plain: true, Server: numbered}
	for name, names := range hosts {
		o.Sites = append(o.Sites, rig.Site{Name: name, Prefix: "/host/", Hosts: names, Originals: "/", Location: `return 200 "` + name + `";`})
	}
	r := kit.Start(t, o)
	c := effective(t, r)
	servers := c.Servers()
	at := servers[0].Listens[1]
	if at.Network != "unix" {
		t.Fatalf("%+v", servers[0].Listens)
	}
	for _, uri := range []string{
		"/a/exact", "/a/exact/", "/a/exac", "/a/", "/a", "/a/x.png", "/a/x.PNG", "/a/x.jpg", "/a/x.JPG", "/a/b/x.jpg", "/a/b", "/a/b/",
		"/a/c/x.jpg", "/a/c/x.png", "/a/c/d/x.jpg", "/a/c/d/x.png", "/a/c/x", "/x.gif", "/gifs/x.gif", "/gifs/x", "/x.tight", "/x.TIGHT", "/with space/x", "/none", "/@named",
	} {
		want := "none"
		if resp := kit.Get(t, r, rig.Escape(uri)); resp.Status == 200 {
			want = string(resp.Body)
		}
		got := "none"
		if l := servers[0].Locate(uri); l != nil {
			got = l.First("return").Arg(1)
		}
		if got != want {
			t.Errorf("%s: location %q, nginx takes %q", uri, got, want)
		}
	}
	for _, host := range []string{
		"exact.example", "x.example", "example", "x.long.example", "long.example", "prefix.org", "prefix.example", "r1.org", "r1x.org", "r22.example", "b.other", "x.b.other", "unknown", "localhost",
	} {
		want := "none"
		if resp := kit.Do(t, r, rig.Request{Target: "/host/", Host: host}); resp.Status == 200 {
			want = string(resp.Body)
		}
		got := "none"
		if l := nginxconf.Pick(servers, at, host).Exact("/host/"); l != nil {
			got = l.First("return").Arg(1)
		}
		if got != want {
			t.Errorf("%s: server %q, nginx takes %q", host, got, want)
		}
	}
}

// effective loads the configuration of a rig's nginx.
func effective(t *testing.T, r *rig.Rig) *nginxconf.Config {
	t.Helper()
	c, err := nginxconf.Load(t.Context(), strings.Fields(kit.NginxOf(r)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A snippet that two servers include is in both, and an inherited directive
// holds where no nearer one does.
func TestNginxconfHasWhatIsIncluded(t *testing.T) {
	r := kit.Start(t, rig.Options{Sites: []rig.Site{
		kit.Gallery(t, kit.JPGs(t)),
		{Name: "other", Prefix: "/other/", Scheme: "preset", Originals: kit.JPGs(t), Hosts: []string{"other.example"}, Location: "gzip off;"},
	}, HTTP: "gzip on;"})
	c := effective(t, r)
	for i, s := range c.Servers() {
		named := s.Named("@thumbd")
		if named == nil || named.File != filepath.Join(r.Dir, "snippets/thumbd.conf") || named.Line < 2 {
			t.Fatalf("server %d: %+v", i, named)
		}
	}
	if u := c.Upstream("thumbd"); u == nil || u.File != filepath.Join(r.Dir, "conf.d/thumbd.conf") {
		t.Errorf("upstream %+v", u)
	}
	if on, off := c.Servers()[0].Exact("/thumbs/"), c.Servers()[1].Exact("/other/"); !on.IsOn("gzip") || off.IsOn("gzip") {
		t.Error("gzip is not inherited as nginx does")
	}
	if n, _ := c.WorkerConnections(); n != 1024 || c.Version == "" || c.PIDFile() != filepath.Join(r.Dir, "nginx.pid") {
		t.Errorf("%d connections, version %q, %s", n, c.Version, c.PIDFile())
	}
}
