// SPDX-License-Identifier: MIT

package route_test

import (
	"slices"
	"testing"

	"thumbd/internal/route"
)

func TestFindMostSpecificHost(t *testing.T) {
	all := []route.Route{
		{"any", "/t/", nil},
		{"wild", "/t/", []string{"*.example"}},
		{"wilder", "/t/", []string{"*.b.example"}},
		{"exact", "/t/", []string{"x.example", "a.b.example"}},
		{"other", "/o/", []string{"x.example"}},
	}
	for _, tt := range []struct{ host, uri, want string }{
		{"", "/t/a", "any"},
		{"y.test", "/t/a", "any"},
		{"y.example", "/t/a", "wild"},
		{"example", "/t/a", "any"},
		{"c.b.example", "/t/a", "wilder"},
		{"d.c.b.example", "/t/a", "wilder"},
		{"A.B.example:8080", "/t/a", "exact"},
		{"x.example.", "/t/a", "exact"},
		{"[::1]:80", "/t/a", "any"},
		{"x.example", "/o/a", "other"},
		{"y.example", "/o/a", ""},
		{"y.example", "/tt/a", ""},
		{"y.example", "/t", ""},
	} {
		got, ok := route.Find(all, func(r route.Route) *route.Route { return &r }, tt.host, tt.uri)
		if got.Name != tt.want || ok != (tt.want != "") {
			t.Errorf("Find(%q, %q) = %q, %t; want %q", tt.host, tt.uri, got.Name, ok, tt.want)
		}
	}
}

func TestOverlaps(t *testing.T) {
	for _, tt := range []struct {
		x, y string
		want bool
	}{
		{"/t/", "/t/", true},
		{"/t/", "/t/a/", true},
		{"/t/", "/ta/", false},
		{"/t/", "/o/", false},
		{"", "/t/", false},
		{"", "", false},
	} {
		a, b := &route.Route{Prefix: tt.x}, &route.Route{Prefix: tt.y}
		if a.Overlaps(b) != tt.want || b.Overlaps(a) != tt.want {
			t.Errorf("%q and %q: want %t both ways", tt.x, tt.y, tt.want)
		}
	}
}

func TestCommonHosts(t *testing.T) {
	list := func(hosts ...string) []string { return hosts }
	for name, tt := range map[string]struct {
		a, b, want []string
		any        bool
	}{
		"neither names one": {any: true},
		"one names none":    {a: list("x.example")},
		"one":               {a: list("x.example", "y.example"), b: list("z.example", "y.example"), want: list("y.example")},
		"a wildcard's":      {a: list("*.example"), b: list("x.example")},
		"a wildcard":        {a: list("*.example"), b: list("*.example"), want: list("*.example")},
		"none":              {a: list("x.example"), b: list("y.example")},
	} {
		t.Run(name, func(t *testing.T) {
			for _, r := range [][2]*route.Route{{{Hosts: tt.a}, {Hosts: tt.b}}, {{Hosts: tt.b}, {Hosts: tt.a}}} {
				if got, any := r[0].CommonHosts(r[1]); !slices.Equal(got, tt.want) || any != tt.any {
					t.Errorf("%v, %t; want %v, %t", got, any, tt.want, tt.any)
				}
			}
		})
	}
}
