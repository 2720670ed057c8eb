// SPDX-License-Identifier: MIT

package serve

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// thumbd-url(7) explains each reason with its status, and no other.
func TestEachReasonIsInTheManual(t *testing.T) {
	page, err := os.ReadFile("../../packaging/man/thumbd-url.7")
	if err != nil {
		t.Fatal(err)
	}
	var manual []string
	for _, m := range regexp.MustCompile(`(?m)^\.It Li (\S+) Pq (\d{3})$`).FindAllSubmatch(page, -1) {
		manual = append(manual, fmt.Sprintf("%s %s", m[2], m[1]))
	}
	known := map[string]bool{}
	for _, s := range append(answers(), statusOf(fmt.Errorf("unknown")), authStatus(errNotProtected)) {
		known[fmt.Sprintf("%d %s", s.code, s.reason)] = true
	}
	slices.Sort(manual)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(known)), manual); diff != "" {
		t.Errorf("reasons (-) and thumbd-url(7) (+):\n%s", diff)
	}
}

func answers() []status {
	var all []status
	for _, s := range statuses {
		all = append(all, s.status)
	}
	return all
}
