// SPDX-License-Identifier: MIT

package doctor

import (
	"fmt"
	"strings"

	"thumbd/internal/config"
)

// Lines returns the lines that nginx's server block needs for a site: its location,
// and the snippet.
func Lines(s *config.Site) []string {
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

// quoted returns a parameter as nginx's files have it.
func quoted(s string) string {
	if strings.ContainsAny(s, " \t;{}\"'\\#") {
		return fmt.Sprintf(`"%s"`, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s))
	}
	return s
}
