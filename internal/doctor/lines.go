// SPDX-License-Identifier: MIT

package doctor

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"thumbd/internal/config"
	"thumbd/internal/nginxconf"
	"thumbd/internal/thumb"
)

// Lines returns the lines that nginx's server block needs for a site: its location,
// and the snippet.
func Lines(s *config.Site) []string {
	switch {
	case s.Thumb.Scheme == thumb.InPlace:
		return linesInPlace(s)
	case servesOriginals(s):
		return linesOfSizes(s)
	}
	lines := []string{
		"location ^~ " + quoted(s.Thumb.Prefix) + " {",
		"    root      " + quoted(s.Thumb.DocumentRoot) + ";",
	}
	if s.Access != nil {
		lines = append(lines, "    include   snippets/thumbd-auth.conf;")
	}
	lines = append(lines, "    try_files $uri"+variant(s.Thumb.Negotiate)+" @thumbd;")
	if len(s.Thumb.Negotiate) > 0 {
		lines = append(lines, "    add_header Vary Accept always;")
	}
	if s.Access == nil {
		lines = append(lines, "    expires   30d;")
	}
	return append(lines, "}", "include snippets/thumbd.conf;")
}

// linesInPlace is Lines for the scheme inplace, as snippets/thumbd-inplace.conf
// shows them.
func linesInPlace(s *config.Site) []string {
	prefix, tree := s.Thumb.Prefix, strings.TrimSuffix(s.Thumb.DocumentRoot, "/")+s.Thumb.Prefix
	root := "root       " + quoted(s.Thumb.DocumentRoot) + ";"
	lines := append([]string{"location ^~ " + quoted(prefix) + " {"}, inside(s, plainRoot(s), "try_files  "+inPlaceVariable("$thumbd_plain", s.Thumb.Negotiate)+" "+fallbackOf(s)+";")...)
	lines = append(lines, denyPrograms, "}", "location "+fallbackOf(s)+" {")
	lines = append(lines, inside(s, root, "try_files  "+inPlaceVariable("$thumbd_inplace", s.Thumb.Negotiate)+" @thumbd_inplace;")...)
	return append(lines,
		"    error_page 404 = @thumbd-removed;",
		"    recursive_error_pages on;",
		"}",
		"location ^~ "+quoted("/_thumbd/original"+prefix)+" {",
		"    alias     "+quoted(strings.TrimSuffix(s.Originals, "/")+"/")+";",
		"    try_files $uri $uri/ @thumbd_tree;",
		"    include   snippets/thumbd-original.conf;",
		"}",
		"location ^~ "+quoted("/_thumbd/tree"+prefix)+" {",
		"    alias      "+quoted(tree)+";",
		"    try_files  $uri @thumbd_tree;",
		"    error_page 404 = @thumbd-removed;",
		"    recursive_error_pages on;",
		"    include    snippets/thumbd-original.conf;",
		"}",
		"include snippets/thumbd.conf;",
		"include snippets/thumbd-inplace.conf;",
	)
}

// programs matches the names of files that servers run. A location with ^~ switches off
// the location that runs them, so denyPrograms is nested in it: no client may see the
// text of a program.
const (
	programs     = `\.(?:php\d*|phtml|phar)$`
	denyPrograms = "    location ~* " + programs + " { deny all; }"
)

var programNames = regexp.MustCompile("(?i)" + programs)

// LinesFor is Lines for a site of these servers. If a location by regular expression
// restricts files below the site's prefix, it is nested in the site's location, because
// the ^~ there would switch it off:
//
//	location ~ "\.sql$" {
//	    deny all;
//	}
//
// If the site is for any host, only servers that serve its originals today count.
func LinesFor(s *config.Site, servers []*nginxconf.Server) []string {
	lines := Lines(s)
	if !servesOriginals(s) {
		return lines
	}
	var within []string
	for _, server := range servers {
		file, ok := server.File(server.Locate(s.Thumb.Prefix), s.Thumb.Prefix)
		if len(s.Thumb.Hosts) == 0 && (!ok || resolved(file) != resolved(s.Originals)) {
			continue
		}
		for _, h := range hidden(server, s.Thumb.Prefix, func(uri string, l *nginxconf.Location) bool {
			got := server.Locate(uri)
			return got != nil && got.Block == l.Block && !programNames.MatchString(uri)
		}) {
			// nginx reads them, so that they can be written too.
			block, err := h.Lines()
			if err != nil || slices.Contains(within, "    "+block[0]) {
				continue
			}
			for _, line := range block {
				within = append(within, "    "+line)
			}
		}
	}
	return slices.Insert(lines, slices.Index(lines, denyPrograms)+1, within...)
}

// servesOriginals reports whether nginx looks for a file among the originals of a
// site before it looks into the tree.
func servesOriginals(s *config.Site) bool {
	return s.Thumb.Scheme == thumb.InPlace || s.Thumb.Layout == thumb.WordPressLayout
}

// linesOfSizes is Lines for the layout wordpress of the scheme preset.
func linesOfSizes(s *config.Site) []string {
	return []string{
		"location ^~ " + quoted(s.Thumb.Prefix) + " {",
		"    " + plainRoot(s),
		"    try_files  $uri " + fallbackOf(s) + ";",
		"    expires    30d;",
		denyPrograms,
		"}",
		"location " + fallbackOf(s) + " {",
		"    root       " + quoted(s.Thumb.DocumentRoot) + ";",
		"    try_files  $uri @thumbd;",
		"    expires    30d;",
		"}",
		"include snippets/thumbd.conf;",
	}
}

// inside returns the directives of a location that serves files of a site of the
// scheme inplace.
func inside(s *config.Site, root, tryFiles string) []string {
	lines := []string{"    " + root}
	if s.Access != nil {
		lines = append(lines, "    include    snippets/thumbd-auth.conf;", "    set        $thumbd_root "+quoted(s.Thumb.DocumentRoot)+";")
	}
	lines = append(lines, "    "+tryFiles, "    add_header Vary Accept always;")
	if s.Access == nil {
		lines = append(lines, "    expires    30d;")
	}
	return lines
}

// plainRoot returns how the location of a site that serves originals names these:
// root, if their path ends as the prefix does, else alias.
func plainRoot(s *config.Site) string {
	if root, ok := strings.CutSuffix(strings.TrimSuffix(s.Originals, "/")+"/", s.Thumb.Prefix); ok && root != "" {
		return "root       " + quoted(root) + ";"
	}
	return "alias      " + quoted(strings.TrimSuffix(s.Originals, "/")+"/") + ";"
}

// inPlaceVariable returns the variable of conf.d/thumbd.conf of that name for a site
// of the scheme inplace: $thumbd_plain or, for WebP alone, $thumbd_plain_webp.
func inPlaceVariable(name string, negotiate []thumb.Format) string {
	if len(negotiate) == 1 {
		name += "_webp"
	}
	return name
}

// fallbackOf returns the named location with the tree of a site of the scheme inplace.
func fallbackOf(s *config.Site) string { return "@thumbd_" + s.Thumb.Name }

// quoted returns a parameter as nginx's files have it.
func quoted(s string) string {
	if strings.ContainsAny(s, " \t;{}\"'\\#") {
		return fmt.Sprintf(`"%s"`, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s))
	}
	return s
}
