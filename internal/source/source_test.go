// SPDX-License-Identifier: MIT

package source

import (
	"net/url"
	"testing"

	"thumbd/internal/config"
	"thumbd/internal/fetch"
	"thumbd/internal/originals"
)

// Commands ask a source for its abilities: a folder has those of files, an origin can
// list nothing and is asked over the network.
func TestAbilities(t *testing.T) {
	base := &url.URL{Scheme: "https", Host: "origin.example", Path: "/media/"}
	for name, site := range map[string]*config.Site{
		"folder": {Originals: t.TempDir()},
		"origin": {Fetch: &fetch.Options{Base: base}},
	} {
		s := New(&config.Config{}, site, nil)
		defer s.Close()
		var has []bool
		for _, ok := range []bool{is[originals.Lister](s), is[originals.Teller](s), is[originals.Gated](s), is[originals.Former](s), is[originals.Distant](s)} {
			has = append(has, ok)
		}
		for i, got := range has {
			if distant := i == len(has)-1; got != (distant == (name == "origin")) {
				t.Errorf("%s: ability %d is %v", name, i, got)
			}
		}
	}
}

func is[T any](s originals.Source) bool {
	_, ok := s.(T)
	return ok
}
