// SPDX-License-Identifier: MIT

package fetch

import (
	"net/url"
	"strings"
)

// Forget implements originals.Forgetter. Fetches in flight end, without a copy or a
// remembered failure, and their callers fetch anew. Copies are removed, because their
// validators may be as wrong as a server that changes a file and keeps its time and size.
func (o *Origin) Forget(names []string, covers func(name string) bool) {
	// First: then nothing comes back after its removal.
	o.memory.forget(covers)
	o.flights.Forget(func(of original) bool { return covers(of.name) })
	if names == nil {
		o.spool.dropAll(func(key string, r record) bool {
			of, err := o.original(o.nameOf(r.URL))
			return err == nil && of.key == key && covers(of.name)
		})
		return
	}
	for _, name := range names {
		if of, err := o.original(name); err == nil {
			o.spool.drop(of.key)
		}
	}
}

// nameOf returns the name of the original at a URL that url has returned, or "" for
// another URL.
func (o *Origin) nameOf(u string) string {
	escaped, _ := strings.CutPrefix(u, o.options.Base.String())
	name, err := url.PathUnescape(escaped)
	if err != nil {
		return ""
	}
	return name
}
