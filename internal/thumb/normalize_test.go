// SPDX-License-Identifier: MIT

package thumb_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"thumbd/internal/route"
	"thumbd/internal/thumb"
)

func TestNormalize(t *testing.T) {
	for raw, want := range map[string]string{
		"/":                    "/",
		"/a/b.jpg":             "/a/b.jpg",
		"/a?b#c":               "/a",
		"/a#b?c":               "/a",
		"/a#/../../open/y":     "/a",
		"/a%23b":               "/a#b",
		"/a%3Fb":               "/a?b",
		"/a%3fb?c":             "/a?b",
		"/a%2Fb":               "/a/b",
		"/a%2f%2Fb":            "/a/b",
		"/a%252Fb":             "/a%2Fb",
		"/a%25":                "/a%",
		"/a%0Ab":               "/a\nb",
		"/a%FFb":               "/a\xffb",
		"/a+b":                 "/a+b",
		"//a///b":              "/a/b",
		"/a//":                 "/a/",
		"/a/./b":               "/a/b",
		"/a/.":                 "/a/",
		"/a/..":                "/",
		"/a/b/..":              "/a/",
		"/a/b/../c":            "/a/c",
		"/a/b/../../c":         "/c",
		"/a/%2e%2E/c":          "/c",
		"/a/%2e%2e%2fc":        "/c",
		"/a/...":               "/a/...",
		"/a/.b":                "/a/.b",
		"/a/..b":               "/a/..b",
		"/a/b.":                "/a/b.",
		"/%C3%A9t%C3%A9%20%22": "/été \"",
	} {
		got, err := thumb.Normalize(raw)
		if err != nil || got != want {
			t.Errorf("Normalize(%q) = %q, %v; want %q", raw, got, err, want)
		}
	}
}

func TestNormalizeRefuses(t *testing.T) {
	for raw, want := range map[string]error{
		"":            thumb.ErrName,
		"*":           thumb.ErrName,
		"a":           thumb.ErrName,
		"#/a":         thumb.ErrName,
		"/a%00b":      thumb.ErrName,
		"/..":         thumb.ErrName,
		"/a/../../b":  thumb.ErrName,
		"/%2e%2e/b":   thumb.ErrName,
		"/a%":         thumb.ErrEscape,
		"/a%4":        thumb.ErrEscape,
		"/a%zz":       thumb.ErrEscape,
		"/a%4g/../..": thumb.ErrEscape,
	} {
		if got, err := thumb.Normalize(raw); !errors.Is(err, want) {
			t.Errorf("Normalize(%q) = %q, %v; want %v", raw, got, err, want)
		}
	}
}

func TestCheckName(t *testing.T) {
	site := &thumb.Site{Route: route.Route{Prefix: "/t/"}, DocumentRoot: "/var/cache/x"}
	long := strings.Repeat("d/", 2038) // with root and a name of 6: 4094
	for uri, ok := range map[string]bool{
		"/t/a.jpg":                              true,
		"/t/a/b..c":                             true,
		"/t/":                                   false,
		"/t/.a":                                 false,
		"/t/.a/b":                               false,
		"/.t/b":                                 false,
		"/t/a\x00":                              false,
		"/t/a/../b":                             false,
		"/t//b":                                 false,
		"/" + long + "a.jpg":                    true,
		"/" + long + "ab.jpg":                   true,
		"/" + long + "abc.jpg":                  false,
		"/t/" + strings.Repeat("a", 255):        true,
		"/t/" + strings.Repeat("a", 256):        false,
		"/t/" + strings.Repeat("a", 256) + "/b": false,
	} {
		if err := site.CheckName(uri); (err == nil) != ok || err != nil && !errors.Is(err, thumb.ErrName) {
			t.Errorf("CheckName(%.40q of %d bytes) = %v; want ok %v", uri, len(uri), err, ok)
		}
	}
}

// FuzzNormalize holds that a normalized URI is settled: escaped and sent
// again, it names the same file, and it stays below the root.
func FuzzNormalize(f *testing.F) {
	for _, seed := range []string{"/a/b.jpg", "//a/./b/../%2e%2e/c?d#e", "/%25%2F%3f", "/a%", "/..", "/.%2e/", "/a/...//"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		uri, err := thumb.Normalize(raw)
		if err != nil {
			return
		}
		for segment := range strings.SplitSeq(strings.Trim(uri, "/"), "/") {
			if segment == "." || segment == ".." || segment == "" && uri != "/" {
				t.Fatalf("Normalize(%q) = %q: segment %q", raw, uri, segment)
			}
		}
		again, err := thumb.Normalize((&url.URL{Path: uri}).EscapedPath())
		if err != nil || again != uri {
			t.Fatalf("Normalize(%q) = %q, then %q, %v", raw, uri, again, err)
		}
	})
}
