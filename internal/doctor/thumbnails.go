// SPDX-License-Identifier: MIT

package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"thumbd/internal/admin"
	"thumbd/internal/config"
	"thumbd/internal/doctor/probe"
	"thumbd/internal/nginxconf"
	"thumbd/internal/shell"
	"thumbd/internal/systemd"
	"thumbd/internal/thumb"
)

// nginxRights looks whether nginx's workers get to the files.
func (v *visit) nginxRights(context.Context) string {
	if v.config == nil || v.worker.Name == "" {
		return v.skip("no user of nginx to try")
	}
	paths := make(map[string]string)
	for _, s := range v.config.Sites {
		paths["site "+s.Thumb.Name] = existing(s.Thumb.DocumentRoot + strings.TrimSuffix(s.Thumb.Prefix, "/"))
	}
	for _, f := range v.config.Files {
		paths["files "+f.Name] = existing(f.Root)
	}
	for _, where := range slices.Sorted(maps.Keys(paths)) {
		path := paths[where]
		blocked, err := v.worker.Obstacle(path, unix.X_OK)
		if err != nil {
			return v.skip("%v", err)
		}
		if blocked != "" {
			v.find("nginx-cannot-read", where+", "+blocked, fmt.Sprintf("nginx's workers, user %s, may not enter it", v.worker.Name), shell.Line("chmod", "o+x", blocked))
		}
	}
	return fmt.Sprintf("user %s enters %d folders", v.worker.Name, len(paths))
}

// thumbnails asks nginx for a missing thumbnail of each site, and then for the same
// thumbnail again.
func (v *visit) thumbnails(ctx context.Context) string {
	switch {
	case v.config == nil || v.conf == nil:
		return v.skip("it takes both configurations")
	case v.host == nil:
		return v.skip("thumbd tells nothing of itself")
	case v.has("nginx-not-running"):
		return v.skip("nginx does not run")
	}
	var said []string
	for i := range v.config.Sites {
		s := &v.config.Sites[i]
		said = append(said, s.Thumb.Name+": "+v.try(ctx, s))
	}
	if len(said) == 0 {
		return v.skip("no sites")
	}
	return strings.Join(said, ", ")
}

func (v *visit) has(name string) bool { return v.result.Has(name) }

// maxTried originals of a site are asked for, until one is not damaged.
const maxTried = 5

// try asks for a thumbnail of one site.
func (v *visit) try(ctx context.Context, s *config.Site) string {
	where := siteWhere(&s.Thumb, nil)
	entrances := slices.DeleteFunc(slices.Clone(v.entrances[s.Thumb.Name]), func(r entrance) bool { return r.listen.Proxy })
	// thumbd makes nothing for a location that does not ask; it may still serve hits.
	slices.SortStableFunc(entrances, func(a, b entrance) int {
		switch askA, askB := asks(a.location.Block), asks(b.location.Block); {
		case askA == askB || s.Access == nil:
			return 0
		case askA:
			return -1
		}
		return 1
	})
	if len(entrances) == 0 {
		v.find("probe-untried", where, "nginx has no address from which to ask for it", "correct the findings about its location above")
		return "not tried"
	}
	if s.Thumb.Scheme == thumb.InPlace {
		return "not tried: its clients get the original first"
	}
	if s.Thumb.Layout == thumb.WordPressLayout {
		return "not tried: its URIs follow from the sizes of originals"
	}
	if !s.Local() {
		return "not tried: nobody knows which originals the origin has"
	}
	if slices.ContainsFunc(v.host.Troubles, func(t admin.Trouble) bool { return t.Kind == "share" && t.Name == s.Thumb.Name }) {
		return "not tried: its originals do not answer"
	}
	u, err := v.user()
	if err != nil {
		return fmt.Sprintf("not tried: %v", err)
	}
	probes := probe.New(s, probe.Originals(s, v.config.OriginalBytes, u), maxTried)
	if len(probes) == 0 && v.has("originals-unreadable") {
		return "not tried: its originals can't be read"
	}
	if len(probes) == 0 {
		v.find("no-original", where, "there is no picture in "+s.Originals+" of which a thumbnail is missing, to try one", "put a picture there", "thumbd doctor")
		return "nothing to try"
	}
	for i, p := range probes {
		p.Patience = v.config.LongestRender() + askTime
		said, again := v.attempt(ctx, p, entrances, i == len(probes)-1)
		if !again {
			return said
		}
	}
	return "not tried"
}

// attempt asks for one thumbnail, and removes its published file. It reports true if
// the check should go on with another original; last says that there is none.
func (v *visit) attempt(ctx context.Context, p *probe.Probe, entrances []entrance, last bool) (said string, again bool) {
	where := siteWhere(&p.Site.Thumb, nil)
	defer func() {
		if err := p.Clean(ctx); err != nil {
			v.find("probe-left", where, err.Error(), shell.Line("rm", p.File()))
		}
	}()
	if !p.Provable {
		v.find("probe-untried", where, "only the signer of its tokens has the private key, so doctor can only try that no request gets in without a token",
			"thumbd verify URL --token TOKEN, with one of your own")
		v.refused(ctx, p, entrances)
		return "refusal alone tried", false
	}
	begin := time.Now()
	first, at := v.get(ctx, p, entrances[0])
	if (first.Status == http.StatusUnsupportedMediaType || first.Status == http.StatusUnprocessableEntity) && !last {
		return "", true
	}
	if first.Status == http.StatusUnauthorized && first.Header.Get("X-Thumbd-Reason") == "" && v.has("location-password") {
		return "not tried: nginx wants a password", false
	}
	if first.Err != nil || first.Status != http.StatusOK {
		what, cure := v.explain(first)
		what += v.logged(at.location.Block, p.Line(), begin)
		v.find("probe-miss", where, fmt.Sprintf("%s through %s: %s", p.Line(), at.way().Address, what), cure...)
		return "miss failed", false
	}
	if !p.Published() {
		v.find("probe-unpublished", where, "it was answered, but is not at "+p.File(), journal, shell.Line("df", "-h", p.Site.Thumb.DocumentRoot))
		return "not published", false
	}
	v.hit(p, at, first, begin)
	for _, r := range entrances {
		again, at := v.get(ctx, p, r)
		v.hit(p, at, again, begin)
	}
	v.refused(ctx, p, entrances)
	return fmt.Sprintf("miss and hit through %d addresses", len(entrances)), false
}

// maxRedirects are followed: to https, and to another name.
const maxRedirects = 2

// get asks for the thumbnail through an entrance. It follows redirects to the same URI on
// another entrance of the site, and returns that.
func (v *visit) get(ctx context.Context, p *probe.Probe, r entrance) (probe.Answer, entrance) {
	a := p.Get(ctx, r.way(), true)
	for range maxRedirects {
		next, ok := v.redirected(p, a)
		if !ok {
			break
		}
		r, a = next, p.Get(ctx, next.way(), true)
	}
	return a, r
}

// redirected returns the entrance to which an answer redirects the client, if the redirect
// has the same URI.
func (v *visit) redirected(p *probe.Probe, a probe.Answer) (entrance, bool) {
	if a.Err != nil || a.Status < 300 || a.Status >= 400 {
		return entrance{}, false
	}
	u, err := url.Parse(a.Header.Get("Location"))
	if err != nil || u.Host == "" || u.EscapedPath() != p.Line() {
		return entrance{}, false
	}
	servers := v.conf.Servers()
	for _, server := range servers {
		loc := siteLocation(server, &p.Site.Thumb)
		for _, l := range server.Listens {
			if loc != nil && l.Network != "udp" && !l.Proxy && l.TLS == (u.Scheme == "https") && nginxconf.Pick(servers, l, u.Hostname()) == server {
				return entrance{server, l, u.Hostname(), loc}, true
			}
		}
	}
	return entrance{}, false
}

// isFile reports whether nginx has sent an answer from a file: it then has at least
// one of these, unless the configuration clears all three. Nothing that thumbd sends
// has one.
func isFile(a probe.Answer) bool {
	return a.Header.Get("Last-Modified") != "" || a.Header.Get("ETag") != "" || a.Header.Get("Accept-Ranges") != ""
}

// hit looks whether nginx alone has answered since begin.
func (v *visit) hit(p *probe.Probe, r entrance, a probe.Answer, begin time.Time) {
	where := siteWhere(&p.Site.Thumb, r.server.Block)
	switch {
	case a.Err != nil || a.Status != http.StatusOK:
		what, cure := v.explain(a)
		what += v.logged(r.location.Block, p.Line(), begin)
		v.find("probe-hit", where, fmt.Sprintf("%s is published, and not served through %s: %s", p.Line(), r.way().Address, what), cure...)
	case !isFile(a):
		v.find("probe-hit", where, fmt.Sprintf("%s is published, and nginx does not find it: thumbd has to send it", p.Line()),
			"compare root, try_files and open_file_cache of "+r.location.Where()+" with thumbd(8)", shell.Line("ls", "-l", p.File()), reloadNginx)
	}
}

// refused checks that a protected site refuses a request without a proof.
func (v *visit) refused(ctx context.Context, p *probe.Probe, entrances []entrance) {
	if p.Site.Access == nil {
		return
	}
	for _, r := range entrances {
		a := p.Get(ctx, r.way(), false)
		if a.Err == nil && a.Status == http.StatusOK {
			v.find("probe-open", siteWhere(&p.Site.Thumb, r.server.Block), fmt.Sprintf("a request without a proof is answered through %s", r.way().Address),
				"in "+r.location.Where()+" write: include snippets/thumbd-auth.conf;", reloadNginx)
		}
	}
}

// explain returns the meaning of an answer, and the cure.
func (v *visit) explain(a probe.Answer) (what string, cure []string) {
	if a.Err != nil {
		if errors.Is(a.Err, unix.ECONNREFUSED) {
			return "nobody listens there", []string{startNginx, reloadNginx}
		}
		return a.Err.Error(), []string{reloadNginx}
	}
	reason := a.Header.Get("X-Thumbd-Reason")
	what = fmt.Sprintf("it is answered %d", a.Status)
	if reason != "" {
		what += ", " + reason
	}
	log := journal
	switch {
	case reason == "signature" || reason == "no-site" || reason == "unknown-preset" || reason == "no-proof":
		return what + ": the daemon has another configuration", []string{v.restart()}
	case reason == "not-asked":
		return what + ": nginx passes it on and has not asked whether it may be answered", []string{"in the site's location write: include snippets/thumbd-auth.conf;", reloadNginx}
	case reason != "":
		return what, []string{log, "see ANSWERS in thumbd-url(7)"}
	case a.Status == http.StatusBadGateway || a.Status == http.StatusGatewayTimeout:
		return what + ": nginx does not get to thumbd", []string{"systemctl restart " + systemd.SocketUnit, "see nginx's error log"}
	case a.Status == http.StatusForbidden:
		return what + " by nginx, which may not read the file or refuses this machine: allow, deny, disable_symlinks", []string{"see nginx's error log"}
	case a.Status == http.StatusUnauthorized:
		return what + " by nginx, which wants a password: auth_basic", []string{"unless it is meant so, in that location write: auth_basic off;", reloadNginx}
	case a.Status == http.StatusNotFound || a.Status >= 300 && a.Status < 400:
		return what + " by nginx, which does not ask thumbd: it runs with another configuration, or another server block answers", []string{reloadNginx}
	}
	return what, []string{"see nginx's error log", log}
}
