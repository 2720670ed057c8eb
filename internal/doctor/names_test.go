// SPDX-License-Identifier: MIT

package doctor

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestEachFindingIsInTheManual(t *testing.T) {
	page, err := os.ReadFile("../../packaging/man/thumbd.8")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(page), "The names of the findings stay:\n")
	list, _, ok := strings.Cut(list, ".El\n")
	if !ok {
		t.Fatal("no list of findings in thumbd(8)")
	}
	var told []string
	for _, m := range regexp.MustCompile(`(?m)^\.It Li (\S+)$`).FindAllStringSubmatch(list, -1) {
		told = append(told, m[1])
	}
	names := Names()
	slices.Sort(names)
	slices.Sort(told)
	if !slices.Equal(names, told) {
		t.Errorf("thumbd(8) has\n%q, want\n%q", told, names)
	}
}
