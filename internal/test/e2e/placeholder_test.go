// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// A missing or broken original gives the placeholder in the size and format that
// were asked for, after signature and access, and is never published or cached.
func TestPlaceholder(t *testing.T) {
	originals := kit.JPGs(t)
	kit.Put(t, filepath.Join(originals, "text.jpg"), []byte("no picture"))
	none := fmt.Sprintf("placeholder = %q\n", kit.Testdata(t, "originals/tests/orientation/1.jpg"))
	open := kit.Gallery(t, originals)
	open.TOML = none + "negotiate = [\"webp\"]\n"
	open.TryFiles, open.Location = "$uri$thumbd_webp", "add_header Vary Accept always;"
	well := rig.Site{Name: "well", Prefix: "/well/", Scheme: "preset", Originals: originals, TOML: none + "placeholder_status = 200\n"}
	closed := rig.Site{Name: "closed", Prefix: "/closed/", Scheme: "preset", Originals: originals, Protected: true,
		TOML: none + "[site.closed.access]\nproofs = [\"signature\"]\nkeys = [\"access.key\"]\n"}
	r := kit.Start(t, rig.Options{
		Sites: []rig.Site{open, well, closed}, Keys: map[string]string{"access.key": kit.AccessKey},
		// Of the server: of no concern to a placeholder.
		Server: `expires max; add_header Cache-Control public always; error_page 404 /404.html;`,
	})
	private := kit.Proof(kit.AccessKey, "access", "/closed/large/gone.jpg", kit.Expires(time.Hour))
	for _, tt := range []struct {
		target, accept string
		status         int
		reason, cache  string
		format         string
		width, height  int
	}{
		{kit.Target("gone.jpg", "900x700_crop", "jpg"), "", 404, "no-original", "no-store", "jpeg", 900, 700},
		{kit.Target("gone.jpg", "90x70_crop_dpr=2", "png"), "", 404, "no-original", "no-store", "png", 180, 140},
		{kit.Target("gone.jpg", "90x70_crop", "jpg"), "image/webp", 404, "no-original", "no-store", "webp", 90, 70},
		{kit.Target("text.jpg", "90x70_crop", "jpg"), "", 404, "unsupported", "no-store", "jpeg", 90, 70},
		{"/well/large/gone.png", "", 200, "no-original", "no-store", "png", 0, 0},
		{"/well/large/text.jpg", "", 200, "unsupported", "no-store", "jpeg", 0, 0},
		{"/closed/large/gone.jpg" + private, "", 404, "no-original", "private, no-store", "jpeg", 0, 0},
		{"/thumbs/gone.jpg/90x70_crop.jpg", "", 401, "no-signature", "no-store", "", 0, 0},
		{"/closed/large/gone.jpg", "", 401, "no-proof", "private, no-cache", "", 0, 0},
		{"/well/none/gone.jpg", "", 404, "unknown-preset", "no-store", "", 0, 0},
	} {
		resp := kit.Get(t, r, tt.target, "Accept: "+tt.accept)
		kit.Expect(t, resp, tt.status, tt.reason)
		if got := resp.Header.Values("Cache-Control"); len(got) != 1 || got[0] != tt.cache {
			t.Errorf("%s: Cache-Control %q, want %q", tt.target, got, tt.cache)
		}
		if tt.format == "" {
			continue
		}
		resp.Status = 200
		if tt.width == 0 {
			tt.width, tt.height = 500, 333 // large fits a picture of 3:2 into 500x500
		}
		kit.Picture(t, resp, tt.format, tt.width, tt.height)
	}
	for _, site := range []string{"gallery", "well", "closed"} {
		kit.NoTempFiles(t, r, site)
		for _, path := range kit.InTrees(t, r) {
			if ext := filepath.Ext(path); ext == ".jpg" || ext == ".png" || ext == ".webp" {
				t.Errorf("published: %s", path)
			}
		}
	}
	// An original that comes is there at once.
	kit.Expect(t, kit.Get(t, r, kit.Target("a.jpg", "90x70_crop", "jpg")), 200, "")
}

// Invented names cost one job, whoever asks and however often.
func TestInventedNamesCostOneJob(t *testing.T) {
	site := rig.Site{Name: "well", Prefix: "/well/", Scheme: "preset", Originals: kit.JPGs(t),
		TOML: fmt.Sprintf("placeholder = %q\n", kit.Testdata(t, "originals/tests/orientation/1.jpg"))}
	r := kit.Start(t, rig.Options{Sites: []rig.Site{site}})
	var clients sync.WaitGroup
	for c := range 10 {
		clients.Go(func() {
			for i := range 100 {
				kit.Expect(t, kit.Get(t, r, fmt.Sprintf("/well/small/invented-%d-%d.jpg", c, i)), 404, "no-original")
			}
		})
	}
	clients.Wait()
	metrics := kit.Do(t, r, rig.Request{Target: "/metrics", Admin: true}).Body
	if !bytes.Contains(metrics, []byte("\nthumbd_render_seconds_count{format=\"jpg\"} 1\n")) {
		t.Errorf("not one job for 1000 invented names:\n%s", metrics)
	}
}
