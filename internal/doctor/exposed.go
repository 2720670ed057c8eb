// SPDX-License-Identifier: MIT

package doctor

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"thumbd/internal/config"
	"thumbd/internal/files"
	"thumbd/internal/nginxconf"
	"thumbd/internal/thumb"
)

// exposure is a place of nginx's configuration that sends files of a folder.
type exposure struct {
	block *nginxconf.Block // a location, or the server itself
	uri   string           // of a file there, below sampleFolder
}

// sampleFolder is a folder that no tree has, for URIs to look up.
const sampleFolder = "thumbd-doctor"

// folder returns the URI of the whole folder.
func (x exposure) folder() string { return strings.TrimSuffix(path.Dir(x.uri), sampleFolder) }

// close returns the directive that closes the place.
func (x exposure) close() string {
	if slices.Contains(x.block.Args, x.folder()) {
		return "remove that location"
	}
	return "in that server block write: location ^~ " + quoted(x.folder()) + " { return 404; }"
}

// exposures returns the places that send files of a folder to clients, because their root
// or alias is the folder, is above it or is below it. folder is resolved. If a root has
// variables, it is not recognized.
func (v *visit) exposures(folder string) []exposure {
	var all []exposure
	for _, server := range v.conf.Servers() {
		for _, uri := range v.urisOf(server, folder) {
			l := server.Locate(uri)
			block := server.Block
			if l != nil {
				block = l.Block
			}
			file, ok := server.File(l, uri)
			known := slices.ContainsFunc(all, func(x exposure) bool { return x.block == block })
			if ok && !known && sendsFiles(block) && isWithin(resolved(v.conf.Abs(file)), folder) {
				all = append(all, exposure{block, uri})
			}
		}
	}
	return all
}

// urisOf returns URIs that may be names of files of folder on a server: one for each root
// and alias, and each extension, because regular expressions depend on the extension.
func (v *visit) urisOf(server *nginxconf.Server, folder string) []string {
	var uris []string
	add := func(prefix, root string) {
		root = resolved(v.conf.Abs(root))
		below, ok := strings.CutPrefix(folder, strings.TrimSuffix(root, "/"))
		switch {
		case ok && (below == "" || below[0] == '/'):
			prefix = strings.TrimSuffix(prefix, "/") + below
		case !isWithin(root, folder):
			return
		}
		for _, f := range thumb.ThumbnailFormats() {
			uris = append(uris, path.Join("/", prefix, sampleFolder, "kitten."+f.String()))
		}
		uris = append(uris, path.Join("/", prefix, sampleFolder, "kitten.pdf"))
	}
	for _, root := range server.Effective("root") {
		add("/", root.Arg(0))
	}
	for _, l := range server.Locations() {
		// A root counts from the URI's beginning, wherever the location begins.
		if root := l.First("root"); root != nil {
			add("/", root.Arg(0))
			if !l.IsRegexp() {
				add(l.Pattern, path.Join(root.Arg(0), l.Pattern))
			}
		}
		if alias := l.First("alias"); alias != nil && !l.IsRegexp() {
			add(l.Pattern, alias.Arg(0))
		}
	}
	return uris
}

// sendsFiles reports whether clients get files from a block.
func sendsFiles(b *nginxconf.Block) bool {
	if b.First("internal") != nil || b.First("return") != nil {
		return false
	}
	if deny := b.Effective("deny"); len(deny) > 0 && deny[0].Arg(0) == "all" && len(b.Effective("allow")) == 0 {
		return false
	}
	if t := b.First("try_files"); t != nil {
		return strings.Contains(t.Arg(0), "$uri")
	}
	return !hasPass(b)
}

// hasPass reports whether nginx sends the requests of a block to a program.
func hasPass(b *nginxconf.Block) bool {
	return slices.ContainsFunc([]string{"proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass"},
		func(name string) bool { return b.First(name) != nil })
}

func isWithin(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, strings.TrimSuffix(folder, "/")+"/")
}

// asks reports whether nginx asks thumbd for each request of a block.
func asks(b *nginxconf.Block) bool {
	request := b.Effective("auth_request")
	satisfy := b.Effective("satisfy")
	return len(request) > 0 && request[0].Arg(0) == "/_thumbd/auth" && (len(satisfy) == 0 || satisfy[0].Arg(0) != "any")
}

// treeOpen looks for places, beside the site's own locations, that send the files of
// a protected site without asking.
func (v *visit) treeOpen(s *config.Site, own []*nginxconf.Block) {
	if s.Access == nil {
		return
	}
	for _, x := range v.exposures(resolved(filepath.Join(s.Thumb.DocumentRoot, s.Thumb.Prefix))) {
		if asks(x.block) || slices.Contains(own, x.block) {
			continue
		}
		cure := x.close()
		if s.Thumb.Has(x.uri) {
			cure = "in that location write: include snippets/thumbd-auth.conf;"
		}
		v.find("tree-open", siteWhere(&s.Thumb, x.block),
			fmt.Sprintf("nginx serves the site's thumbnails here to everybody, below %s", x.folder()), cure, reloadNginx)
	}
}

// filesOpen looks for places, beside the section's internal location, that send the files
// of the section, if its URLs are signed.
func (v *visit) filesOpen(f *config.Files) {
	if f.Scheme == files.Open {
		return
	}
	for _, x := range v.exposures(resolved(f.Root)) {
		if slices.Contains(x.block.Args, f.Internal) {
			continue
		}
		v.find("files-open", "files "+f.Name+", "+x.block.Where(),
			fmt.Sprintf("nginx serves the section's files here to everybody, below %s", x.folder()),
			x.close(), reloadNginx)
	}
}

// marked checks that nginx sends X-Thumbd-Proof, which tells thumbd that it has allowed
// the request, and the location's root if thumbd needs it to tell sites apart.
func (v *visit) marked(s *config.Site, r entrance) {
	missing := func(b *nginxconf.Block, name, directive string) {
		v.find("snippet-outdated", siteWhere(&s.Thumb, b), "it lacks "+directive+": thumbd refuses missing thumbnails", renew(included(b, name), name)...)
	}
	if !has(r.location.Effective("auth_request_set"), "$thumbd_proof", "$upstream_http_x_thumbd_proof") {
		missing(r.location.Block, "snippets/thumbd-auth.conf", "auth_request_set $thumbd_proof $upstream_http_x_thumbd_proof")
	}
	if named := r.server.Named("@thumbd"); named != nil && !has(named.All("proxy_set_header"), "X-Thumbd-Proof", "$thumbd_proof") {
		missing(named.Block, "snippets/thumbd.conf", "proxy_set_header X-Thumbd-Proof $thumbd_proof")
	}
	if len(v.rivals(s)) > 0 {
		v.rooted(s, r)
	}
}

// has reports whether one of the directives has these arguments.
func has(directives []*nginxconf.Block, args ...string) bool {
	return slices.ContainsFunc(directives, func(b *nginxconf.Block) bool { return slices.Equal(b.Args, args) })
}

// rivals returns the names of the other protected sites that share URIs with s.
func (v *visit) rivals(s *config.Site) []string {
	var names []string
	for i := range v.config.Sites {
		x := &v.config.Sites[i]
		if x.Thumb.Name != s.Thumb.Name && x.Access != nil && x.Thumb.Overlaps(&s.Thumb.Route) {
			names = append(names, x.Thumb.Name)
		}
	}
	return names
}

// rooted checks that nginx passes on the document_root of a site, if the site shares URIs
// with other protected sites.
func (v *visit) rooted(s *config.Site, r entrance) {
	document := s.Thumb.DocumentRoot
	if ask := askLocation(r.server); ask == nil || !has(ask.All("proxy_set_header"), "X-Thumbd-Root", "$thumbd_asking_root") {
		v.find("snippet-outdated", siteWhere(&s.Thumb, r.server.Block), "location = /_thumbd/auth does not send X-Thumbd-Root: thumbd allows nothing, for it can't tell the site from "+strings.Join(v.rivals(s), ", "),
			renew(included(r.server.Block, "snippets/thumbd.conf"), "snippets/thumbd.conf")...)
	}
	told := ""
	for _, b := range r.location.All("set") {
		if b.Arg(0) == "$thumbd_root" {
			told = b.Arg(1)
		}
	}
	if told == "$document_root" {
		roots := r.location.Effective("root")
		if len(roots) == 0 || strings.Contains(roots[0].Arg(0), "$") {
			return
		}
		told = v.conf.Abs(roots[0].Arg(0))
	}
	if told == "" || path.Clean(told) != document {
		v.find("root-wrong", siteWhere(&s.Thumb, r.location.Block),
			fmt.Sprintf("nginx tells thumbd the root %q, and document_root is %s: thumbd allows nothing, for it can't tell the site from %s", told, document, strings.Join(v.rivals(s), ", ")),
			"in that location write: root "+quoted(document)+"; include snippets/thumbd-auth.conf;",
			"if nginx has the folder under another path, write behind that: set $thumbd_root "+quoted(document)+";", reloadNginx)
	}
}

// askLocation returns the location that asks thumbd, or nil.
func askLocation(s *nginxconf.Server) *nginxconf.Location {
	for _, l := range s.Locations() {
		if l.Modifier == "=" && l.Pattern == "/_thumbd/auth" {
			return l
		}
	}
	return nil
}
