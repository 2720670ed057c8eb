// SPDX-License-Identifier: MIT

// Package route finds the site or the section of downloads that answers for a request, by
// the request's host and URI.
package route

import (
	"slices"
	"strings"
)

// Route is the prefix of URIs and the hosts that belong to a site, or to a section of
// downloads.
// An example is {"gallery", "/thumbs/", {"www.a.example", "*.b.example"}}. It is not
// changed after its first use.
type Route struct {
	Name   string   // of the site or the section
	Prefix string   // begins and ends with /
	Hosts  []string // lower case, exact or *.suffix; none: any host
}

// Has reports whether a decoded URI begins with r's prefix.
func (r *Route) Has(uri string) bool { return strings.HasPrefix(uri, r.Prefix) }

// Overlaps reports whether a URI can have the prefixes of both, on any host. If one of the
// prefixes is empty, it is not known, and Overlaps reports false.
func (r *Route) Overlaps(other *Route) bool { return Overlap(r.Prefix, other.Prefix) }

// Overlap is Overlaps of prefixes.
func Overlap(x, y string) bool {
	return x != "" && y != "" && (strings.HasPrefix(x, y) || strings.HasPrefix(y, x))
}

// CommonHosts returns the hosts that both routes name. If neither names a host, both are
// for any host, and any is true. A host that only a wildcard of the other matches is not
// in common: Find prefers the exact name.
func (r *Route) CommonHosts(other *Route) (hosts []string, any bool) {
	for _, h := range other.Hosts {
		if slices.Contains(r.Hosts, h) {
			hosts = append(hosts, h)
		}
	}
	return hosts, len(r.Hosts) == 0 && len(other.Hosts) == 0
}

// Find returns the element of all that answers for the decoded URI uri on host. of returns
// the route of an element. host may have a port. If several routes match, the one with the
// most specific host wins: an exact host, then the longest wildcard, then no hosts. If none
// matches, ok is false. Package config refuses two routes that could match equally.
func Find[T any](all []T, of func(T) *Route, host, uri string) (found T, ok bool) {
	host = hostname(host)
	best := -1
	for _, x := range all {
		r := of(x)
		if !r.Has(uri) {
			continue
		}
		if rank := r.rank(host); rank > best {
			found, best = x, rank
		}
	}
	return found, best >= 0
}

// rank says how specifically r names host: -1 not at all, 0 as any, else the
// greater the more specific.
func (r *Route) rank(host string) int {
	if len(r.Hosts) == 0 {
		return 0
	}
	best := -1
	for _, h := range r.Hosts {
		suffix, wildcard := strings.CutPrefix(h, "*")
		switch {
		case !wildcard && h == host:
			// Longer than any wildcard that host can match.
			best = max(best, len(host)+1)
		case wildcard && len(host) > len(suffix) && strings.HasSuffix(host, suffix):
			best = max(best, len(suffix))
		}
	}
	return best
}

// hostname returns host in lower case, without port and final dot.
func hostname(host string) string {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host = host[:i]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
