// SPDX-License-Identifier: MIT

package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"thumbd/internal/names"
	"thumbd/internal/route"
	"thumbd/internal/thumb"
)

// checkPrefix accepts the prefixes that nginx's normalization and the names of
// published files leave possible.
func checkPrefix(s string) error {
	switch {
	case s == "/":
		return errors.New(`want a folder of its own, e.g. "/thumbs/"`)
	case !strings.HasPrefix(s, "/") || !strings.HasSuffix(s, "/"):
		return fmt.Errorf(`want a path that begins and ends with /, e.g. "/thumbs/", have %q`, s)
	case strings.HasPrefix(s, "/_thumbd/"):
		return errors.New("/_thumbd/ is the daemon's own; choose another")
	case strings.ContainsAny(s, "%?#"):
		return fmt.Errorf("%q has one of %%, ? and #; write the characters as they are once decoded, and none of these", s)
	case strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("%q has a control character; remove it", s)
	case len(s) > names.MaxPath:
		return fmt.Errorf("is %d bytes long, over %d; shorten it", len(s), names.MaxPath)
	}
	for segment := range strings.SplitSeq(s[1:len(s)-1], "/") {
		switch {
		case segment == "":
			return fmt.Errorf("%q has //, which nginx merges; write /", s)
		case segment[0] == '.':
			return fmt.Errorf("%q has a segment that begins with a dot, which is never published; rename it", s)
		case len(segment) > names.MaxSegment:
			return fmt.Errorf("has a segment of %d bytes, over %d; shorten it", len(segment), names.MaxSegment)
		}
	}
	return nil
}

// folder takes an absolute path, and leaves out slashes that are too many.
func folder(dst *string) setter {
	return func(v any) error {
		var s string
		if err := text(&s, checkFolder)(v); err != nil {
			return err
		}
		*dst = filepath.Clean(s)
		return nil
	}
}

func checkFolder(s string) error {
	switch {
	case strings.Contains(s, "://"):
		return fmt.Errorf("want an absolute path, have %q; only the originals of a site can be at a URL", s)
	case !filepath.IsAbs(s):
		return fmt.Errorf("want an absolute path, have %q", s)
	case strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("%q has a control character; remove it", s)
	case slices.Contains(strings.Split(s, "/"), ".."):
		// If links are followed, the meaning of .. depends on the disk.
		return fmt.Errorf("%q has ..; write the path without", s)
	case len(s) > names.MaxPath:
		return fmt.Errorf("is %d bytes long, over %d; shorten it", len(s), names.MaxPath)
	}
	return nil
}

var hostPattern = regexp.MustCompile(`^(\*\.)?[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$`)

// host returns a host name in lower case: the daemon compares hosts in lower case.
func host(v any) (string, error) {
	s, _ := v.(string)
	s = strings.ToLower(s)
	if !hostPattern.MatchString(s) || len(s) > 255 {
		return "", fmt.Errorf(`want a host name in ASCII without a port, "a.example" or "*.a.example", have %s`, have(v))
	}
	return s, nil
}

func (r *reader) checkFormats(d *draft) {
	const empty = "is empty; name a format, or remove it for the default"
	if len(d.OriginalFormats) == 0 {
		r.mistake(d.table.at("original_formats"), empty)
	}
	if len(d.Thumb.Formats) == 0 {
		r.mistake(d.table.at("formats"), empty)
	}
	key := d.table.at("negotiate")
	switch {
	case !r.sound(d.table, "negotiate") || len(d.Thumb.Negotiate) == 0:
		return
	case !slices.ContainsFunc(negotiations(), func(l []thumb.Format) bool { return slices.Equal(l, d.Thumb.Negotiate) }):
		r.mistake(key, "want [], %s", negotiationsText())
	case r.bad[d.table.at("formats")]:
		return
	}
	for _, f := range d.Thumb.Negotiate {
		if !slices.Contains(d.Thumb.Formats, f) {
			r.mistake(key, "%v is not in formats; add it there, or remove it here", f)
		}
	}
}

// negotiations returns the values of negotiate, the shortest first: nginx's maps yield the
// last variants of thumb.Variants, for example ["webp"] and ["avif", "webp"].
func negotiations() (lists [][]thumb.Format) {
	all := thumb.Variants()
	for i := len(all) - 1; i >= 0; i-- {
		lists = append(lists, all[i:])
	}
	return lists
}

// negotiationsText returns these values as thumbd.toml has them.
func negotiationsText() string {
	var texts []string
	for _, l := range negotiations() {
		var names []string
		for _, f := range l {
			names = append(names, f.String())
		}
		texts = append(texts, strings.ReplaceAll(fmt.Sprintf("%q", names), " ", ", "))
	}
	return strings.Join(texts, " or ")
}

// resolve sets the real paths of the tree and the originals of d, without links.
func (r *reader) resolve(d *draft) {
	resolved := func(name, path string) string {
		p, err := r.env.Resolve(path)
		if err != nil {
			r.warn(d.table.at(name), "%v; whether it shares files with other folders is not known", err)
			return path
		}
		return p
	}
	if r.sound(d.table, "document_root", "prefix") {
		d.tree = resolved("document_root", filepath.Join(d.Thumb.DocumentRoot, d.Thumb.Prefix))
		if n := len(d.Thumb.DocumentRoot) + len(d.Thumb.Prefix); n > names.MaxPath {
			r.mistake(d.table.at("document_root"), "is %d bytes long with the prefix, over %d; shorten it", n, names.MaxPath)
		}
	}
	if r.sound(d.table, "originals") && d.Local() {
		d.originals = resolved("originals", d.Originals)
	}
}

// compare notes the contradictions of sites with one another, at the later
// line, and of originals with trees. The drafts are in the order of lines.
func (r *reader) compare(drafts []*draft) {
	for i, b := range drafts {
		if within(b.originals, b.tree) || within(b.tree, b.originals) {
			r.mistake(b.table.at("originals"), "%s and the tree, %s, contain each other; keep thumbnails and originals in separate folders", b.originals, b.tree)
		}
		for _, a := range drafts[:i] {
			r.compareTrees(a, b)
			r.compareAccess(a, b)
			if within(b.originals, a.tree) || within(a.tree, b.originals) {
				r.mistake(b.table.at("originals"), "%s and the tree of %s, %s, contain each other; choose another folder", b.originals, r.ref(a.table), a.tree)
			}
			if within(a.originals, b.tree) || within(b.tree, a.originals) {
				r.mistake(b.table.at("document_root"), "the tree, %s, and the originals of %s, %s, contain each other; choose another folder", b.tree, r.ref(a.table), a.originals)
			}
		}
	}
}

// ref names a site or a section that another one contradicts.
func (r *reader) ref(t table) string {
	return fmt.Sprintf("%s (%s)", t.key, r.line(t.key))
}

// claim is the URIs and keys of a site or of a section of downloads. No other may claim
// the same ones.
type claim struct {
	route  *route.Route
	table  table
	scheme thumb.Scheme // of a site
	names  []string     // of keys
	keys   [][]byte     // one for each name; empty if it is wrong
	uses   []keyUse
}

// comparePrefixes notes URIs and keys of URIs that b shares with a.
func (r *reader) comparePrefixes(a, b *claim) {
	overlap := a.route.Overlaps(b.route)
	if both := thumb.RestThumbnails; a.scheme == both && b.scheme == both {
		r.compareKeys(a, b, "is of the scheme restthumbnails too, which signs no prefix")
	} else if overlap {
		r.compareKeys(a, b, "has an overlapping prefix")
	}
	if !overlap || r.bad[a.table.at("hosts")] || r.bad[b.table.at("hosts")] {
		return
	}
	hosts, any := a.route.CommonHosts(b.route)
	if any {
		r.mistake(b.table.at("prefix"), "%q and %q of %s overlap, and neither site has hosts; choose another prefix, or name hosts", b.route.Prefix, a.route.Prefix, r.ref(a.table))
	}
	for _, h := range hosts {
		r.mistake(b.table.at("prefix"), "%q and %q of %s overlap, and both sites have the host %s; choose another prefix, or other hosts", b.route.Prefix, a.route.Prefix, r.ref(a.table), h)
	}
}

// compareTrees notes trees that share files: the thumbnails of one site would
// be served by the other.
func (r *reader) compareTrees(a, b *draft) {
	switch {
	case a.tree == "" || b.tree == "":
	case a.tree == b.tree:
		r.mistake(b.table.at("document_root"), "the tree, %s, is that of %s too; choose another folder", b.tree, r.ref(a.table))
	case within(a.tree, b.tree) || within(b.tree, a.tree):
		r.mistake(b.table.at("document_root"), "the tree, %s, and that of %s, %s, contain each other; choose another folder", b.tree, r.ref(a.table), a.tree)
	}
}

// within reports whether path is folder or below it. Neither is, if empty.
func within(path, folder string) bool {
	if path == "" || folder == "" {
		return false
	}
	return path == folder || strings.HasPrefix(path, strings.TrimSuffix(folder, "/")+"/")
}
