// SPDX-License-Identifier: MIT

package fetch

import (
	"net/url"
	"strings"

	"thumbd/internal/originals"
)

// Forget implements originals.Forgetter. Fetches in flight end, without a copy or a
// remembered failure, and their callers fetch anew. Copies are removed unless f keeps them:
// a server that changes a file may keep its time and size, and would call the copy good.
func (o *Origin) Forget(f originals.Forgotten) {
	// The fetches in flight end first: otherwise they could restore what is removed below.
	o.memory.forget(f.Covers)
	o.flights.Forget(func(of original) bool { return f.Covers(of.name) })
	if f.KeepCopies {
		return
	}
	if f.Names == nil {
		o.spool.dropAll(func(key string, r record) bool {
			of, err := o.original(o.nameOf(r.URL))
			return err == nil && of.key == key && f.Covers(of.name)
		})
		return
	}
	for _, name := range f.Names {
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
