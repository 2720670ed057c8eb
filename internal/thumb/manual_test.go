// SPDX-License-Identifier: MIT

package thumb

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// thumbd-url(7) has each method and option that URIs can have, in the order of the tables,
// and no other. The method original is for presets alone.
func TestMethodsAndOptionsAreInTheManual(t *testing.T) {
	page, err := os.ReadFile("../../packaging/man/thumbd-url.7")
	if err != nil {
		t.Fatal(err)
	}
	transforms, _, _ := strings.Cut(string(page), "\n.Ss ")
	var want, got []string
	for m := Scale; m < Original; m++ {
		want = append(want, m.String())
	}
	for _, o := range options {
		want = append(want, o.name)
	}
	var gravity string // the text of its item
	for item := range strings.SplitSeq(transforms, "\n.It Cm ") {
		head, text, _ := strings.Cut(item, "\n")
		name, _, _ := strings.Cut(head, " ")
		got = append(got, name)
		if name == "gravity" {
			gravity = text
		}
	}
	if diff := cmp.Diff(want, got[1:]); diff != "" {
		t.Errorf("package thumb (-) and thumbd-url(7) (+):\n%s", diff)
	}
	for _, name := range gravityNames[North:] {
		if !slices.Contains(regexp.MustCompile(`[a-z]+`).FindAllString(gravity, -1), name) {
			t.Errorf("thumbd-url(7) does not have the gravity %s", name)
		}
	}
}
