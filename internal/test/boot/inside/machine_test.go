// SPDX-License-Identifier: MIT

package inside

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"thumbd/internal/test/boot"
)

const (
	configuration  = "/etc/thumbd/thumbd.toml"
	keyFile        = "/etc/thumbd/keys/gallery.key"
	key            = "thumbd-test-key-0123456789abcdef"
	cache          = "/var/cache/thumbd"
	enabledDefault = "/etc/nginx/sites-enabled/default"
	nginxSite      = "/etc/nginx/sites-enabled/thumbd"
	nginxLog       = "/var/log/nginx/error.log"
	dropIns        = "/etc/systemd/system/thumbd.service.d"
	socketDropIns  = "/etc/systemd/system/thumbd.socket.d"
	originals      = "/srv/gallery/media"
	// small is the original of tests that need many thumbnails.
	small = "tests/orientation/1.jpg"
)

// restartNginx is for sh. After a reload the processes of before may answer for
// a while, and without a reset systemd starts no unit this often.
const restartNginx = "systemctl reset-failed nginx; systemctl restart nginx"

// gallery is the site that most tests have.
const gallery = `
[site.gallery]
prefix        = "/thumbs/"
document_root = "/var/cache/thumbd/gallery"
originals     = "` + originals + `"
scheme        = "signed"
keys          = ["gallery.key"]
`

// location is what nginx has for it.
const location = `
    location ^~ /thumbs/ {
        root      /var/cache/thumbd/gallery;
        try_files $uri @thumbd;
        expires   30d;
    }
`

// machine makes the machine one on which thumbd has just been installed and
// serves the gallery, whatever earlier tests have made of it. toml goes before
// the gallery's section. A failed test shows the logs.
func machine(t *testing.T, toml string) {
	t.Helper()
	begin := time.Now()
	if err := os.Truncate(nginxLog, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(logs(t, begin))
		}
	})
	if out, err := try(t, "dpkg-query", "-W", "-f", "${db:Status-Status}", "thumbd"); err != nil || out != "installed" {
		install(t, "thumbd")
	}
	quiet(t)
	copyOriginals(t)
	put(t, keyFile, key)
	run(t, "chown", "root:thumbd", keyFile)
	run(t, "chmod", "0640", keyFile)
	put(t, configuration, toml+gallery)
	serveWith(t, location)
	run(t, "systemctl", "start", "thumbd.socket")
}

// copyOriginals puts pictures where the README has them, for everybody to read.
func copyOriginals(t testing.TB) {
	t.Helper()
	if !exists(originals) {
		run(t, "mkdir", "-p", filepath.Dir(originals))
		run(t, "cp", "-r", boot.Dir+"/tree/testdata/originals", originals)
		run(t, "chmod", "-R", "a+rX", originals)
	}
}

// quiet stops thumbd, and takes away drop-ins and thumbnails of earlier tests.
func quiet(t testing.TB) {
	t.Helper()
	run(t, "systemctl", "stop", "thumbd.socket", "thumbd.service")
	for _, dir := range []string{dropIns, socketDropIns} {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "systemctl", "daemon-reload")
	// With the counts of their starts: systemd refuses the sixth in 10 s.
	run(t, "systemctl", "reset-failed", "thumbd.socket", "thumbd-admin.socket", "thumbd.service")
	trees, err := filepath.Glob(cache + "/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, tree := range trees {
		if err := os.RemoveAll(tree); err != nil {
			t.Fatal(err)
		}
	}
}

// serveWith has nginx serve a host with locations and thumbd's snippet.
func serveWith(t testing.TB, locations string) {
	t.Helper()
	serveHosts(t, "server {\n    listen 80 default_server;\n"+locations+"    include snippets/thumbd.conf;\n}\n")
}

// serveHosts has nginx serve these server blocks alone.
func serveHosts(t testing.TB, servers string) {
	t.Helper()
	// A link, which would be written through.
	if err := os.RemoveAll(enabledDefault); err != nil {
		t.Fatal(err)
	}
	put(t, nginxSite, servers)
	run(t, "nginx", "-t")
	run(t, "sh", "-c", restartNginx)
}

// dropIn gives thumbd.service a drop-in. It counts from the next start.
func dropIn(t testing.TB, name, text string) {
	t.Helper()
	put(t, filepath.Join(dropIns, name), text)
	run(t, "systemctl", "daemon-reload")
}

// logs returns what thumbd and nginx have logged since begin, for a test that
// has failed and whose context is done.
func logs(t testing.TB, begin time.Time) string {
	t.Helper()
	out, err := exec.Command("journalctl", "--no-pager", "--output=cat", "--unit=thumbd.service", "--unit=thumbd.socket", "--unit=thumbd-admin.socket",
		"--since=@"+strconv.FormatInt(begin.Unix(), 10)).CombinedOutput()
	if err != nil {
		t.Errorf("journalctl: %v", err)
	}
	nginx, err := os.ReadFile(nginxLog)
	return fmt.Sprintf("journal:\n%s\nnginx (%v):\n%s", tail(string(out), 60), err, nginx)
}

func tail(text string, lines int) string {
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// signed returns the URI of a thumbnail of the gallery, computed here and not
// by thumbd's own code.
func signed(original, spec, ext string) string {
	stem := "/thumbs/" + original + "/" + spec + "_"
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(stem + "." + ext))
	return stem + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:21]) + "." + ext
}

// noTempFiles checks that the trees have thumbnails and nothing else.
func noTempFiles(t testing.TB) {
	t.Helper()
	left, err := filepath.Glob(cache + "/*/*/.thumbd/*")
	if err != nil {
		t.Fatal(err)
	}
	// What stays there has another kind of name.
	left = slices.DeleteFunc(left, func(name string) bool { return strings.Contains(filepath.Base(name), ".") })
	if len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
