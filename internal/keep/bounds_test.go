// SPDX-License-Identifier: MIT

package keep

import (
	"os"
	"strconv"
	"testing"

	"thumbd/internal/originals"
	"thumbd/internal/publish"
	"thumbd/internal/route"
	"thumbd/internal/thumb"
)

// TestLookedAtOriginalsAreBounded has originals that were looked at for stale
// thumbnails.
func TestLookedAtOriginalsAreBounded(t *testing.T) {
	k := New(Options{})
	defer k.Close()
	root := t.TempDir()
	s := &Site{Thumb: &thumb.Site{Route: route.Route{Name: "gallery", Prefix: "/thumbs/"}, DocumentRoot: root, Scheme: thumb.Signed}}
	s.Tree = publish.New(root, "/thumbs/", s.Gone)
	defer s.Tree.Close()
	if err := os.MkdirAll(s.folder(), 0o755); err != nil {
		t.Fatal(err)
	}
	const kept = 4096 // as SECURITY.md says
	for i := range kept + 100 {
		k.removeStale(Request{Site: s, thumb: thumb.Thumb{Original: strconv.Itoa(i)}}, originals.Info{})
	}
	if n := k.purges.fresh.Len(); n != kept {
		t.Errorf("%d originals are remembered, want %d", n, kept)
	}
}
