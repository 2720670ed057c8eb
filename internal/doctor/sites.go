// SPDX-License-Identifier: MIT

package doctor

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"

	"thumbd/internal/config"
	"thumbd/internal/doctor/probe"
	"thumbd/internal/nginxconf"
	"thumbd/internal/thumb"
)

// entrance is a server and a location of nginx that get requests for a site.
type entrance struct {
	server   *nginxconf.Server
	listen   nginxconf.Listen
	host     string // that leads there
	location *nginxconf.Location
}

// sites compares nginx's server blocks with the configuration of each site.
func (v *visit) sites(context.Context) string {
	if v.conf == nil || v.config == nil {
		return v.skip("it takes both configurations")
	}
	v.entrances = make(map[string][]entrance)
	for i := range v.config.Sites {
		s := &v.config.Sites[i]
		v.entrances[s.Thumb.Name] = v.findEntrances(s)
		var seen []*nginxconf.Block
		for _, r := range v.entrances[s.Thumb.Name] {
			if !slices.Contains(seen, r.location.Block) {
				seen = append(seen, r.location.Block)
				v.site(s, r)
			}
		}
		v.treeOpen(s, seen)
	}
	if most, where := v.conf.WorkerConnections(); most < 2*(v.config.Queue+v.config.Workers) {
		v.find("worker-connections", where, fmt.Sprintf("worker_connections is %d: %d requests may wait in thumbd's queue, of which each takes two", most, v.config.Queue),
			fmt.Sprintf("in the events block write: worker_connections %d;", max(1024, 2*(v.config.Queue+v.config.Workers))), reloadNginx)
	}
	return fmt.Sprintf("%d sites in nginx's server blocks", len(v.config.Sites))
}

// findEntrances returns the locations of nginx for a site, or tells that there are none.
func (v *visit) findEntrances(s *config.Site) []entrance {
	servers := v.conf.Servers()
	var entrances []entrance
	for _, host := range concrete(s.Thumb.Hosts, servers) {
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
					entrances = append(entrances, entrance{server, l, name, loc})
				}
			}
		}
		if !found {
			v.noRoute(s, host, other)
		}
	}
	return entrances
}

// noRoute reports that no server with a location for a site answers for host, or, if host
// is "", for any host. other, if not nil, is the server that answers for host without such
// a location.
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

// concrete returns the hosts to ask for: "" if a site has any host, and for a wildcard the
// matching names of servers. If no server has a matching name, it makes one up, for example
// "thumbd-doctor.example.com" for "*.example.com".
func concrete(hosts []string, servers []*nginxconf.Server) []string {
	if len(hosts) == 0 {
		return []string{""}
	}
	var all []string
	for _, h := range hosts {
		suffix, ok := strings.CutPrefix(h, "*")
		if !ok {
			all = append(all, h)
			continue
		}
		below := namesBelow(suffix, servers)
		if len(below) == 0 {
			below = []string{"thumbd-doctor" + suffix}
		}
		all = append(all, below...)
	}
	return all
}

// namesBelow returns the whole names of servers that end in suffix.
func namesBelow(suffix string, servers []*nginxconf.Server) []string {
	var names []string
	for _, s := range servers {
		for _, name := range s.Names {
			if strings.HasSuffix(name, suffix) && !strings.ContainsAny(name[:1], "~*.") {
				names = append(names, name)
			}
		}
	}
	return names
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
	if s.Scheme == thumb.InPlace || s.Layout == thumb.WordPressLayout {
		return s.Prefix + "animals/kitten." + f.String()
	}
	return s.Prefix + "animals/kitten.jpg/400x300_crop_" + strings.Repeat("0", 28) + "." + f.String()
}

// siteWhere names a site and a place for it.
func siteWhere(s *thumb.Site, b *nginxconf.Block) string {
	if b == nil {
		return "site " + s.Name
	}
	return "site " + s.Name + ", " + b.Where()
}

// way returns the address, the protocol and the host by which a request of this machine
// gets to the server block of r.
func (r entrance) way() probe.Way {
	return probe.Way{Network: r.listen.Network, Address: local(r.listen), TLS: r.listen.TLS, Host: r.host}
}

// local returns the address of a listen on this machine.
func local(l nginxconf.Listen) string {
	if l.Network == "unix" {
		return l.Address
	}
	host, port, err := net.SplitHostPort(l.Address)
	if err != nil {
		return l.Address
	}
	switch host {
	case "":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}
