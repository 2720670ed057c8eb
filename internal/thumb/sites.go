// SPDX-License-Identifier: MIT

package thumb

import "strings"

// Sites is a set of sites. No two overlap: package config refuses prefixes that overlap
// for the same hosts.
type Sites []*Site

// Find returns the site that serves the decoded URI uri on host. host may have a port. If
// several sites match, the site with the most specific host wins: an exact host, then
// the longest wildcard, then no hosts. If none matches, Find returns ErrNoSite.
func (s Sites) Find(host, uri string) (*Site, error) {
	host = hostname(host)
	var found *Site
	best := -1
	for _, site := range s {
		if !strings.HasPrefix(uri, site.Prefix) {
			continue
		}
		if rank := site.rank(host); rank > best {
			found, best = site, rank
		}
	}
	if found == nil {
		return nil, ErrNoSite
	}
	return found, nil
}

// rank says how specifically s names host: -1 not at all, 0 as any, else the
// greater the more specific.
func (s *Site) rank(host string) int {
	if len(s.Hosts) == 0 {
		return 0
	}
	best := -1
	for _, h := range s.Hosts {
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
