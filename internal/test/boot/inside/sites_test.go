// SPDX-License-Identifier: MIT

package inside

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// The presets that a page needs together are made together, in the background.
func TestPresetsOfAPageTogether(t *testing.T) {
	machine(t, "")
	put(t, configuration, `
[site.pages]
prefix          = "/thumbs/"
document_root   = "/var/cache/thumbd/gallery"
originals       = "`+originals+`"
scheme          = "preset"
render_together = ["icon", "small"]
`)
	picture(t, "/thumbs/icon/"+small, "jpeg", 16, 11)
	file := filepath.Join(cache, "gallery/thumbs/small", small)
	until(t, file, func() bool { return exists(file) })
	run(t, "systemctl", "stop", "thumbd.socket", "thumbd.service")
	picture(t, "/thumbs/small/"+small, "jpeg", 50, 33)
}

// A protected thumbnail is for those with a proof alone, on a hit too, and for
// nobody while thumbd is stopped.
func TestProtectedThumbnails(t *testing.T) {
	machine(t, "")
	protect(t)
	serveWith(t, strings.Replace(location, "expires   30d;", "include snippets/thumbd-auth.conf;", 1))

	url := strings.TrimSpace(run(t, "thumbd", "url", "gallery", small, "60x40", "crop", "--expires", "1h"))
	open, _, _ := strings.Cut(url, "?")
	for range 2 {
		refused(t, open, http.StatusUnauthorized, "no-proof")
		a, err := askRaw(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.check("jpeg", 60, 40); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	run(t, "systemctl", "stop", "thumbd.socket", "thumbd.service")
	if a := get(t, open); a.status == http.StatusOK {
		t.Error("served without anybody to ask")
	}
}

// protect writes the configuration and the keys of a gallery that is protected.
func protect(t testing.TB) {
	t.Helper()
	keys := filepath.Dir(keyFile)
	put(t, keyFile, key)
	put(t, keys+"/access.key", "the-key-of-those-who-may-see-it")
	put(t, configuration, gallery+"[site.gallery.access]\nproofs = [\"signature\"]\nkeys = [\"access.key\"]\n")
	run(t, "chown", "-R", "root:thumbd", keys)
	run(t, "chmod", "0640", keyFile, keys+"/access.key")
}
