// SPDX-License-Identifier: MIT

package config

import (
	"maps"
	"slices"
	"time"

	"thumbd/internal/files"
	"thumbd/internal/route"
	"thumbd/internal/sign"
)

// anySection is the purpose of a key if its URLs do not name a section.
const anySection = "URLs of authtoken"

// Files is one section of downloads of the configuration.
type Files struct {
	route.Route
	Root     string // absolute path
	Internal string // of nginx; "" for other front ends
	Scheme   files.Scheme
	Keys     [][]byte // the first signs
	Digest   sign.Digest
	Timeout  time.Duration
	// Attachment has browsers save files and not show them.
	Attachment bool
}

// sections reads and checks all sections of downloads into c, and compares them
// with the sites.
func (r *reader) sections(c *Config, tops []table, sites []*draft) {
	var claims []*claim
	for _, site := range sites {
		claims = append(claims, &claim{route: &site.Thumb.Route, table: site.table, scheme: site.Thumb.Scheme, keys: site.Thumb.Keys, names: site.keys, uses: site.uses})
	}
	all := r.merge(tops, "files")
	_, named := r.places["files"]
	if named && !r.bad["files"] && len(all.values) == 0 {
		r.mistake("files", "no [files.NAME] section in it; add one, e.g. [files.documents]")
	}
	var internals []internal
	for _, name := range slices.Sorted(maps.Keys(all.values)) {
		if t, ok := r.table(all, name); ok {
			f, claimed := r.filesSection(c, t, name)
			claims = append(claims, claimed)
			internals = append(internals, internal{t, f.Internal})
			c.Files = append(c.Files, *f)
		}
	}
	slices.SortStableFunc(claims, func(a, b *claim) int {
		return r.byPlace(a.table, b.table)
	})
	for i, b := range claims {
		for _, a := range claims[:i] {
			r.comparePrefixes(a, b)
		}
	}
	r.compareUses(claims)
	r.compareInternals(internals, claims)
}

// filesSection reads one section.
func (r *reader) filesSection(c *Config, t table, name string) (*Files, *claim) {
	f := &Files{Route: route.Route{Name: name}, Digest: sign.MD5, Timeout: 2 * time.Minute, Attachment: true}
	claimed := &claim{route: &f.Route, table: t}
	if !namePattern.MatchString(name) {
		r.mistake(t.key, "%s", nameRule)
	}
	r.read(t, filesFields(f, &claimed.names))
	r.missing(t, "prefix", `"/`+name+`/"`)
	r.missing(t, "root", `"/srv/`+name+`"`)
	r.missing(t, "scheme", `"signed"`)
	if c.Accel == "nginx" {
		r.missing(t, "internal", `"/_`+name+`/"`)
	}
	for _, only := range []string{"digest", "timeout"} {
		if t.has(only) && f.Scheme != files.AuthToken && f.Scheme != 0 {
			r.mistake(t.at(only), "is for the scheme authtoken; remove it")
		}
	}
	r.filesKeys(t, f, claimed)
	claimed.keys = f.Keys
	return f, claimed
}

func filesFields(f *Files, keys *[]string) fields {
	disposition := func(v any) error {
		var s string
		err := oneOf(&s, "inline", "attachment")(v)
		f.Attachment = s != "inline"
		return err
	}
	return fields{
		"prefix":      text(&f.Prefix, checkPrefix),
		"hosts":       list(&f.Hosts, host),
		"root":        folder(&f.Root),
		"internal":    text(&f.Internal, checkPrefix),
		"scheme":      word(&f.Scheme),
		"keys":        list(keys, keyName),
		"digest":      word(&f.Digest),
		"timeout":     duration(&f.Timeout, time.Second, 10_000*time.Hour),
		"disposition": disposition,
	}
}

func (r *reader) filesKeys(t table, f *Files, claimed *claim) {
	key := t.at("keys")
	needed := f.Scheme == files.Signed || f.Scheme == files.AuthToken
	switch {
	case r.bad[key] || f.Scheme == 0:
		return
	case !needed && len(claimed.names) > 0:
		r.mistake(key, "URLs of the scheme %v are not signed; remove it", f.Scheme)
		return
	case needed && !t.has("keys"):
		r.missing(t, "keys", `["`+f.Name+`.key"]`)
	case needed && len(claimed.names) == 0:
		r.mistake(key, "is empty; URLs of the scheme %v are signed: name a key", f.Scheme)
	}
	for _, name := range claimed.names {
		content := r.key(key, name)
		purpose := "URLs of files"
		switch {
		case f.Scheme == files.AuthToken:
			purpose = anySection
			if len(content) > 0 && len(content) < shortKey {
				r.warn(key, "%s is %d bytes long, and under %d can be guessed; change it with the next change of URLs", name, len(content), shortKey)
			}
		case len(content) > 0:
			r.checkLength(key, name, content)
		}
		claimed.uses = append(claimed.uses, keyUse{key, purpose, name, content})
		f.Keys = append(f.Keys, content)
	}
}

// internal is the internal location of a section. A prefix that is missing or wrong is "".
type internal struct {
	table  table
	prefix string
}

// compareInternals notes internal locations that share URIs with anything that
// clients ask for.
func (r *reader) compareInternals(internals []internal, claims []*claim) {
	for i, b := range internals {
		for _, a := range internals[:i] {
			if route.Overlap(a.prefix, b.prefix) {
				r.mistake(b.table.at("internal"), "%q and that of %s overlap; choose another", b.prefix, r.ref(a.table))
			}
		}
		for _, a := range claims {
			if route.Overlap(a.route.Prefix, b.prefix) {
				r.mistake(b.table.at("internal"), "%q and the prefix of %s overlap; choose another", b.prefix, r.ref(a.table))
			}
		}
	}
}
