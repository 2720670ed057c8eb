// SPDX-License-Identifier: MIT

package e2e

import (
	"context"
	"strings"
	"testing"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
)

// FuzzNormalize holds thumb.Normalize against the $uri of a real nginx.
func FuzzNormalize(f *testing.F) {
	for _, seed := range normalizeSeeds {
		f.Add(seed)
	}
	r, err := rig.Start(context.Background(), rig.Options{
		Stopped: true,
		Server:  `default_type text/plain; location / { return 200 "$uri"; }`,
		HTTP:    "large_client_header_buffers 4 64k;",
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := r.Close(); err != nil {
			f.Error(err)
		}
	})
	f.Fuzz(func(t *testing.T, raw string) {
		if !isRequestTarget(raw) {
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), aid.Patience)
		defer cancel()
		resp, err := r.Get(ctx, raw)
		if err != nil {
			t.Fatal(err)
		}
		got, err := thumb.Normalize(raw)
		switch resp.Status {
		case 200:
			if err != nil || got != string(resp.Body) {
				t.Errorf("Normalize(%q) = %q, %v; nginx has %q", raw, got, err, resp.Body)
			}
		case 400:
			if err == nil {
				t.Errorf("Normalize(%q) = %q; nginx refuses it", raw, got)
			}
		default:
			t.Errorf("%q: status %d", raw, resp.Status)
		}
	})
}

// isRequestTarget reports whether nginx's reader of request lines lets raw
// through to where URIs are parsed: no blanks and control characters.
func isRequestTarget(raw string) bool {
	return strings.HasPrefix(raw, "/") && len(raw) < 32<<10 &&
		!strings.ContainsFunc(raw, func(c rune) bool { return c <= ' ' || c == 0x7f })
}

var normalizeSeeds = []string{
	"/", "//", "///a", "/a", "/a/", "/a//", "/a//b", "/a///b//", "/a/b/c",
	"/.", "/..", "/./", "/../", "/a/.", "/a/..", "/a/./", "/a/../", "/a/./b", "/a/../b", "/a/b/../..", "/a/b/../../", "/a/../..", "/a/../../b",
	"/...", "/a/...", "/.../a", "/a/.../b", "/.a", "/a/.b", "/..a", "/a/..b", "/a./b", "/a../b", "/a/b.", "/a/b..", "/a/.b/..", "/a/b./../c",
	"/%2e", "/%2E/a", "/a/%2e%2e/b", "/a/%2e./b", "/a/.%2e/b", "/a/%2e%2e%2fb", "/a%2f..%2fb", "/a%2f%2fb", "/%2f%2e%2e%2f", "/%2f/a", "/a/%2f", "/a%2F",
	"/%25", "/%252e", "/%252F", "/%2525", "/%", "/%2", "/%zz", "/%2z", "/%z2", "/a%", "/a%4", "/%00", "/a%00b", "/%0a", "/%0D%0A", "/%20", "/%7f", "/%ff", "/%FF%fe",
	"/%41%42", "/%61", "/%c3%a9", "/\xc3\xa9", "/\xff", "/\x80/..", "/é/../ü", "/🐈",
	"/a?b", "/?", "/a?", "/a/..?b", "/a?/../b", "/a?b#c", "/a#b", "/#", "/a#", "/a#/../b", "/a/..#b", "/a#?b", "/a?#", "/%23", "/%3f", "/a%3Fb%23c", "/a%", "/a%?b", "/a%#b", "/a%2?b", "/a%2#b", "/a/.?b", "/a/.#b", "/a//#", "/a//?b", "/..#", "/..?",
	"/a/%2e%2e?x", "/a/%2e%2e#x", "/%2e?", "/%2e%2e", "/%2e%2e/..", "/a/b/%2e%2e", "/a/b/%2e%2e/", "/a/b/..%2f", "/a/b/..%2f..", "/a/b%2f..%2f..",
	"/\"quotes\"'`", "/back\\slash", "/\\..\\a", "/<>{}[]|^~", "/a;b=c,d@e:f$g&h+i*j!k(l)", "/$uri", "/${x}", "/a:b", "/http://host/x", "/*", "/-_.~",
	"/" + strings.Repeat("a", 255), "/" + strings.Repeat("a/", 500) + strings.Repeat("../", 499) + "b", "/" + strings.Repeat("%2e/", 300), "/" + strings.Repeat("/", 1000),
}
