// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// What a server has set for its own backends does not reach the snippet.
func TestServerWithSettingsOfItsOwn(t *testing.T) {
	r := kit.Start(t, rig.Options{
		Sites: []rig.Site{kit.Gallery(t, kit.Testdata(t, "originals"))},
		HTTP: `
proxy_buffer_size 4k; proxy_buffers 4 4k; proxy_busy_buffers_size 4k; proxy_temp_file_write_size 4k; proxy_max_temp_file_size 8k; proxy_buffering off;
proxy_ignore_headers X-Accel-Redirect Cache-Control; proxy_cache_path cache keys_zone=all:1m; proxy_cache all; proxy_cache_valid any 1h;
proxy_read_timeout 1ms; proxy_next_upstream off; proxy_ignore_client_abort on; proxy_bind 127.0.0.9;
proxy_http_version 1.0; proxy_set_header X-Other 1;`,
		Server: `
proxy_intercept_errors on; error_page 400 401 404 415 422 500 502 503 504 /error.html;
location = /error.html { return 200 "an error page"; }
location ~ \.(jpg|png)$ { return 418; }
add_header Strict-Transport-Security max-age=1;`,
	})
	thumbnail := kit.Target("photos/fig.jpg", "100x100_crop", "jpg")
	miss := kit.Get(t, r, thumbnail)
	kit.Picture(t, miss, "jpeg", 100, 100)
	hit := kit.Get(t, r, thumbnail)
	kit.Picture(t, hit, "jpeg", 100, 100)
	if !bytes.Equal(miss.Body, hit.Body) {
		t.Error("hit and miss differ")
	}
	// A host that HTTP allows and Go's server does not.
	odd, err := r.Do(t.Context(), rig.Request{Target: kit.Target("photos/fig.jpg", "101x100_crop", "jpg"), Host: "a|b"})
	if err != nil {
		t.Fatal(err)
	}
	kit.Picture(t, odd, "jpeg", 101, 100)
	// Nothing is cached, and errors arrive as they are.
	for range 2 {
		kit.Expect(t, kit.Get(t, r, kit.Target("missing.jpg", "100x100_crop", "jpg")), 404, "no-original")
	}
}

// The longest name that can be published fits into nginx's buffers, with all
// of it percent-encoded in the answer's X-Accel-Redirect.
func TestLongestName(t *testing.T) {
	originals := kit.Folder(t, nil)
	r := kit.Start(t, rig.Options{
		Sites: []rig.Site{kit.Gallery(t, originals)},
		HTTP:  "large_client_header_buffers 4 16k;",
	})
	const most = 4095 // PATH_MAX without its NUL
	name := longName(most - len(r.File("gallery", kit.Signed("/thumbs/", "", "9x9_crop", "jpg"))))
	b, err := os.ReadFile(kit.Testdata(t, "originals/tests/orientation/1.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	kit.Put(t, filepath.Join(originals, name), b)
	kit.Picture(t, kit.Get(t, r, kit.Target(name, "9x9_crop", "jpg")), "jpeg", 9, 9)
	kit.Picture(t, kit.Get(t, r, kit.Target(name, "9x9_crop", "jpg")), "jpeg", 9, 9)
	kit.Expect(t, kit.Get(t, r, kit.Target(name, "10x9_crop", "jpg")), 404, "bad-name")
	kit.StopDaemon(t, r)
	if n := r.Log.Count("rendered"); n != 1 {
		t.Errorf("%d renders, want 1", n)
	}
}

// longName returns a name of size bytes in long segments, almost none of which
// can go into a URI as they are.
func longName(size int) string {
	folder := strings.Repeat("é", 125) + "/"
	n := (size - 1) / len(folder)
	return strings.Repeat(folder, n) + strings.Repeat("a", size-n*len(folder))
}
