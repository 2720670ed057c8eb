// SPDX-License-Identifier: MIT

package guards

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"thumbd/internal/config"
	"thumbd/internal/test/kit"
)

// campaignTime is how long the campaign of configurations lasts.
const campaignTime = 35 * time.Minute

// TestRandomGuards makes server blocks and sites at random and asks them at random:
// no byte of a site, in an answer or in its tree, without a proof for it. A
// location with the tree of a protected site has a snippet, of this version or of
// before; the doctor finds those without.
func TestRandomGuards(t *testing.T) {
	random := kit.Random(t)
	end := time.Now().Add(campaignTime)
	read := 0
	worlds := 0
	for ; worlds < kit.Times(6, 1<<30) && time.Now().Before(end) && !t.Failed(); worlds++ {
		t.Run(fmt.Sprint("world ", worlds), func(t *testing.T) {
			w := newWorld(t, random)
			for range kit.Times(100, 400) {
				q := w.question(random)
				if owner, _ := w.try(t, q); owner != nil && owner.guarded {
					read++
				}
			}
			if t.Failed() {
				t.Logf("nginx:\n%s", w.servers)
			}
		})
	}
	if read == 0 {
		t.Error("nobody read anything of a protected site: the campaign proves nothing")
	}
	t.Logf("%d worlds, %d protected files and pictures read with a proof", worlds, read)
}

// world is an installation made at random.
type world struct {
	*stronghold
	addresses []string
	servers   string
}

// worldHosts are the hosts that sites and server blocks name. Clients ask for more.
var (
	worldHosts   = []string{"a.example", "b.example", "x.b.example", "*.b.example", "*.example", "c.test"}
	strangeHosts = []string{"", "localhost", "127.0.0.1", "[::1]", "a.example.", "A.EXAMPLE", "b.example:8443", "y.b.example", "x.y.b.example", "z.example", "_"}
)

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// newWorld makes sites that thumbd accepts, and server blocks that nginx does.
func newWorld(t *testing.T, r *rand.Rand) *world {
	t.Helper()
	sockets := "unix:" + kit.Folder(t, nil)
	w := &world{addresses: []string{sockets + "/1", sockets + "/2", sockets + "/3"}}
	wards := randomWards(t, r)
	w.servers = randomServers(r, w.addresses, wards)
	w.stronghold = newStronghold(t, wards, w.servers)
	return w
}

// randomWards returns sites and sections whose prefixes overlap and that thumbd
// accepts.
func randomWards(t *testing.T, r *rand.Rand) []ward {
	t.Helper()
	for {
		var wards []ward
		for i := range 3 + r.IntN(3) {
			w := ward{name: fmt.Sprint("s", i), prefix: pick(r, []string{"/t/", "/t/", "/t/medium/"}), guarded: r.IntN(4) > 0}
			if r.IntN(6) == 0 {
				w.downloads, w.prefix = true, pick(r, []string{"/t/", "/docs/"})
			}
			for range r.IntN(3) {
				if h := pick(r, worldHosts); !slices.Contains(w.hosts, h) {
					w.hosts = append(w.hosts, h)
				}
			}
			wards = append(wards, w)
		}
		if accepted(wards) {
			return wards
		}
	}
}

// accepted reports whether thumbd takes these prefixes and hosts.
func accepted(wards []ward) bool {
	var b strings.Builder
	for _, w := range wards {
		table := "site"
		rest := fmt.Sprintf("document_root = \"/r/%s\"\noriginals = \"/o/%[1]s\"\nscheme = \"preset\"\n", w.name)
		if w.downloads {
			table, rest = "files", fmt.Sprintf("root = \"/f/%s\"\ninternal = \"/_%[1]s/\"\nscheme = \"open\"\n", w.name)
		}
		fmt.Fprintf(&b, "[%s.%s]\nprefix = %q\n%s", table, w.name, w.prefix, rest)
		if len(w.hosts) > 0 {
			fmt.Fprintf(&b, "hosts = [\"%s\"]\n", strings.Join(w.hosts, `", "`))
		}
	}
	_, _, err := config.Parse([]config.File{{Name: "thumbd.toml", Data: []byte(b.String())}}, config.Environment{
		Resolve: func(path string) (string, error) { return path, nil },
	})
	return err == nil
}

// randomServers returns server blocks, each with one to three of the wards, in
// which names and addresses have little to do with the wards' hosts.
func randomServers(r *rand.Rand, addresses []string, wards []ward) string {
	b := strings.Builder{}
	b.WriteString("log_not_found off;\n")
	isDefault := make(map[string]bool)
	for n := range 2 + r.IntN(5) {
		b.WriteString("server {\n")
		for i, address := range addresses {
			if i > 0 && n > 0 && r.IntN(2) == 0 {
				continue
			}
			b.WriteString("    listen " + address)
			if !isDefault[address] && r.IntN(3) == 0 {
				isDefault[address] = true
				b.WriteString(" default_server")
			}
			b.WriteString(";\n")
		}
		mine := pick(r, wards)
		names := slices.Clone(mine.hosts)
		for range r.IntN(3) {
			names = append(names, pick(r, worldHosts))
		}
		slices.Sort(names)
		if names = slices.Compact(names); len(names) > 0 {
			b.WriteString("    server_name " + strings.Join(names, " ") + ";\n")
		}
		prefixes := make(map[string]bool)
		for _, w := range append([]ward{mine}, wards[:r.IntN(len(wards)+1)]...) {
			if !prefixes[w.prefix] {
				prefixes[w.prefix] = true
				b.WriteString(randomLocation(r, w, wards))
			}
		}
		for _, w := range wards {
			if w.downloads && r.IntN(3) > 0 {
				fmt.Fprintf(&b, "    location ^~ /_%s/ { alias {%[1]s}/; include snippets/thumbd-files.conf; }\n", w.name)
			}
		}
		b.WriteString("    include snippets/thumbd.conf;\n}\n")
	}
	return b.String()
}

// randomLocation returns a location for w's prefix, mostly with its tree.
func randomLocation(r *rand.Rand, w ward, wards []ward) string {
	if w.downloads {
		return "    location ^~ " + w.prefix + " { try_files /_thumbd/none @thumbd; }\n"
	}
	of := w
	if other := pick(r, wards); r.IntN(4) == 0 && !other.downloads {
		of = other
	}
	guard := pick(r, []string{"include snippets/thumbd-auth.conf; ", "include snippets/thumbd-auth.conf; ", "auth_request /_thumbd/auth; "})
	if !of.guarded && r.IntN(3) > 0 {
		guard = ""
	}
	return fmt.Sprintf("    location ^~ %s { %sroot root/%s; try_files $uri @thumbd; }\n", w.prefix, guard, of.name)
}

// question returns a request of any client.
func (w *world) question(r *rand.Rand) question {
	host := func() string {
		h := pick(r, worldHosts)
		if r.IntN(3) == 0 {
			h = pick(r, strangeHosts)
		}
		return strings.ReplaceAll(h, "*", pick(r, []string{"x", "y.x", "www"}))
	}
	of := pick(r, w.wards)
	q := question{address: pick(r, w.addresses), host: host(), query: r.IntN(4) == 0, target: of.prefix + report}
	if len(of.hosts) > 0 && r.IntN(3) > 0 {
		q.host = strings.ReplaceAll(pick(r, of.hosts), "*", "w")
	}
	if !of.downloads {
		q.target = of.prefix + pick(r, slices.Concat(hitNames, missNames, missNames))
	}
	if r.IntN(4) == 0 {
		q.line, q.host = q.host, host()
	}
	if r.IntN(4) == 0 {
		q.target = pick(r, []string{
			"/x/.." + q.target, strings.Replace(q.target, "/t/", "/%74//", 1), strings.Replace(q.target, "medium/", "./medium%2f", 1), "/t/../t" + strings.TrimPrefix(q.target, "/t"),
			q.target + "#/../../" + filepath.Base(q.target),
		})
	}
	for range r.IntN(3) {
		x := of
		if r.IntN(3) == 0 {
			x = pick(r, w.wards)
		}
		// A query has one proof.
		if x.guarded && !q.proves(x) && (!x.downloads && !q.query || len(q.proofs) == 0) {
			q.proofs = append(q.proofs, x)
		}
	}
	return q
}
