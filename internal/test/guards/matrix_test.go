// SPDX-License-Identifier: MIT

package guards

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thumbd/internal/test/kit"
)

// The server blocks of the matrix, by address: each has what nginx may choose for a
// host that thumbd gives to another site. %[1]s is the folder of nginx's sockets,
// %[2]s its addresses of TCP.
const matrixServers = `
log_not_found off;
# One server block, which is open: as an address without the protected one's.
server {
    listen %[1]s/open; server_name a.example;
    location ^~ /t/ { root root/pub; try_files $uri @thumbd; expires 30d; }
    location ^~ /docs/ { try_files /_thumbd/none @thumbd; }
    location ^~ /_free/ { alias {free}/; include snippets/thumbd-files.conf; }
    include snippets/thumbd.conf;
}
# All server blocks. one's names are fewer than its hosts, so the default has some.
server {
    listen %[1]s/all default_server; %[2]s server_name a.example;
    listen %[1]s/h2 http2;
    location ^~ /t/ { root root/pub; try_files $uri @thumbd; expires 30d; }
    location ^~ /docs/ { try_files /_thumbd/none @thumbd; }
    location ^~ /_free/ { alias {free}/; include snippets/thumbd-files.conf; }
    include snippets/thumbd.conf;
}
server {
    listen %[1]s/all; %[2]s listen %[1]s/h2 http2; server_name b.example www.b.example;
    location ^~ /t/ { root root/one; include snippets/thumbd-auth.conf; try_files $uri @thumbd; }
    location ^~ /docs/ { try_files /_thumbd/none @thumbd; }
    location ^~ /_docs/ { alias {docs}/; include snippets/thumbd-files.conf; }
    location / { ssi on; root pages; }
    include snippets/thumbd.conf;
}
server {
    listen %[1]s/all; %[2]s listen %[1]s/h2 http2; server_name c.example;
    location ^~ /t/ { root root/two; include snippets/thumbd-auth.conf; try_files $uri @thumbd; }
    include snippets/thumbd.conf;
}
server {
    listen %[1]s/all; %[2]s listen %[1]s/h2 http2; server_name d.example;
    location ^~ /t/medium/ { root root/deep; include snippets/thumbd-auth.conf; try_files $uri @thumbd; }
    include snippets/thumbd.conf;
}
# The default is protected: it gets every host.
server {
    listen %[1]s/two default_server;
    location ^~ /t/ { root root/two; include snippets/thumbd-auth.conf; try_files $uri @thumbd; }
    include snippets/thumbd.conf;
}
# The same with the snippet of before, which tells neither root nor marker.
server {
    listen %[1]s/old default_server;
    location ^~ /t/ { root root/one; auth_request /_thumbd/auth; try_files $uri @thumbd; }
    include snippets/thumbd.conf;
}
# An open site's location that asks, and one whose root holds a line break.
server {
    listen %[1]s/asking default_server;
    location ^~ /t/ { root root/pub; include snippets/thumbd-auth.conf; try_files $uri @thumbd; }
    location ~ ^/r/(?<break>.*) { root root/$break; include snippets/thumbd-auth.conf; try_files $uri @thumbd; }
    include snippets/thumbd.conf;
}
# nginx has the tree under another path, as in a container.
server {
    listen %[1]s/mounted default_server;
    location ^~ /t/ { root linked; include snippets/thumbd-auth.conf; set $thumbd_root $document_root/../root/two; try_files $uri @thumbd; }
    include snippets/thumbd.conf;
}
`

// matrixWards overlap in prefix, and differ in hosts.
func matrixWards() []ward {
	return []ward{
		{name: "pub", prefix: "/t/", hosts: []string{"a.example"}},
		{name: "one", prefix: "/t/", hosts: []string{"b.example", "*.b.example"}, guarded: true},
		{name: "two", prefix: "/t/", hosts: []string{"c.example"}, guarded: true},
		{name: "deep", prefix: "/t/medium/", hosts: []string{"d.example"}, guarded: true},
		{name: "free", prefix: "/docs/", hosts: []string{"a.example"}, downloads: true},
		{name: "docs", prefix: "/docs/", hosts: []string{"b.example", "*.b.example"}, guarded: true, downloads: true},
	}
}

// newMatrix starts the matrix's installation and returns its addresses.
func newMatrix(t *testing.T) (*stronghold, map[string]string) {
	t.Helper()
	sockets := "unix:" + kit.Folder(t, nil)
	addresses := map[string]string{"port": kit.FreePort(t)}
	ports := "listen " + addresses["port"] + ";"
	if l, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		addresses["IPv6"] = l.Addr().String()
		ports += " listen " + addresses["IPv6"] + ";"
		l.Close()
	}
	for _, name := range []string{"open", "all", "two", "old", "asking", "mounted", "h2"} {
		addresses[name] = sockets + "/" + name
	}
	k := newStronghold(t, matrixWards(), fmt.Sprintf(matrixServers, sockets, ports))
	if err := os.Symlink("root/two", filepath.Join(k.Dir, "linked")); err != nil {
		t.Fatal(err)
	}
	return k, addresses
}

// TestNoByteWithoutProof asks every server block, under every host, for the files
// and the misses of every site, with every proof.
func TestNoByteWithoutProof(t *testing.T) {
	k, addresses := newMatrix(t)
	hosts := []string{
		"a.example", "b.example", "B.eXample", "b.example:8080", "b.example.", "x.b.example", "www.b.example", "c.example", "C.example.:443", "d.example",
		"localhost", "127.0.0.1", "[::1]", "[::1]:80",
	}
	targets := []string{"/docs/" + report}
	for _, name := range append(append([]string{}, hitNames...), missNames...) {
		targets = append(targets, "/t/"+name)
	}
	// As nginx decodes them, too.
	targets = append(targets, "/x/..//%74/medium%2fmiss.jpg", "/t/medium/hit.jpg#/../../x")
	answered := make(map[string]int)
	for place, address := range addresses {
		for _, host := range hosts {
			for _, target := range targets {
				for _, q := range matrixQuestions(k.wards, question{address: address, host: host, target: target, h2: place == "h2"}) {
					owner, _ := k.try(t, q)
					if owner != nil {
						answered[place+" "+owner.name]++
					}
				}
			}
		}
	}
	// Every site is served where its server block is.
	if addresses["IPv6"] != "" && answered["IPv6 one"] == 0 {
		t.Error("nobody got one over IPv6")
	}
	for _, want := range []string{
		"open pub", "open free", "all pub", "all one", "all two", "all deep", "all free", "all docs", "port one", "h2 one", "h2 two", "h2 docs", "two two", "mounted two",
	} {
		if answered[want] == 0 {
			t.Errorf("nobody got %s: %v", want, answered)
		}
	}
}

// matrixQuestions returns q with every proof, and in every form.
func matrixQuestions(wards []ward, q question) []question {
	var all []question
	add := func(q question) {
		all = append(all, q)
		if q.h2 {
			return
		}
		q.line, q.host = q.host, "a.example"
		all = append(all, q)
		q.line, q.host = q.host, q.line
		all = append(all, q)
	}
	add(q)
	for _, w := range wards {
		if !w.guarded || w.downloads != strings.HasPrefix(q.target, "/docs/") {
			continue
		}
		q := q
		q.proofs = []ward{w}
		add(q)
	}
	return all
}

// Where the two halves of the fault were.
func TestServerBlockAndHostDisagree(t *testing.T) {
	k, addresses := newMatrix(t)
	one, two, deep := k.wards[1], k.wards[2], k.wards[3]
	for name, tt := range map[string]struct {
		place, host, target string
		proofs              []ward
		status              int
		reason              string
	}{
		"an address with the open block alone":    {"open", "b.example", "/t/medium/miss.jpg", nil, 403, "not-asked"},
		"the same with a proof":                   {"open", "b.example", "/t/medium/miss.jpg", []ward{one}, 403, "not-asked"},
		"a wider wildcard at the default server":  {"all", "x.b.example", "/t/medium/miss.jpg", []ward{one}, 403, "not-asked"},
		"a hit of two with a token of one":        {"two", "b.example", "/t/medium/hit.jpg", []ward{one}, 403, "other-root"},
		"a hit of two with its own token":         {"two", "c.example", "/t/medium/hit.jpg", []ward{two}, 200, ""},
		"a hit of two by another host":            {"two", "b.example", "/t/medium/hit.jpg", []ward{two}, 403, "other-root"},
		"a hit of two with a token of a folder's": {"two", "d.example", "/t/medium/medium/hit.jpg", []ward{deep}, 403, "other-root"},
		"the snippet of before, a shared URI":     {"old", "b.example", "/t/medium/hit.jpg", []ward{one}, 403, ""},
		"an open site that asks":                  {"asking", "a.example", "/t/medium/hit.jpg", nil, 403, "not-protected"},
		"a root that is another":                  {"asking", "b.example", "/t/medium/miss.jpg", []ward{one}, 403, "other-root"},
		"a root with a line break":                {"asking", "b.example", "/r/%0d%0aX-Original-URI:%20/t/medium/hit.jpg", nil, 403, ""},
		"the tree under another path":             {"mounted", "c.example", "/t/medium/hit.jpg", []ward{two}, 200, ""},
		"the tree under another path, unproved":   {"mounted", "c.example", "/t/medium/hit.jpg", nil, 401, "no-proof"},
		"its own block":                           {"all", "b.example", "/t/medium/miss.jpg", []ward{one}, 200, ""},
		"signed downloads by another block":       {"open", "b.example", "/docs/" + report, []ward{k.wards[5]}, 404, ""},
		"signed downloads without a signature":    {"open", "b.example", "/docs/" + report, nil, 401, "no-proof"},
		"open downloads by a block without":       {"all", "a.example", "/docs/" + report, nil, 200, ""},
	} {
		_, resp := k.try(t, question{address: addresses[tt.place], host: tt.host, target: tt.target, proofs: tt.proofs})
		if got := resp.Header.Get("X-Thumbd-Reason"); resp.Status != tt.status || got != tt.reason {
			t.Errorf("%s: %d %q; want %d %q", name, resp.Status, got, tt.status, tt.reason)
		}
	}
	kit.WaitLog(t, k.Rig, 1, "nginx has not asked", "site=one", "include snippets/thumbd-auth.conf;")
	kit.WaitLog(t, k.Rig, 1, "several protected sites", "site=one", "root "+k.Root("one")+";")
}

// nginx runs no auth_request in subrequests: a page with SSI shows what is
// published, as thumbd(8) says. thumbd makes nothing for it.
func TestSubrequestsAreNotAsked(t *testing.T) {
	k, addresses := newMatrix(t)
	one := k.wards[1]
	for _, name := range []string{"hit", "miss"} {
		kit.Put(t, filepath.Join(k.Dir, "pages", name+".html"), []byte(`<!--#include virtual="/t/medium/`+name+`.jpg" -->`))
	}
	q := question{address: addresses["all"], host: "b.example", target: "/miss.html"}
	for _, q.proofs = range [][]ward{nil, {one}} {
		if owner, resp := k.try(t, q); owner != nil && len(q.proofs) == 0 || resp.Status != 200 {
			t.Errorf("%v: %d %q", q, resp.Status, resp.Body)
		}
		if _, err := os.Stat(k.File("one", "/t/medium/miss.jpg")); err == nil {
			t.Error("made for a subrequest")
		}
	}
	q.target = "/hit.html"
	if resp := k.ask(t, q); !strings.Contains(string(resp.Body), one.secret()) {
		t.Errorf("nginx now asks for subrequests too: thumbd(8) need not warn: %d %q", resp.Status, resp.Body)
	}
}
