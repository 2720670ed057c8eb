// SPDX-License-Identifier: MIT

package doctor

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"thumbd/internal/config"
	"thumbd/internal/nginxconf"
	"thumbd/internal/thumb"
)

// site looks at the location of a site.
func (v *visit) site(s *config.Site, r entrance) {
	if servesOriginals(s) {
		v.inPlace(s, r)
		return
	}
	v.reached(&s.Thumb, r)
	v.root(&s.Thumb, r)
	v.tryFiles(s, r)
	v.types(&s.Thumb, r.location)
	v.fallback(&s.Thumb, r.server)
	v.caches(&s.Thumb, r.location)
	v.refusals(&s.Thumb, r.location)
	v.hosts(&s.Thumb, r.server)
	v.guarded(s, r.location)
	if s.Access != nil && asks(r.location.Block) {
		v.marked(s, r)
	}
}

// reached looks whether requests get to the location that is meant.
func (v *visit) reached(s *thumb.Site, r entrance) {
	for _, f := range s.Formats {
		got := r.server.Locate(sample(s, f))
		switch {
		case got == nil || got.Block == r.location.Block:
		case got.IsRegexp():
			v.find("location-regexp", siteWhere(s, got.Block), fmt.Sprintf("location %s %s takes the requests for .%v away from location %s", got.Modifier, got.Pattern, f, s.Prefix),
				"at "+r.location.Where()+" write: location ^~ "+quoted(s.Prefix)+" {", reloadNginx)
			return
		default:
			v.find("location-taken", siteWhere(s, got.Block), fmt.Sprintf("location %s %s takes the requests away from location %s", got.Modifier, got.Pattern, s.Prefix),
				"remove that location, or choose another prefix", reloadNginx)
			return
		}
	}
	if r.location.Modifier == "" {
		v.find("caret-missing", siteWhere(s, r.location.Block), "location "+s.Prefix+" has no ^~: the next location for a regular expression may take the requests away",
			"write: location ^~ "+quoted(s.Prefix)+" {", reloadNginx)
	}
}

// anyName is the name of a file below a prefix. nginx puts the rest of the URI behind an
// alias as it is: "alias /srv/uploads" without a / at the end makes /srv/uploadsa.jpg of
// /uploads/a.jpg, though the folder itself is the right one.
const anyName = "a.jpg"

// root compares the location's root with document_root.
func (v *visit) root(s *thumb.Site, r entrance) {
	l := r.location
	cure := []string{"in that location write: root " + quoted(s.DocumentRoot) + ";", reloadNginx}
	if alias := l.First("alias"); alias != nil {
		file, ok := r.server.File(l, s.Prefix+anyName)
		if ok && resolved(v.conf.Abs(file)) == resolved(filepath.Join(s.DocumentRoot, s.Prefix, anyName)) {
			return
		}
		v.find("root-wrong", siteWhere(s, alias), "alias is "+alias.Arg(0)+", which is not the tree: alias leaves "+s.Prefix+" out of the files' names", cure...)
		return
	}
	roots := l.Effective("root")
	if len(roots) == 0 {
		v.find("root-wrong", siteWhere(s, l.Block), "there is no root", cure...)
		return
	}
	root := roots[0].Arg(0)
	// Of a root with variables only the thumbnail can tell.
	if !strings.Contains(root, "$") && resolved(v.conf.Abs(root)) != resolved(s.DocumentRoot) {
		v.find("root-wrong", siteWhere(s, roots[0]), fmt.Sprintf("root is %s, and document_root %s: nginx does not find the published thumbnails", root, s.DocumentRoot), cure...)
	}
}

// resolved returns a path with its links resolved, as far as it exists.
func resolved(path string) string {
	path = filepath.Clean(path)
	there := existing(path)
	real, err := filepath.EvalSymlinks(there)
	if err != nil {
		return path
	}
	return filepath.Join(real, strings.TrimPrefix(path, there))
}

// variant returns the text behind $uri in the try_files of a site: "$thumbd_variant".
func variant(negotiate []thumb.Format) string {
	switch len(negotiate) {
	case 0:
		return ""
	case 1:
		return "$thumbd_webp"
	}
	return "$thumbd_variant"
}

// tryFiles checks that nginx looks for the files that thumbd publishes.
func (v *visit) tryFiles(s *config.Site, r entrance) {
	l := r.location
	wanted := "$uri" + variant(s.Thumb.Negotiate)
	cure := []string{"in that location write: try_files " + wanted + " @thumbd;", reloadNginx}
	t := l.First("try_files")
	switch {
	case t == nil:
		v.find("try-files", siteWhere(&s.Thumb, l.Block), "it has no try_files: nginx never asks thumbd", cure...)
	case t.Arg(0) != wanted && slices.Contains([]string{"$uri", "$uri$thumbd_webp", "$uri$thumbd_variant"}, t.Arg(0)):
		v.find("negotiation", siteWhere(&s.Thumb, t), fmt.Sprintf("try_files looks for %s, and thumbd publishes %s for negotiate = %s", t.Arg(0), wanted, list(s.Thumb.Negotiate)), cure...)
	case len(t.Args) != 2 || t.Arg(0) != wanted || !leads(r.server, t.Arg(1)):
		v.find("try-files", siteWhere(&s.Thumb, t), "try_files is "+strings.Join(t.Args, " "), cure...)
	}
	if len(s.Thumb.Negotiate) > 0 && !slices.ContainsFunc(l.Effective("add_header"), isVary) {
		v.find("vary-missing", siteWhere(&s.Thumb, l.Block), "without Vary a cache in front gives every client the format that the first client accepted",
			"in that location write: add_header Vary Accept always;", reloadNginx)
	}
}

// maxNamed named locations may come before thumbd.
const maxNamed = 4

// leads reports whether a named location is @thumbd, asks thumbd as @thumbd does, or
// leads to such a location by try_files: an administrator's own location shows pages
// of the site in place of errors, or limits misses.
func leads(server *nginxconf.Server, name string) bool {
	for range maxNamed {
		if name == "@thumbd" {
			return true
		}
		named := server.Named(name)
		if named == nil {
			return false
		}
		if p := named.First("proxy_pass"); p != nil && p.Arg(0) == "http://thumbd" {
			return named.Lacks(shipped("snippets/thumbd-proxy.conf")) == nil
		}
		t := named.First("try_files")
		if t == nil {
			return false
		}
		name = t.Arg(len(t.Args) - 1)
	}
	return false
}

// types looks whether nginx knows the media types of thumbnails: browsers save
// application/octet-stream instead of showing it.
func (v *visit) types(s *thumb.Site, l *nginxconf.Location) {
	var lacking []string
	known := []string{"gif", "jpg"} // nginx's own, if it has no block of types
	blocks := l.Effective("types")
	if len(blocks) > 0 {
		known = nil
	}
	for _, types := range blocks {
		for _, t := range types.Children {
			known = append(known, t.Args...)
		}
	}
	for _, f := range append(slices.Clone(s.Formats), s.Negotiate...) {
		if line := f.MediaType() + " " + f.String() + ";"; !slices.Contains(known, f.String()) && !slices.Contains(lacking, line) {
			lacking = append(lacking, line)
		}
	}
	if lacking != nil {
		v.find("mime-types", siteWhere(s, l.Block), "nginx has no media type for thumbnails of the site, and sends application/octet-stream",
			"in the block of types, usually mime.types, write: "+strings.Join(lacking, " "), reloadNginx)
	}
}

func isVary(b *nginxconf.Block) bool {
	return strings.EqualFold(b.Arg(0), "Vary") && strings.Contains(strings.ToLower(b.Arg(1)), "accept")
}

func list(formats []thumb.Format) string {
	var words []string
	for _, f := range formats {
		words = append(words, `"`+f.String()+`"`)
	}
	return "[" + strings.Join(words, ", ") + "]"
}

// fallback looks for the snippet.
func (v *visit) fallback(s *thumb.Site, server *nginxconf.Server) {
	cure := []string{"in that server block write: include snippets/thumbd.conf;", reloadNginx}
	named := server.Named("@thumbd")
	if named == nil {
		v.find("snippet-missing", siteWhere(s, server.Block), "the server block has no location @thumbd: misses are answered 500", cure...)
		return
	}
	if p := named.First("proxy_pass"); p == nil || p.Arg(0) != "http://thumbd" {
		v.find("snippet-missing", siteWhere(s, named.Block), "location @thumbd does not ask thumbd as snippets/thumbd.conf does", cure...)
	}
}

// caches looks for directives that make nginx serve a deleted file, or miss a file
// that is there.
func (v *visit) caches(s *thumb.Site, l *nginxconf.Location) {
	if c := l.Effective("open_file_cache"); len(c) > 0 && c[0].Arg(0) != "off" {
		what := "open_file_cache serves thumbnails that were replaced"
		if l.IsOn("open_file_cache_errors") {
			what = "open_file_cache_errors remembers that a thumbnail was missing, once it has been made too"
		}
		v.find("open-file-cache", siteWhere(s, c[0]), what, "in that location write: open_file_cache off;", reloadNginx)
	}
	if types := l.Effective("gzip_types"); l.IsOn("gzip") && len(types) > 0 && slices.ContainsFunc(types[0].Args, isImages) {
		v.find("gzip-images", siteWhere(s, types[0]), "gzip packs pictures, which are packed already, and weakens their ETags",
			"remove the types of images from gzip_types, or in that location write: gzip off;", reloadNginx)
	}
}

func isImages(mediaType string) bool {
	return mediaType == "*" || strings.HasPrefix(mediaType, "image/") && mediaType != "image/svg+xml"
}

// guarded checks that nginx asks for proofs of hits in protected locations, and only
// there.
func (v *visit) guarded(s *config.Site, l *nginxconf.Location) {
	request := l.Effective("auth_request")
	on := len(request) > 0 && request[0].Arg(0) == "/_thumbd/auth"
	switch {
	case s.Access != nil && !on:
		v.find("auth-missing", siteWhere(&s.Thumb, l.Block), "the site is protected, and nginx serves its thumbnails to everybody",
			"in that location write: include snippets/thumbd-auth.conf;", reloadNginx)
	case s.Access == nil && on:
		v.find("auth-needless", siteWhere(&s.Thumb, request[0]), "the site has no access section, so nginx, which asks for each request, serves none",
			"remove the include of snippets/thumbd-auth.conf, or add [site."+s.Thumb.Name+".access]", reloadNginx)
	case on:
		v.compareIncluded(request[0].Parent, "snippets/thumbd-auth.conf")
	}
	if s.Access != nil && on && len(l.Effective("satisfy")) > 0 && l.Effective("satisfy")[0].Arg(0) == "any" {
		v.find("auth-missing", siteWhere(&s.Thumb, l.Effective("satisfy")[0]), "satisfy any: another rule lets requests in that thumbd refuses",
			"in that location write: satisfy all;", reloadNginx)
	}
}
