// SPDX-License-Identifier: MIT

package doctor

import (
	"slices"
	"strings"

	"thumbd/internal/nginxconf"
)

// fronts looks at nginx as one machine of several, and as the front of them: the
// front asks another machine if it gets 429, and only if thumbd is dead there.
func (v *visit) fronts() {
	for _, server := range v.conf.Servers() {
		for _, l := range server.Locations() {
			if server.Named("@thumbd_dead") != nil && reachesThumbd(server, l) {
				v.limits(l.Block)
			}
			if v.isFront(l.Block) {
				v.tries(l.Block)
			}
		}
	}
}

// reachesThumbd reports whether a location asks thumbd, or has a fallback that does. Other
// locations may answer 429, for example those of a site's forms.
func reachesThumbd(server *nginxconf.Server, l *nginxconf.Location) bool {
	if t := l.First("try_files"); t != nil && leads(server, t.Args[len(t.Args)-1]) {
		return true
	}
	return l.Modifier == "" && leads(server, l.Pattern)
}

// limits finds limits of requests that answer 429 in a location.
func (v *visit) limits(location *nginxconf.Block) {
	for _, limit := range []string{"limit_req", "limit_conn"} {
		status := location.Effective(limit + "_status")
		if len(location.Effective(limit)) == 0 || len(status) == 0 || status[0].Arg(0) != "429" {
			continue
		}
		v.find("front-429", status[0].Where(), limit+" answers 429, which tells the front that thumbd is dead on this machine",
			"in that block write: "+limit+"_status 503;", reloadNginx)
	}
}

// isFront reports whether nginx sends the requests of a location to one of several
// machines, by the original.
func (v *visit) isFront(location *nginxconf.Block) bool {
	pass := location.First("proxy_pass")
	if pass == nil {
		return false
	}
	_, name, _ := strings.Cut(pass.Arg(0), "://")
	name, _, _ = strings.Cut(name, "/")
	upstream := v.conf.Upstream(name)
	if upstream == nil {
		return false
	}
	hash := upstream.First("hash")
	return hash != nil && strings.Contains(hash.Arg(0), "$thumbd_original")
}

// tries finds statuses of thumbd's own for which the front takes a machine for dead.
func (v *visit) tries(location *nginxconf.Block) {
	next := location.Effective("proxy_next_upstream")
	if len(next) == 0 {
		return
	}
	for _, status := range []string{"http_500", "http_502", "http_503", "http_504"} {
		if slices.Contains(next[0].Args, status) {
			v.find("front-502", next[0].Where(), "proxy_next_upstream has "+status+": thumbd answers so for one original, and nginx takes the machine for dead",
				"write there: proxy_next_upstream error timeout http_429;", reloadNginx)
			return
		}
	}
}
