// SPDX-License-Identifier: MIT

package doctor

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every finding has its name from the table, and each name a finding.
func TestEachNameIsFound(t *testing.T) {
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var used []string
	for _, path := range sources {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\bfind\("([^"]+)"|": +"([a-z-]+-(?:unreadable|unreachable|unwritable|unwatched|slow|refused|unlisted))"|name = "([^"]+)"`).FindAllStringSubmatch(string(text), -1) {
			used = append(used, m[1]+m[2]+m[3])
		}
	}
	names := Names()
	slices.Sort(names)
	slices.Sort(used)
	if used = slices.Compact(used); !slices.Equal(names, used) {
		t.Errorf("found are\n%q, want\n%q", used, names)
	}
}

func TestEachFindingIsInTheManual(t *testing.T) {
	page, err := os.ReadFile("../../packaging/man/thumbd-doctor.8")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(page), "The names of the findings are the same in every version:\n")
	list, _, ok := strings.Cut(list, ".El\n")
	if !ok {
		t.Fatal("no list of findings in thumbd-doctor(8)")
	}
	var told []string
	for _, m := range regexp.MustCompile(`(?m)^\.It Li (\S+)$`).FindAllStringSubmatch(list, -1) {
		told = append(told, m[1])
	}
	names := Names()
	slices.Sort(names)
	slices.Sort(told)
	if !slices.Equal(names, told) {
		t.Errorf("thumbd-doctor(8) has\n%q, want\n%q", told, names)
	}
}
