// SPDX-License-Identifier: MIT

package serve

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// thumbd-url(7) explains each reason of thumbd and of nginx's snippets with its status,
// and no other.
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
	for _, s := range append(answers(), statusOf(fmt.Errorf("unknown")), authStatus(errNotProtected), nodesBehind) {
		known[fmt.Sprintf("%d %s", s.code, s.reason)] = true
	}
	for _, answer := range nginxAnswers(t) {
		known[answer] = true
	}
	slices.Sort(manual)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(known)), manual); diff != "" {
		t.Errorf("reasons (-) and thumbd-url(7) (+):\n%s", diff)
	}
}

// nginxAnswers returns the answers of the snippets themselves, for example "429 dead".
func nginxAnswers(t *testing.T) []string {
	t.Helper()
	snippets, err := filepath.Glob("../../nginx/snippets/*.conf")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, path := range snippets {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?s)add_header X-Thumbd-Reason +([a-z-]+) .*?\breturn +(\d{3})`).FindAllSubmatch(text, -1) {
			all = append(all, fmt.Sprintf("%s %s", m[2], m[1]))
		}
	}
	return all
}

func answers() []status {
	var all []status
	for _, s := range statuses {
		all = append(all, s.status)
	}
	return all
}
