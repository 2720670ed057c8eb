// SPDX-License-Identifier: MIT

package thumb

import "thumbd/internal/route"

// Sites is a set of sites. No two overlap: package config refuses prefixes that overlap
// for the same hosts.
type Sites []*Site

// Find returns the site that serves the decoded URI uri on host, as route.Find does. If
// none matches, Find returns ErrNoSite.
func (s Sites) Find(host, uri string) (*Site, error) {
	found, ok := route.Find(s, func(s *Site) *route.Route { return &s.Route }, host, uri)
	if !ok {
		return nil, ErrNoSite
	}
	return found, nil
}
