// SPDX-License-Identifier: MIT

package serve

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"thumbd/nginx"
)

// Each status of thumbd's is one for which nginx sends the original, except those
// that keep a client out, and those that the scheme inplace never has.
func TestInPlaceInterceptsEachStatus(t *testing.T) {
	text, err := nginx.Files.ReadFile("snippets/thumbd-inplace.conf")
	if err != nil {
		t.Fatal(err)
	}
	before, _, _ := strings.Cut(string(text), " = @thumbd_original;")
	line := before[strings.LastIndex(before, "error_page "):]
	intercepted := strings.Fields(line)
	kept := []int{401, 403}
	never := []int{301, 302, 410} // of other schemes, and of downloads
	for _, s := range statuses {
		code := fmt.Sprint(s.code)
		if slices.Contains(kept, s.code) == slices.Contains(intercepted, code) && !slices.Contains(never, s.code) {
			t.Errorf("%s %s: intercepted: %v", code, s.reason, intercepted)
		}
	}
	if !slices.Contains(intercepted, fmt.Sprint(statusOf(fmt.Errorf("unknown")).code)) {
		t.Error("an unknown error is not intercepted")
	}
}
