// SPDX-License-Identifier: MIT

package e2e

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// The headers of the server do not reach thumbd's errors: a Cache-Control of theirs
// would let caches keep a 404. A location can let scripts of other origins read its
// errors.
func TestHeadersOfErrors(t *testing.T) {
	site := kit.Gallery(t, kit.JPGs(t))
	site.Location = `set $thumbd_allow_origin https://app.example; add_header Access-Control-Allow-Origin * always;`
	plain := rig.Site{Name: "plain", Prefix: "/plain/", Scheme: "preset", Originals: site.Originals}
	r := kit.Start(t, rig.Options{
		Sites:  []rig.Site{site, plain},
		Server: `add_header Cache-Control "public, max-age=31536000, immutable" always;`,
	})
	kit.Expect(t, kit.Get(t, r, "/plain/small/a.jpg"), 200, "")
	for _, tt := range []struct {
		method, target string
		status         int
		reason, origin string
	}{
		{"GET", kit.Target("late.jpg", "20x20_crop", "jpg"), 404, "no-original", "https://app.example"},
		{"GET", "/thumbs/a.jpg/20x20_crop.jpg", 401, "no-signature", "https://app.example"},
		{"POST", kit.Target("late.jpg", "20x20_crop", "jpg"), 405, "method", "https://app.example"},
		{"GET", "/plain/small/late.jpg", 404, "no-original", ""},
	} {
		resp := kit.Do(t, r, rig.Request{Method: tt.method, Target: tt.target})
		kit.Expect(t, resp, tt.status, tt.reason)
		if diff := cmp.Diff([]string{"no-store"}, resp.Header.Values("Cache-Control")); diff != "" {
			t.Errorf("%s: Cache-Control (-want +got):\n%s", tt.target, diff)
		}
		if got := resp.Header.Get("Access-Control-Allow-Origin"); got != tt.origin {
			t.Errorf("%s: Access-Control-Allow-Origin %q, want %q", tt.target, got, tt.origin)
		}
	}
	hit := kit.Get(t, r, kit.Target("a.jpg", "20x20_crop", "jpg"))
	kit.Expect(t, hit, 200, "")
	if diff := cmp.Diff([]string{"*"}, hit.Header.Values("Access-Control-Allow-Origin")); diff != "" {
		t.Errorf("a thumbnail (-want +got):\n%s", diff)
	}
}
