// SPDX-License-Identifier: MIT

package doctor

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"thumbd/internal/config"
	"thumbd/internal/nginxconf"
	"thumbd/internal/thumb"
)

// route is a way on which nginx gets requests for a site.
type route struct {
	server   *nginxconf.Server
	listen   nginxconf.Listen
	host     string // that leads there
	location *nginxconf.Location
}

// sites compares nginx's server blocks with what the configuration says of
// each site.
func (v *visit) sites(context.Context) string {
	if v.conf == nil || v.config == nil {
		return v.skip("it takes both configurations")
	}
	v.routes = make(map[string][]route)
	for i := range v.config.Sites {
		s := &v.config.Sites[i]
		v.routes[s.Thumb.Name] = v.findRoutes(s)
		var seen []*nginxconf.Block
		for _, r := range v.routes[s.Thumb.Name] {
			if !slices.Contains(seen, r.location.Block) {
				seen = append(seen, r.location.Block)
				v.site(s, r)
			}
		}
	}
	if most, where := v.conf.WorkerConnections(); most < 2*(v.config.Queue+v.config.Workers) {
		v.find("worker-connections", where, fmt.Sprintf("worker_connections is %d: %d requests may wait in thumbd's queue, of which each takes two", most, v.config.Queue),
			fmt.Sprintf("in the events block write: worker_connections %d;", max(1024, 2*(v.config.Queue+v.config.Workers))), reloadNginx)
	}
	return fmt.Sprintf("%d sites in nginx's server blocks", len(v.config.Sites))
}

// findRoutes returns where nginx answers for a site, or tells that it does not.
func (v *visit) findRoutes(s *config.Site) []route {
	servers := v.conf.Servers()
	var routes []route
	for _, host := range concrete(s.Thumb.Hosts) {
		found := false
		var other *nginxconf.Server
		for _, server := range servers {
			for _, l := range server.Listens {
				name := host
				if name == "" {
					name = nameOf(server)
				}
				switch loc := siteLocation(server, &s.Thumb); {
				case l.Network == "udp" || nginxconf.Pick(servers, l, name) != server:
				case loc == nil && server.Rank(name) > 0:
					other = server
				case loc != nil:
					found = true
					routes = append(routes, route{server, l, name, loc})
				}
			}
		}
		if !found {
			v.noRoute(s, host, other)
		}
	}
	return routes
}

// noRoute tells that nobody answers for a site on a host, "" for any; the
// server other does so for the host alone.
func (v *visit) noRoute(site *config.Site, host string, other *nginxconf.Server) {
	s := &site.Thumb
	cure := append([]string{"in the site's server block of nginx write:"}, Lines(site)...)
	cure = append(cure, reloadNginx)
	where := siteWhere(s, nil)
	switch {
	case host == "":
		v.find("location-missing", where, "no server block of nginx has a location for "+s.Prefix, cure...)
	case other == nil:
		v.find("host-elsewhere", where, fmt.Sprintf("no server block of nginx with a location for %s answers for %s", s.Prefix, host),
			"add to the server_name of that server block: "+host, reloadNginx)
	default:
		v.find("location-missing", other.Where(), fmt.Sprintf("site %s: the server block that answers for %s has no location for %s", s.Name, host, s.Prefix), cure...)
	}
}

// siteLocation returns the location that is meant for a site, or nil.
func siteLocation(server *nginxconf.Server, s *thumb.Site) *nginxconf.Location {
	for _, prefix := range []string{s.Prefix, strings.TrimSuffix(s.Prefix, "/")} {
		if l := server.Exact(prefix); l != nil {
			return l
		}
	}
	if l := server.Locate(sample(s, thumb.JPEG)); l != nil && l.First("try_files") != nil && len(l.Pattern) > 1 {
		return l
	}
	return nil
}

// concrete returns hosts to try: "" for any, and for a wildcard one below it.
func concrete(hosts []string) []string {
	if len(hosts) == 0 {
		return []string{""}
	}
	var all []string
	for _, h := range hosts {
		if suffix, ok := strings.CutPrefix(h, "*"); ok {
			h = "thumbd-doctor" + suffix
		}
		all = append(all, h)
	}
	return all
}

// nameOf returns a host that leads to a server.
func nameOf(s *nginxconf.Server) string {
	for _, name := range s.Names {
		switch {
		case strings.ContainsAny(name, "~_") || name == "":
		case strings.HasPrefix(name, "*"):
			return "thumbd-doctor" + name[1:]
		case strings.HasPrefix(name, "."):
			return name[1:]
		case strings.HasSuffix(name, "*"):
			return name[:len(name)-1] + "example"
		default:
			return name
		}
	}
	return "localhost"
}

// sample returns a URI that nginx could be asked for.
func sample(s *thumb.Site, f thumb.Format) string {
	return s.Prefix + "animals/kitten.jpg/400x300_crop_" + strings.Repeat("0", 28) + "." + f.String()
}

// siteWhere names a site and a place for it.
func siteWhere(s *thumb.Site, b *nginxconf.Block) string {
	if b == nil {
		return "site " + s.Name
	}
	return "site " + s.Name + ", " + b.Where()
}

// site looks at the location of a site.
func (v *visit) site(s *config.Site, r route) {
	v.reached(&s.Thumb, r)
	v.root(&s.Thumb, r.location)
	v.tryFiles(s, r.location)
	v.fallback(&s.Thumb, r.server)
	v.caches(&s.Thumb, r.location)
	v.guarded(s, r.location)
}

// reached looks whether requests get to the location that is meant.
func (v *visit) reached(s *thumb.Site, r route) {
	for _, f := range s.Formats {
		got := r.server.Locate(sample(s, f))
		switch {
		case got == nil || got.Block == r.location.Block:
		case got.IsRegexp():
			v.find("location-regexp", siteWhere(s, got.Block), fmt.Sprintf("location %s %s takes the requests for .%v away from location %s", got.Modifier, got.Pattern, f, s.Prefix),
				"at "+r.location.Where()+" write: location ^~ "+s.Prefix+" {", reloadNginx)
			return
		default:
			v.find("location-taken", siteWhere(s, got.Block), fmt.Sprintf("location %s %s takes the requests away from location %s", got.Modifier, got.Pattern, s.Prefix),
				"remove that location, or choose another prefix", reloadNginx)
			return
		}
	}
	if r.location.Modifier == "" {
		v.find("caret-missing", siteWhere(s, r.location.Block), "location "+s.Prefix+" has no ^~: the next location for a regular expression may take the requests away",
			"write: location ^~ "+s.Prefix+" {", reloadNginx)
	}
}

// root compares the location's root with document_root.
func (v *visit) root(s *thumb.Site, l *nginxconf.Location) {
	cure := []string{"in that location write: root " + s.DocumentRoot + ";", reloadNginx}
	if alias := l.First("alias"); alias != nil {
		v.find("root-wrong", siteWhere(s, alias), "alias leaves "+s.Prefix+" out of the files' names, and thumbd does not", cure...)
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
		v.find("root-wrong", siteWhere(s, roots[0]), fmt.Sprintf("root is %s, and document_root %s: nginx does not find what thumbd publishes", root, s.DocumentRoot), cure...)
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

// variant returns what try_files has behind $uri for a site.
func variant(negotiate []thumb.Format) string {
	switch len(negotiate) {
	case 0:
		return ""
	case 1:
		return "$thumbd_webp"
	}
	return "$thumbd_variant"
}

// tryFiles looks whether nginx looks for what thumbd publishes.
func (v *visit) tryFiles(s *config.Site, l *nginxconf.Location) {
	wanted := "$uri" + variant(s.Negotiate)
	cure := []string{"in that location write: try_files " + wanted + " @thumbd;", reloadNginx}
	t := l.First("try_files")
	switch {
	case t == nil:
		v.find("try-files", siteWhere(&s.Thumb, l.Block), "it has no try_files: nginx never asks thumbd", cure...)
	case t.Arg(0) != wanted && slices.Contains([]string{"$uri", "$uri$thumbd_webp", "$uri$thumbd_variant"}, t.Arg(0)):
		v.find("negotiation", siteWhere(&s.Thumb, t), fmt.Sprintf("try_files looks for %s, and thumbd publishes %s for negotiate = %s", t.Arg(0), wanted, list(s.Negotiate)), cure...)
	case len(t.Args) != 2 || t.Arg(0) != wanted || t.Arg(1) != "@thumbd":
		v.find("try-files", siteWhere(&s.Thumb, t), "try_files is "+strings.Join(t.Args, " "), cure...)
	}
	if len(s.Negotiate) > 0 && !slices.ContainsFunc(l.Effective("add_header"), isVary) {
		v.find("vary-missing", siteWhere(&s.Thumb, l.Block), "without Vary a cache in front gives every client what the first one accepted",
			"in that location write: add_header Vary Accept always;", reloadNginx)
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

// caches looks for what makes nginx serve what is not there any more, or
// miss what is.
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

// guarded looks whether hits are checked where they are to be, and only there.
func (v *visit) guarded(s *config.Site, l *nginxconf.Location) {
	asks := l.Effective("auth_request")
	on := len(asks) > 0 && asks[0].Arg(0) == "/_thumbd/auth"
	switch {
	case s.Access != nil && !on:
		v.find("auth-missing", siteWhere(&s.Thumb, l.Block), "the site is protected, and nginx serves its thumbnails to everybody",
			"in that location write: include snippets/thumbd-auth.conf;", reloadNginx)
	case s.Access == nil && on:
		v.find("auth-needless", siteWhere(&s.Thumb, asks[0]), "the site has no access section, so nginx, which asks for each request, serves none",
			"remove the include of snippets/thumbd-auth.conf, or add [site."+s.Thumb.Name+".access]", reloadNginx)
	case on && len(l.Effective("satisfy")) > 0 && l.Effective("satisfy")[0].Arg(0) == "any":
		v.find("auth-missing", siteWhere(&s.Thumb, l.Effective("satisfy")[0]), "satisfy any: another rule lets requests in that thumbd refuses",
			"in that location write: satisfy all;", reloadNginx)
	}
}
