// SPDX-License-Identifier: MIT

package nginxconf

import (
	"regexp"
	"slices"
	"strings"
)

// Location is a location block. Its Arg of before the pattern is in Modifier.
type Location struct {
	*Block
	Modifier string // =, ^~, ~, ~* or none
	Pattern  string // prefix, name with its @, or regular expression
}

// locations returns the location blocks directly within b.
func locations(b *Block) []*Location {
	var all []*Location
	for _, block := range b.All("location") {
		all = append(all, newLocation(block))
	}
	return all
}

func newLocation(block *Block) *Location {
	l := &Location{Block: block, Pattern: block.Arg(0)}
	if len(block.Args) > 1 {
		l.Modifier, l.Pattern = block.Args[0], block.Args[1]
	} else if i := slices.IndexFunc(modifiers, func(m string) bool { return strings.HasPrefix(l.Pattern, m) }); i >= 0 {
		l.Modifier, l.Pattern = modifiers[i], strings.TrimPrefix(l.Pattern, modifiers[i])
	}
	return l
}

// modifiers may stand before a pattern without a space; ~* is before ~.
var modifiers = []string{"=", "^~", "~*", "~"}

// IsRegexp reports whether the pattern is a regular expression.
func (l *Location) IsRegexp() bool { return strings.HasPrefix(l.Modifier, "~") }

func (l *Location) isPrefix() bool {
	return (l.Modifier == "" || l.Modifier == "^~") && !strings.HasPrefix(l.Pattern, "@")
}

// Locations returns all locations of s, nested ones behind the one around them.
func (s *Server) Locations() []*Location { return nested(s.Block) }

func nested(b *Block) []*Location {
	var all []*Location
	for _, l := range locations(b) {
		all = append(append(all, l), nested(l.Block)...)
	}
	return all
}

// File returns the file that nginx looks for in l, or in the server itself if l is
// nil, for the decoded URI: ngx_http_map_uri_to_path. ok is false if there is no
// root, or if only a request can tell.
func (s *Server) File(l *Location, uri string) (file string, ok bool) {
	at := s.Block
	if l != nil {
		at = l.Block
	}
	for ; at != nil; at = at.Parent {
		path, rest := at.First("root"), uri
		if alias := at.First("alias"); alias != nil {
			around := newLocation(at)
			if !around.isPrefix() || !strings.HasPrefix(uri, around.Pattern) {
				return "", false
			}
			path, rest = alias, uri[len(around.Pattern):]
		}
		if path != nil {
			return path.Arg(0) + rest, !strings.Contains(path.Arg(0), "$")
		}
	}
	return "", false
}

// Named returns the location of that name, with its @, or nil.
func (s *Server) Named(name string) *Location {
	for _, l := range locations(s.Block) {
		if l.Modifier == "" && l.Pattern == name {
			return l
		}
	}
	return nil
}

// Exact returns the location for the prefix itself, wherever it is nested, or
// nil.
func (s *Server) Exact(prefix string) *Location { return exact(s.Block, prefix) }

func exact(b *Block, prefix string) *Location {
	for _, l := range locations(b) {
		if l.isPrefix() && l.Pattern == prefix {
			return l
		}
		if found := exact(l.Block, prefix); found != nil {
			return found
		}
	}
	return nil
}

// Locate returns the location that answers for the decoded URI, nil for none:
// ngx_http_core_find_location. A regular expression that this program can't
// compile is taken not to match.
func (s *Server) Locate(uri string) *Location {
	found, _ := locate(s.Block, uri)
	return found
}

// locate reports beside the location whether a regular expression around it
// has no say any more.
func locate(b *Block, uri string) (found *Location, final bool) {
	all := locations(b)
	for _, l := range all {
		if l.Modifier == "=" && l.Pattern == uri {
			return l, true
		}
		if l.isPrefix() && strings.HasPrefix(uri, l.Pattern) && (found == nil || len(l.Pattern) > len(found.Pattern)) {
			found = l
		}
	}
	noRegexp := false
	if found != nil {
		noRegexp = found.Modifier == "^~"
		if inner, done := locate(found.Block, uri); inner != nil {
			if done {
				return inner, true
			}
			found = inner
		}
	}
	if noRegexp {
		return found, false
	}
	for _, l := range all {
		if l.Matches(uri) {
			if inner, _ := locate(l.Block, uri); inner != nil {
				return inner, true
			}
			return l, true
		}
	}
	return found, false
}

// Matches reports whether l is a regular expression that matches uri.
func (l *Location) Matches(uri string) bool {
	if !l.IsRegexp() {
		return false
	}
	pattern := l.Pattern
	if l.Modifier == "~*" {
		pattern = "(?i)" + pattern
	}
	re, err := regexp.Compile(pattern)
	return err == nil && re.MatchString(uri)
}

// At returns the location whose block is b.
func At(b *Block) *Location { return newLocation(b) }
