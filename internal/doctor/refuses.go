// SPDX-License-Identifier: MIT

package doctor

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"thumbd/internal/config"
	"thumbd/internal/nginxconf"
	"thumbd/internal/route"
	"thumbd/internal/thumb"
)

// refusals looks for directives such as deny all: by them nginx itself refuses clients,
// so that they get neither hits nor answers of thumbd.
func (v *visit) refusals(s *thumb.Site, l *nginxconf.Location) {
	deny, allow := l.Effective("deny"), l.Effective("allow")
	if len(deny) > 0 && deny[0].Arg(0) == "all" && (len(allow) == 0 || allow[0].Parent != deny[0].Parent) {
		v.find("location-denied", siteWhere(s, deny[0]), "deny all: nginx answers 403 to everybody",
			"in that location write: allow all;", reloadNginx)
	}
	if basic := l.Effective("auth_basic"); len(basic) > 0 && basic[0].Arg(0) != "off" {
		v.find("location-password", siteWhere(s, basic[0]), "auth_basic: nginx answers 401 to everybody without its password",
			"unless it is meant so, in that location write: auth_basic off;", reloadNginx)
	}
	links := l.Effective("disable_symlinks")
	tree := path.Join(s.DocumentRoot, s.Prefix)
	if len(links) > 0 && links[0].Arg(0) != "off" && resolved(tree) != path.Clean(tree) {
		v.find("symlinks-disabled", siteWhere(s, links[0]),
			fmt.Sprintf("disable_symlinks is %s, and the tree %s is behind a link, to %s: nginx answers 403", links[0].Arg(0), tree, resolved(tree)),
			"in that location write: disable_symlinks off;", reloadNginx)
	}
}

// hosts looks for names of a server block, for example www.a.example, that lead to the
// location of a site and are not among its hosts: thumbd answers 404 no-site. A server
// block that sends clients on to another name is left alone.
func (v *visit) hosts(s *thumb.Site, server *nginxconf.Server) {
	sendsOn := func(b *nginxconf.Block) bool { return b.First("return") != nil || b.First("rewrite") != nil }
	if len(s.Hosts) == 0 || sendsOn(server.Block) || slices.ContainsFunc(server.Block.All("if"), sendsOn) {
		return
	}
	routeOf := func(s config.Site) *route.Route { return &s.Thumb.Route }
	for _, name := range server.Names {
		if name == "" || strings.ContainsAny(name, "~*_") || name[0] == '.' || !strings.Contains(name, ".") {
			continue
		}
		if _, ok := route.Find(v.config.Sites, routeOf, name, s.Prefix); !ok {
			v.find("host-missing", siteWhere(s, server.Block), fmt.Sprintf("nginx passes requests for %s, which is not among the hosts of the site: thumbd answers 404", name),
				fmt.Sprintf("add it to hosts of [site.%s] in %s: %q; or take it out of server_name", s.Name, v.config.FileOf("site."+s.Name), name), v.reload())
		}
	}
}
