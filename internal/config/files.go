// SPDX-License-Identifier: MIT

package config

import (
	"maps"
	"slices"
	"strings"
	"time"

	"thumbd/internal/files"
	"thumbd/internal/sign"
	"thumbd/internal/thumb"
)

// anySection is the purpose of a key if its URLs do not name a section.
const anySection = "URLs of authtoken"

// Files is one section of downloads of the configuration.
type Files struct {
	// Where has Name, Prefix and Hosts, and nothing else.
	Where    thumb.Site
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
	all := r.merge(tops, "files")
	_, named := r.places["files"]
	if named && !r.bad["files"] && len(all.values) == 0 {
		r.mistake("files", "no [files.NAME] section in it; add one, e.g. [files.documents]")
	}
	drafts := slices.Clone(sites)
	var internals []*draft
	for _, name := range slices.Sorted(maps.Keys(all.values)) {
		if t, ok := r.table(all, name); ok {
			f, d := r.filesSection(c, t, name)
			drafts = append(drafts, d)
			internals = append(internals, &draft{table: t, Site: Site{Thumb: thumb.Site{Prefix: f.Internal}}})
			c.Files = append(c.Files, f)
		}
	}
	slices.SortStableFunc(drafts, func(a, b *draft) int {
		return r.byPlace(a.table, b.table)
	})
	for i, b := range drafts {
		for _, a := range drafts[:i] {
			if strings.HasPrefix(a.table.key, "files.") || strings.HasPrefix(b.table.key, "files.") {
				r.comparePrefixes(a, b)
			}
			r.compareAccess(a, b)
		}
	}
	r.compareUses(drafts)
	r.compareInternals(internals, drafts)
}

// filesSection reads one section. Its draft is for comparing it with others.
func (r *reader) filesSection(c *Config, t table, name string) (Files, *draft) {
	f := Files{Where: thumb.Site{Name: name}, Digest: sign.MD5, Timeout: 2 * time.Minute, Attachment: true}
	d := &draft{table: t}
	if !namePattern.MatchString(name) {
		r.mistake(t.key, "%s", nameRule)
	}
	r.read(t, filesFields(&f, &d.keys))
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
	r.filesKeys(t, &f, d)
	d.Thumb.Name, d.Thumb.Prefix, d.Thumb.Hosts, d.Thumb.Keys = name, f.Where.Prefix, f.Where.Hosts, f.Keys
	return f, d
}

func filesFields(f *Files, keys *[]string) fields {
	disposition := func(v any) error {
		var s string
		err := oneOf(&s, "inline", "attachment")(v)
		f.Attachment = s != "inline"
		return err
	}
	return fields{
		"prefix":      text(&f.Where.Prefix, checkPrefix),
		"hosts":       list(&f.Where.Hosts, host),
		"root":        folder(&f.Root),
		"internal":    text(&f.Internal, checkPrefix),
		"scheme":      word(&f.Scheme),
		"keys":        list(keys, keyName),
		"digest":      word(&f.Digest),
		"timeout":     duration(&f.Timeout, time.Second, 10_000*time.Hour),
		"disposition": disposition,
	}
}

func (r *reader) filesKeys(t table, f *Files, d *draft) {
	key := t.at("keys")
	needed := f.Scheme == files.Signed || f.Scheme == files.AuthToken
	switch {
	case r.bad[key] || f.Scheme == 0:
		return
	case !needed && len(d.keys) > 0:
		r.mistake(key, "URLs of the scheme %v are not signed; remove it", f.Scheme)
		return
	case needed && !t.has("keys"):
		r.missing(t, "keys", `["`+f.Where.Name+`.key"]`)
	case needed && len(d.keys) == 0:
		r.mistake(key, "is empty; URLs of the scheme %v are signed: name a key", f.Scheme)
	}
	for _, name := range d.keys {
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
		d.uses = append(d.uses, keyUse{key, purpose, name, content})
		f.Keys = append(f.Keys, content)
	}
}

// compareInternals notes internal locations that share URIs with anything that
// clients ask for.
func (r *reader) compareInternals(internals, drafts []*draft) {
	overlap := func(x, y string) bool {
		return x != "" && y != "" && (strings.HasPrefix(x, y) || strings.HasPrefix(y, x))
	}
	for i, b := range internals {
		for _, a := range internals[:i] {
			if overlap(a.Thumb.Prefix, b.Thumb.Prefix) {
				r.mistake(b.table.at("internal"), "%q and that of %s overlap; choose another", b.Thumb.Prefix, r.ref(a))
			}
		}
		for _, a := range drafts {
			if overlap(a.Thumb.Prefix, b.Thumb.Prefix) {
				r.mistake(b.table.at("internal"), "%q and the prefix of %s overlap; choose another", b.Thumb.Prefix, r.ref(a))
			}
		}
	}
}
