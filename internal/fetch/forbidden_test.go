// SPDX-License-Identifier: MIT

package fetch

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"thumbd/internal/originals"
)

// victim is a server on loopback that nobody may reach.
type victim struct {
	port    string
	reached atomic.Int64
}

func startVictim(t *testing.T, network, address string) *victim {
	t.Helper()
	v := &victim{}
	l := listen(t, network, address)
	_, v.port, _ = net.SplitHostPort(l.Addr().String())
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(jpeg(100))
	}), ConnState: func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			v.reached.Add(1)
		}
	}}}
	s.Start()
	t.Cleanup(s.Close)
	return v
}

// attack is a way to a place where a site must not lead. In its URLs PORT is
// the victim's.
type attack struct {
	name     string
	base     string // of the originals; "": that of a server that redirects to
	redirect string
	// open attacks reach the victim where the site allows all that it can.
	open bool
	// policy attacks fail for more than their address: exceptions for addresses
	// do not help.
	policy bool
	// lame attacks name what is no host for us at all.
	lame bool
}

var attacks = []attack{
	{name: "the origin is on loopback", base: "http://127.0.0.1:PORT/", open: true},
	{name: "the origin is elsewhere on loopback", base: "http://127.8.9.10:PORT/", open: true},
	{name: "the origin is on loopback of IPv6", base: "http://[::1]:PORT/", open: true},
	{name: "the origin is localhost", base: "http://localhost:PORT/", open: true},
	{name: "the origin's name is that of loopback", base: "http://loopback.test:PORT/", open: true},
	{name: "the origin's name is that of loopback of IPv6", base: "http://loopback6.test:PORT/", open: true},
	{name: "the origin's name is that of a private address", base: "http://private.test:PORT/"},
	{name: "the origin's name is that of the metadata service", base: "http://metadata.test:PORT/"},
	{name: "the origin's name has several addresses, all special", base: "http://several.test:PORT/", open: true},
	{name: "the origin is unspecified", base: "http://0.0.0.0:PORT/", open: true},
	{name: "the origin is unspecified in IPv6", base: "http://[::]:PORT/", open: true},

	{name: "to loopback", redirect: "http://127.0.0.1:PORT/a.jpg", open: true},
	{name: "to the end of loopback", redirect: "http://127.255.255.254:PORT/a.jpg", open: true},
	{name: "to loopback of IPv6", redirect: "http://[::1]:PORT/a.jpg", open: true},
	{name: "to loopback of IPv6, written out", redirect: "http://[0:0:0:0:0:0:0:1]:PORT/a.jpg", open: true},
	{name: "to loopback, mapped", redirect: "http://[::ffff:127.0.0.1]:PORT/a.jpg", open: true},
	{name: "to loopback, mapped, in hexadecimal", redirect: "http://[::ffff:7f00:1]:PORT/a.jpg", open: true},
	{name: "to loopback, compatible", redirect: "http://[::127.0.0.1]:PORT/a.jpg"},
	{name: "to loopback by NAT64", redirect: "http://[64:ff9b::127.0.0.1]:PORT/a.jpg"},
	{name: "to loopback by a local NAT64", redirect: "http://[64:ff9b:1::127.0.0.1]:PORT/a.jpg"},
	{name: "to loopback by 6to4", redirect: "http://[2002:7f00:1::1]:PORT/a.jpg"},
	{name: "to loopback by Teredo", redirect: "http://[2001:0:7f00:1::1]:PORT/a.jpg"},
	{name: "to the unspecified address", redirect: "http://0.0.0.0:PORT/a.jpg", open: true},
	{name: "to the unspecified address of IPv6", redirect: "http://[::]:PORT/a.jpg", open: true},
	{name: "to localhost", redirect: "http://localhost:PORT/a.jpg", open: true},
	{name: "to LOCALHOST with a dot", redirect: "http://LOCALHOST.:PORT/a.jpg", open: true},
	{name: "to a name of loopback", redirect: "http://loopback.test:PORT/a.jpg", open: true},
	{name: "to a name of both", redirect: "http://several.test:PORT/a.jpg", open: true},
	{name: "to a private network", redirect: "http://10.0.0.1/a.jpg"},
	{name: "to a private network of 172", redirect: "http://172.16.0.1/a.jpg"},
	{name: "to a private network of 192", redirect: "http://192.168.1.1/a.jpg"},
	{name: "to the metadata service", redirect: "http://169.254.169.254/latest/meta-data/"},
	{name: "to the metadata service, mapped", redirect: "http://[::ffff:169.254.169.254]/latest/meta-data/"},
	{name: "to the metadata service of IPv6", redirect: "http://[fd00:ec2::254]/latest/meta-data/"},
	{name: "to carrier-grade NAT", redirect: "http://100.64.0.1/a.jpg"},
	{name: "to a link-local address", redirect: "http://[fe80::1]/a.jpg"},
	{name: "to a link-local address with a zone", redirect: "http://[fe80::1%25lo]/a.jpg"},
	{name: "to a unique local address", redirect: "http://[fd00::1]/a.jpg"},
	{name: "to multicast", redirect: "http://224.0.0.1/a.jpg"},
	{name: "to multicast of IPv6", redirect: "http://[ff02::1]/a.jpg"},
	{name: "to broadcast", redirect: "http://255.255.255.255/a.jpg"},
	{name: "to a network for benchmarks", redirect: "http://198.18.0.1/a.jpg"},
	{name: "to a network for documentation", redirect: "http://192.0.2.1/a.jpg"},
	{name: "in hexadecimal, which a name server explains", redirect: "http://0x7f.0x0.0x0.0x1:PORT/a.jpg", open: true},
	{name: "in decimal", redirect: "http://2130706433:PORT/a.jpg", lame: true},
	{name: "in octal", redirect: "http://0177.0.0.1:PORT/a.jpg", lame: true},
	{name: "in two parts", redirect: "http://127.1:PORT/a.jpg", lame: true},
	{name: "in wide digits", redirect: "http://%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1:PORT/a.jpg", open: true},
	{name: "with a user's name", redirect: "http://127.0.0.2@127.0.0.1:PORT/a.jpg", policy: true},
	{name: "with a user's name that looks like the port", redirect: "http://127.0.0.2:80@127.0.0.1:PORT/a.jpg", policy: true},
	{name: "without a scheme", redirect: "//127.0.0.1:PORT/a.jpg", open: true},
	{name: "twice", redirect: "/again?http://127.0.0.1:PORT/a.jpg", open: true},
	{name: "to a file", redirect: "file:///etc/passwd", policy: true},
	{name: "to another protocol", redirect: "gopher://127.0.0.1:PORT/a.jpg", policy: true},
	{name: "to a socket", redirect: "unix:///run/thumbd/thumbd.sock", policy: true},
	{name: "to a host that is not allowed", redirect: "http://elsewhere.test:PORT/a.jpg", policy: true},
	{name: "to a host that ends as one that is allowed", redirect: "http://notallowed.test:PORT/a.jpg", policy: true},
	{name: "to the domain of hosts that are allowed", redirect: "http://allowed.test:PORT/a.jpg", policy: true},
	{name: "to a port that is not allowed", redirect: "http://127.0.0.2:1/a.jpg", policy: true},
}

// resolve is the name server's side of the attacks.
func resolve(name string, _ int) []netip.Addr {
	texts := map[string][]string{
		"private.test": {"10.0.0.1"}, "metadata.test": {"169.254.169.254"},
		"several.test": {"10.0.0.1", "127.0.0.1", "::1"}, "loopback6.test": {"::1"},
	}[name]
	if texts == nil {
		texts = []string{"127.0.0.1"}
	}
	var all []netip.Addr
	for _, text := range texts {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}

// startAttack returns the originals that an attack is made on: of a site that
// allows all, or the origin alone.
func startAttack(t *testing.T, a attack, v *victim, exceptions []netip.Prefix) *Origin {
	t.Helper()
	base := strings.ReplaceAll(a.base, "PORT", v.port)
	if base == "" {
		base = serveOn(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			to := strings.ReplaceAll(a.redirect, "PORT", v.port)
			if r.URL.Path == "/again" {
				to = r.URL.RawQuery
			}
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusFound)
		}))
	}
	return startWith(t, base, func(o *Options) {
		o.AllowAddresses = append(o.AllowAddresses, exceptions...)
		o.AllowHosts = []string{"*"}
		if a.policy {
			o.AllowHosts = []string{"*.allowed.test", "127.0.0.1"}
		}
		p, err := strconv.Atoi(v.port)
		if err != nil {
			t.Fatal(err)
		}
		o.AllowPorts = []int{p}
	}, names(t, resolve))
}

func TestForbiddenPlaces(t *testing.T) {
	if len(attacks) < 40 {
		t.Fatalf("%d attacks", len(attacks))
	}
	v := startVictim(t, "tcp", ":0")
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			o := startAttack(t, a, v, nil)
			_, _, err := open(t, o, "a.jpg")
			if errors.Is(err, originals.ErrForbidden) == a.lame || a.lame && !errors.Is(err, originals.ErrOrigin) {
				t.Errorf("got %v", err)
			}
			if n := v.reached.Load(); n != 0 {
				t.Errorf("the victim was reached %d times", n)
			}
			if left := files(t, o.spool); len(left) > 0 {
				t.Errorf("in the spool: %q", left)
			}
		})
	}
}

// The attacks that could reach the victim do so where its address is allowed:
// nothing else keeps them away. Those that are more than that still fail.
func TestForbiddenPlacesCanBeAllowed(t *testing.T) {
	v := startVictim(t, "tcp", ":0")
	for _, a := range attacks {
		if !a.open && !a.policy {
			continue
		}
		t.Run(a.name, func(t *testing.T) {
			before := v.reached.Load()
			o := startAttack(t, a, v, prefixes("127.0.0.0/8", "::1/128", "0.0.0.0/32", "::/128"))
			_, _, err := open(t, o, "a.jpg")
			if errors.Is(err, originals.ErrForbidden) != a.policy || a.open && err != nil {
				t.Errorf("got %v", err)
			}
			if reached := v.reached.Load() > before; reached != a.open {
				t.Errorf("the victim was reached: %v", reached)
			}
		})
	}
}

// A name that stands for a special and a public address is dialed at the
// public one alone.
func TestOnlyAllowedAddressesOfANameAreDialed(t *testing.T) {
	v := startVictim(t, "tcp4", "127.0.0.1:0")
	serveAt(t, "127.0.0.2:"+v.port, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(jpeg(200))
	}))
	resolver := names(t, func(string, int) []netip.Addr {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1"), netip.MustParseAddr("127.0.0.2")}
	})
	o := startWith(t, "http://mixed.test:"+v.port+"/", nil, resolver)
	got, _, err := open(t, o, "a.jpg")
	if err != nil || len(got) != 200 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if n := v.reached.Load(); n != 0 {
		t.Errorf("the victim was reached %d times", n)
	}
}

// A name server that tells one address to who checks and another to who dials
// gains nothing: nobody asks it in between.
func TestRebinding(t *testing.T) {
	v := startVictim(t, "tcp4", "127.0.0.1:0")
	serveAt(t, "127.0.0.2:"+v.port, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		_, _ = w.Write(jpeg(200))
	}))
	resolver := names(t, func(_ string, n int) []netip.Addr {
		if n%2 == 0 {
			return []netip.Addr{netip.MustParseAddr("127.0.0.2")}
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	})
	fetched, forbidden := 0, 0
	for range 20 {
		// One that remembers no trouble.
		o := startWith(t, "http://rebinding.test:"+v.port+"/", nil, resolver)
		switch got, _, err := open(t, o, "a.jpg"); {
		case err == nil && len(got) == 200:
			fetched++
		case errors.Is(err, originals.ErrForbidden):
			forbidden++
		default:
			t.Errorf("%d bytes, %v", len(got), err)
		}
	}
	if fetched == 0 || forbidden == 0 {
		t.Errorf("%d fetched and %d forbidden, want some of both", fetched, forbidden)
	}
	if n := v.reached.Load(); n != 0 {
		t.Errorf("the victim was reached %d times", n)
	}
}

// The proxies of the environment are those of TestMain.
func TestNoProxy(t *testing.T) {
	v := startVictim(t, "tcp", ":0")
	o := startWith(t, "http://proxied.test:"+v.port+"/", func(o *Options) {
		o.AllowAddresses = prefixes("127.0.0.1/32")
	}, names(t, resolve))
	if _, _, err := open(t, o, "a.jpg"); err != nil {
		t.Error(err)
	}
	if n := proxied.Load(); n != 0 {
		t.Errorf("%d requests went to a proxy", n)
	}
}
