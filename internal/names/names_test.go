// SPDX-License-Identifier: MIT

package names_test

import (
	"strings"
	"testing"

	"thumbd/internal/names"
)

func TestCheck(t *testing.T) {
	const folder = "/srv"
	segment := strings.Repeat("s", names.MaxSegment)
	// Names of 100 bytes a segment, up to the longest path.
	path := strings.Repeat(strings.Repeat("p", 99)+"/", 40) + strings.Repeat("p", names.MaxPath-len(folder)-1-4000)
	tests := map[string]struct {
		name    string
		want    string
		visible bool
	}{
		"a name":               {"a.jpg", "", true},
		"folders":              {"a/b/c.jpg", "", true},
		"dots inside":          {"a..b/c.", "", true},
		"no UTF-8":             {"\xff\n", "", true},
		"the longest segment":  {"a/" + segment + "/b", "", true},
		"a longer one":         {"a/" + segment + "s/b", "a segment is over 255 bytes", true},
		"the longest path":     {path, "", true},
		"a longer path":        {path + "p", "its path is over 4095 bytes", true},
		"nothing":              {"", "it is a folder's name", false},
		"a folder":             {"a/", "it is a folder's name", false},
		"two slashes":          {"a//b", "it is a folder's name", false},
		"a slash first":        {"/a", "it is a folder's name", false},
		"a hidden file":        {".a", "a segment begins with a dot", false},
		"in a hidden folder":   {"a/.b/c", "a segment begins with a dot", false},
		"the folder above":     {"a/../b", "a segment begins with a dot", false},
		"the folder itself":    {"./a", "a segment begins with a dot", false},
		"a NUL":                {"a\x00b", "it has a NUL", true},
		"a NUL in a long name": {"a\x00" + segment, "a segment is over 255 bytes", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := names.Check(folder, tt.name); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("Check(%q): %q, want %q", tt.name, got, tt.want)
			}
			if got := names.Visible(tt.name); got != tt.visible {
				t.Errorf("Visible(%q) = %t", tt.name, got)
			}
		})
	}
}
