// SPDX-License-Identifier: MIT

package thumb

import (
	"errors"
	"fmt"
	"strings"

	"thumbd/internal/names"
)

// ErrEscape is a % without two hexadecimal digits after it.
var ErrEscape = errors.New("a percent sign is not followed by two hexadecimal digits")

// Normalize returns the $uri that nginx makes of a raw request target and that
// try_files looks up: cut at the first # and then the first ?, %XX
// decoded once, slashes merged, dot segments resolved. It begins with / and
// keeps a / at the end. Any byte but NUL can be in it. For example
// "/a//b/../c%20d?x" becomes "/a/c d".
//
// If a percent sign behind the # is no escape, nginx and Normalize ignore it; net/http
// refuses such a request before.
//
// It does what ngx_http_parse_complex_uri does with merge_slashes on. The
// standard library's parsers and path.Clean all differ from that: they keep a
// #, decode into nothing or clean a name that nginx would not.
func Normalize(raw string) (string, error) {
	raw, _, _ = strings.Cut(raw, "#")
	raw, _, _ = strings.Cut(raw, "?")
	if !strings.HasPrefix(raw, "/") {
		return "", fmt.Errorf("%w: it does not begin with /", ErrName)
	}
	decoded, err := Unescape(raw)
	if err != nil {
		return "", err
	}
	if strings.IndexByte(decoded, 0) >= 0 {
		return "", fmt.Errorf("%w: it has a NUL", ErrName)
	}
	return resolve(decoded)
}

// Unescape decodes each %XX once, and nothing else. The error is ErrEscape.
func Unescape(s string) (string, error) {
	if !strings.Contains(s, "%") {
		return s, nil
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", ErrEscape
		}
		high, low := unhex(s[i+1]), unhex(s[i+2])
		if high < 0 || low < 0 {
			return "", ErrEscape
		}
		b = append(b, byte(high<<4|low))
		i += 2
	}
	return string(b), nil
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// resolved reports whether a path has no slashes to merge and no dot segments:
// most have none. A / at the end may be one to merge.
func resolved(path string) bool {
	for segment := range strings.SplitSeq(path[1:], "/") {
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

// resolve merges the slashes of a decoded path and resolves its dot segments.
func resolve(path string) (string, error) {
	if resolved(path) {
		return path, nil
	}
	segments := strings.Split(path[1:], "/")
	kept := segments[:0]
	folder := false
	for _, s := range segments {
		folder = s == "" || s == "." || s == ".."
		switch {
		case s == ".." && len(kept) == 0:
			return "", fmt.Errorf("%w: it climbs out of the root", ErrName)
		case s == "..":
			kept = kept[:len(kept)-1]
		case !folder:
			kept = append(kept, s)
		}
	}
	uri := "/" + strings.Join(kept, "/")
	if folder && len(kept) > 0 {
		uri += "/"
	}
	return uri, nil
}

// CheckName reports why no file of s can have the decoded URI uri as its name,
// the suffix of a negotiated one included. The error wraps ErrName.
func (s *Site) CheckName(uri string) error {
	if err := names.Check(s.DocumentRoot, uri[1:]); err != nil {
		return fmt.Errorf("%w: %w", ErrName, err)
	}
	return nil
}
