// SPDX-License-Identifier: MIT

package nginx_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/nginxconf"
	"thumbd/nginx"
)

// The locations that ask thumbd have the lines of thumbd-proxy.conf, in order, and
// besides them only lines about errors. No file includes another one.
func TestLocationsHaveTheLinesOfProxy(t *testing.T) {
	want := texts(parse(t, "snippets/thumbd-proxy.conf"))
	if len(want) < 20 {
		t.Fatalf("only %d lines", len(want))
	}
	for file, location := range map[string]string{"snippets/thumbd.conf": "@thumbd", "snippets/thumbd-inplace.conf": "@thumbd_inplace", "snippets/thumbd-node.conf": "@thumbd"} {
		i := slices.IndexFunc(parse(t, file).Children, func(b *nginxconf.Block) bool {
			return b.Name == "location" && b.Arg(0) == location
		})
		if i < 0 {
			t.Errorf("%s: no %s", file, location)
			continue
		}
		block := *parse(t, file).Children[i]
		block.Children = slices.DeleteFunc(slices.Clone(block.Children), func(b *nginxconf.Block) bool {
			return slices.Contains([]string{"proxy_intercept_errors", "recursive_error_pages", "error_page"}, b.Name) || b.Text() == "set $thumbd_asked 1"
		})
		if diff := cmp.Diff(want, texts(&block)); diff != "" {
			t.Errorf("%s (-thumbd-proxy.conf +%s):\n%s", location, file, diff)
		}
	}
}

// thumbd-node.conf has the lines of thumbd.conf, and besides them only lines about a
// dead thumbd and the location for balancers.
func TestNodeHasTheLinesOfThumbd(t *testing.T) {
	node := parse(t, "snippets/thumbd-node.conf")
	var dead int
	var own func(b *nginxconf.Block) bool
	own = func(b *nginxconf.Block) bool {
		b.Children = slices.DeleteFunc(b.Children, own)
		is := b.Name == "error_page" || b.Name == "location" && slices.Contains([]string{"@thumbd_dead", "@thumbd_guard_dead", "@thumbd_unguarded"}, b.Arg(0)) ||
			b.Name == "location" && b.Arg(1) == "/_thumbd/ready"
		if is {
			dead++
		}
		return is
	}
	own(node)
	if dead != 8 {
		t.Errorf("%d lines are of a node, want 8", dead)
	}
	if diff := cmp.Diff(texts(parse(t, "snippets/thumbd.conf")), texts(node)); diff != "" {
		t.Errorf("(-thumbd.conf +thumbd-node.conf):\n%s", diff)
	}
}

func parse(t *testing.T, name string) *nginxconf.Block {
	t.Helper()
	text, err := nginx.Files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := nginxconf.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// texts returns the directives of b, each with those within it behind it.
func texts(b *nginxconf.Block) []string {
	var all []string
	for _, child := range b.Children {
		all = append(all, child.Text())
		all = append(all, texts(child)...)
	}
	return all
}
