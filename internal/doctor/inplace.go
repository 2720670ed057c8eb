// SPDX-License-Identifier: MIT

package doctor

import (
	"fmt"
	"slices"
	"strings"

	"thumbd/internal/config"
	"thumbd/internal/nginxconf"
	"thumbd/internal/thumb"
)

// inPlace checks the locations of a site of the scheme inplace: nginx serves its
// originals.
func (v *visit) inPlace(s *config.Site, r entrance) {
	v.reached(&s.Thumb, r)
	v.shadows(s, r)
	v.caches(&s.Thumb, r.location)
	v.guarded(s, r.location)
	if s.Thumb.Scheme == thumb.InPlace && r.server.Named("@thumbd_inplace") == nil {
		v.find("snippet-missing", siteWhere(&s.Thumb, r.server.Block), "the server block has no location @thumbd_inplace",
			"in that server block write: include snippets/thumbd-inplace.conf;", reloadNginx)
	}
	if s.Thumb.Scheme != thumb.InPlace {
		v.fallback(&s.Thumb, r.server)
	}
	want, err := nginxconf.Parse([]byte(strings.Join(Lines(s), "\n")))
	if err != nil {
		panic(err) // They are ours.
	}
	for _, l := range want.All("location") {
		have := r.server.Block.Find(l)
		if l.Arg(len(l.Args)-1) == s.Thumb.Prefix {
			have = r.location.Block
		}
		if have == nil {
			v.find("location-missing", siteWhere(&s.Thumb, r.server.Block), "there is no "+l.Text(),
				append(append([]string{"in that server block write:"}, Lines(s)...), reloadNginx)...)
			continue
		}
		v.compareInPlace(s, r.server, have, l)
	}
	v.types(&s.Thumb, r.location)
}

// compareInPlace compares a location of a site of the scheme inplace with the one
// that Lines has.
func (v *visit) compareInPlace(s *config.Site, server *nginxconf.Server, have, want *nginxconf.Block) {
	where := siteWhere(&s.Thumb, have)
	write := func(d *nginxconf.Block) []string {
		return []string{"in " + want.Text() + " write: " + strings.TrimSpace(d.Text()) + ";", reloadNginx}
	}
	for _, d := range want.Children {
		switch d.Name {
		case "root", "alias":
			uri := locationURI(s, want) + anyName
			file, ok := server.File(nginxconf.At(have), uri)
			wanted, _ := server.File(nginxconf.At(want), uri)
			folder, wantedFolder := strings.TrimSuffix(file, anyName), strings.TrimSuffix(wanted, anyName)
			switch {
			case !ok:
				v.find("root-wrong", where, "there is no root: nginx does not look for files in "+wantedFolder, write(d)...)
			case resolved(v.conf.Abs(file)) != resolved(wanted):
				v.find("root-wrong", where, fmt.Sprintf("nginx looks for files in %s, not in %s", folder, wantedFolder), write(d)...)
			}
		case "try_files":
			if t := have.First("try_files"); t == nil || !slices.Equal(t.Args, d.Args) && !endsAt404(have, d) {
				v.find("try-files", where, "it has not "+d.Text(), write(d)...)
			}
		case "add_header":
			if !slices.ContainsFunc(have.Effective("add_header"), isVary) {
				v.find("vary-missing", where, "without Vary a cache in front gives every client the format that the first client accepted", write(d)...)
			}
		}
	}
	if locationURI(s, want) != s.Thumb.Prefix || strings.HasPrefix(want.Arg(0), "@") {
		v.errorPage(s, have, want)
	}
	if strings.HasPrefix(locationURI(s, want), "/_thumbd/") {
		v.compareIncluded(have, "snippets/thumbd-original.conf")
	}
}

// endsAt404 reports whether the location of the tree answers a missing file itself, as
// Lines had it when it had no error_page: a client gets 404 for a file that is removed
// at that moment, and nothing worse happens.
func endsAt404(have, tryFiles *nginxconf.Block) bool {
	return slices.Equal(tryFiles.Args, []string{"$uri", "@thumbd_tree"}) && slices.Equal(have.First("try_files").Args, []string{"$uri", "=404"}) && errorPageOf404(have) == nil
}

// errorPageOf404 returns the location's own error_page for 404, or nil.
func errorPageOf404(b *nginxconf.Block) *nginxconf.Block {
	for _, e := range b.All("error_page") {
		if slices.Contains(e.Args, "404") {
			return e
		}
	}
	return nil
}

// errorPage checks the error_page for a request if its file was removed at that moment. If
// the location has no such line, it is in order: the client gets 404.
func (v *visit) errorPage(s *config.Site, have, want *nginxconf.Block) {
	got := errorPageOf404(have)
	if got == nil {
		return
	}
	where, wanted := siteWhere(&s.Thumb, have), errorPageOf404(want)
	if wanted == nil {
		v.find("error-page", where, "clients could come with "+got.Text()+" to files that they may not see",
			"in "+want.Text()+" remove: "+got.Text()+";", reloadNginx)
		return
	}
	if !slices.Equal(got.Args, wanted.Args) || !have.IsOn("recursive_error_pages") {
		v.find("error-page", where, "it has not "+wanted.Text()+" with recursive_error_pages on: a client can get an error in place of the original",
			"in "+want.Text()+" write: "+wanted.Text()+"; recursive_error_pages on;", reloadNginx)
	}
}

// locationURI returns the URI of the folder of a location that Lines has.
func locationURI(s *config.Site, l *nginxconf.Block) string {
	if uri := l.Arg(len(l.Args) - 1); !strings.HasPrefix(uri, "@") {
		return uri
	}
	return s.Thumb.Prefix
}

// shadowed are names below a prefix that the regular expressions of a server often
// deny, or hand to a program.
var shadowed = []string{
	".htaccess", ".git/config", ".env", "x.php", "x.php5", "x.phtml", "x.phar", "x.bak", "x.sql", "x.log", "x.ini", "x.conf", "x.sh", "x.inc", "x.txt",
	"x.html", "x.svg", "x.pdf", "x.zip", "x~", "private/x.pdf", "private/x.jpg", "x.jpg", "wc-logs/x.log",
}

// shadows looks for locations by regular expression that ^~ switches off below the
// prefix of a site: before there was the site, they denied access or ran a program.
func (v *visit) shadows(s *config.Site, r entrance) {
	for _, h := range hidden(r.server, s.Thumb.Prefix, func(uri string, _ *nginxconf.Location) bool {
		got := r.server.Locate(uri)
		return got != nil && got.Block == r.location.Block
	}) {
		cure := []string{"in location ^~ " + quoted(s.Thumb.Prefix) + " write:"}
		if programNames.MatchString(h.uri) {
			cure = append(cure, strings.TrimSpace(denyPrograms))
		}
		lines, err := h.Lines()
		if err == nil && len(cure) == 1 {
			cure = append(cure, lines...)
		}
		v.find("inplace-shadows", siteWhere(&s.Thumb, h.Block),
			fmt.Sprintf("location %s %s has no effect below %s any more: nginx sends a file such as %s as it is", h.Modifier, h.Pattern, s.Thumb.Prefix, h.uri),
			append(cure, reloadNginx)...)
	}
}

// hiddenLocation is a location by regular expression that denies access to a file, or
// has a program answer for it, and the URI of that file.
type hiddenLocation struct {
	*nginxconf.Location
	uri string
}

// hidden returns the locations by regular expression directly within a server that
// restrict files below a prefix, each with the URI of such a file. counts decides whether
// a file, of a URI, matters in a location.
func hidden(server *nginxconf.Server, prefix string, counts func(uri string, l *nginxconf.Location) bool) []hiddenLocation {
	var all []hiddenLocation
	for _, l := range server.Locations() {
		if !l.IsRegexp() || l.Block.Parent != server.Block || !restricts(l.Block) {
			continue
		}
		i := slices.IndexFunc(shadowed, func(name string) bool { return l.Matches(prefix+name) && counts(prefix+name, l) })
		if i >= 0 {
			all = append(all, hiddenLocation{l, prefix + shadowed[i]})
		}
	}
	return all
}

// restricts reports whether a location denies access or sends its requests to a program.
func restricts(b *nginxconf.Block) bool {
	return hasPass(b) || slices.ContainsFunc([]string{"deny", "return", "auth_basic", "auth_request", "internal"},
		func(name string) bool { return b.First(name) != nil })
}
