// SPDX-License-Identifier: MIT

package fetch

import (
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"thumbd/internal/originals"
)

// global6 contains all IPv6 addresses of hosts in the Internet (RFC 4291, section
// 2.4).
var global6 = netip.MustParsePrefix("2000::/3")

// specials are the addresses of IANA's special-purpose registries, with the addresses of
// anycast services, and of multicast. For IPv6 it has only special addresses inside
// global6.
var specials = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
	"192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
	"224.0.0.0/4", "240.0.0.0/4",
	// IETF protocol assignments: Teredo, benchmarking, ORCHID and others.
	"2001::/23",
	"2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
)

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// isSpecial reports whether an address can't be a host's in the Internet:
// loopback, private, link-local, multicast, for documentation, or one that
// wraps another, as NAT64's and 6to4's do. An IPv4 address mapped to IPv6
// (::ffff:10.0.0.1) is judged as the IPv4 address.
func isSpecial(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || a.Is6() && !global6.Contains(a) {
		return true
	}
	return contains(specials, a)
}

// Allowed reports whether a site with these exceptions may dial an address: the
// address is not special, or is in one of the exceptions.
func Allowed(a netip.Addr, exceptions []netip.Prefix) bool {
	return !isSpecial(a) || contains(exceptions, a.Unmap().WithZone(""))
}

func contains(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Control returns the Control of a [net.Dialer] that refuses to dial an address if a site
// with these exceptions does not allow it. It gets the resolved address, for each attempt,
// so no later look-up can replace the address.
func Control(exceptions []netip.Prefix) func(network, address string, c syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("%w: %q is no address", originals.ErrForbidden, address)
		}
		if !Allowed(at.Addr(), exceptions) {
			return fmt.Errorf("%w: %s is a special address, and not in allow_addresses", originals.ErrForbidden, at.Addr())
		}
		return nil
	}
}
