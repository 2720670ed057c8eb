// SPDX-License-Identifier: MIT

package inside

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thumbd/internal/test/boot"
)

const (
	repository  = boot.Dir + "/dist/repo"
	sourcesList = "/etc/apt/sources.list.d/thumbd.list"
)

// install installs packages from our own repository.
func install(t testing.TB, packages ...string) {
	t.Helper()
	if !exists(sourcesList) {
		run(t, "install", "-D", "-m", "0644", repository+"/thumbd.asc", "/etc/apt/keyrings/thumbd.asc")
		put(t, sourcesList, "deb [signed-by=/etc/apt/keyrings/thumbd.asc] file:"+repository+"/apt stable main\n")
	}
	withoutMirror(t)
	run(t, "apt-get", "-q", "update")
	run(t, "apt-get", append([]string{"-q", "-y", "--allow-downgrades", "install"}, packages...)...)
}

// withoutMirror takes away the mirror that the machine was made from, which is
// out of reach.
func withoutMirror(t testing.TB) {
	t.Helper()
	if err := os.RemoveAll("/etc/apt/sources.list"); err != nil {
		t.Fatal(err)
	}
}

// versions returns those that the repository has, the newest first.
func versions(t testing.TB) []string {
	t.Helper()
	var all []string
	for line := range strings.Lines(run(t, "apt-cache", "madison", "thumbd")) {
		if fields := strings.Split(line, "|"); len(fields) == 3 {
			all = append(all, strings.TrimSpace(fields[1]))
		}
	}
	if len(all) != 2 {
		t.Fatalf("the repository has the versions %q, want two", all)
	}
	return all
}

// No request fails while the package is upgraded, and what the administrator
// has written stays.
func TestUpgradeUnderLoad(t *testing.T) {
	machine(t, "")
	all := versions(t)
	install(t, "thumbd="+all[1])
	socket := property(t, "thumbd.socket", "ActiveEnterTimestampMonotonic")
	l := startLoad(t, 4)
	l.await(20)
	before := daemon(t)
	install(t, "thumbd")
	l.await(20)
	l.endWhole(t)
	next, _, _ := strings.Cut(all[0], "-") // without the packaging's own number
	if got := run(t, "thumbd", "version"); !strings.Contains(got, next) {
		t.Errorf("thumbd version: %s, want %s", got, next)
	}
	if now := daemon(t); now == before || now == 0 {
		t.Errorf("the daemon is process %d, and was %d", now, before)
	}
	if told := journal(t); !strings.Contains(told, "version="+next) {
		t.Errorf("the running daemon is not of %s:\n%s", next, told)
	}
	if now := property(t, "thumbd.socket", "ActiveEnterTimestampMonotonic"); now != socket {
		t.Errorf("the socket was started anew, at %s after %s", now, socket)
	}
	if got, err := os.ReadFile(configuration); err != nil || string(got) != gallery {
		t.Errorf("the configuration is not what it was: %q, %v", got, err)
	}
	noTempFiles(t)
}

// Removing the package keeps what is the administrator's and what was made,
// purging it keeps nothing, and after either it can be installed again.
func TestRemovePurgeReinstall(t *testing.T) {
	machine(t, "")
	uri := signed(small, "60x40_crop", "png")
	picture(t, uri, "png", 60, 40)

	run(t, "apt-get", "-q", "-y", "remove", "thumbd")
	for _, path := range []string{configuration, keyFile, filepath.Join(cache, "gallery", uri)} {
		if !exists(path) {
			t.Errorf("remove took %s", path)
		}
	}
	for _, path := range []string{"/run/thumbd/thumbd.sock", "/usr/bin/thumbd", "/usr/libexec/thumbd"} {
		if exists(path) {
			t.Errorf("remove left %s", path)
		}
	}
	if got := property(t, "thumbd.socket", "ActiveState"); got != "inactive" {
		t.Errorf("the socket of a removed package is %s", got)
	}
	nothingLeft(t)
	picture(t, uri, "png", 60, 40)

	install(t, "thumbd")
	picture(t, signed(small, "61x40_crop", "png"), "png", 61, 40)

	run(t, "apt-get", "-q", "-y", "purge", "thumbd")
	for _, path := range []string{"/etc/thumbd", cache} {
		if exists(path) {
			t.Errorf("purge left %s", path)
		}
	}
	nothingLeft(t)

	install(t, "thumbd")
	machine(t, "")
	picture(t, signed(small, "62x40_crop", "png"), "png", 62, 40)
	if got := property(t, "thumbd.socket", "UnitFileState"); got != "enabled" {
		t.Errorf("the socket of a package that was installed again is %s", got)
	}
}

// nothingLeft checks that a removed package has left no failed unit and no link to
// nowhere, and that nginx can start.
func nothingLeft(t *testing.T) {
	t.Helper()
	if failed := run(t, "systemctl", "list-units", "--all", "--plain", "--no-legend", "thumbd.*", "thumbd-gc.*", "thumbd-admin.*", "thumbd-metrics.*"); failed != "" {
		t.Errorf("units are left:\n%s", failed)
	}
	if links := run(t, "find", "/etc/systemd", "/etc/nginx", "-xtype", "l"); links != "" {
		t.Errorf("links to nowhere:\n%s", links)
	}
	run(t, "nginx", "-t")
	run(t, "sh", "-c", restartNginx)
}

// What was protected is refused once the package has been removed, and purged, and
// nginx starts all the same; units that were enabled are gone with it.
func TestRemovalFailsClosed(t *testing.T) {
	machine(t, "")
	run(t, "systemctl", "enable", "--now", "thumbd-gc.timer", "thumbd-metrics.socket")
	put(t, cache+"/gallery/thumbs/a.png", "a thumbnail")
	put(t, "/srv/documents/a.txt", "a document")
	serveHosts(t, `log_format mine '$remote_addr $thumbd_variant';
server {
    listen 80 default_server;
    access_log /var/log/nginx/thumbd.log thumbd_noquery;
    location ^~ /thumbs/ {
        root      /var/cache/thumbd/gallery;
        include   snippets/thumbd-auth.conf;
        try_files $uri$thumbd_variant @thumbd;
        error_page 401 = @login;
    }
    location @login { add_header X-Reason $thumbd_auth_reason; return 401; }
    location ^~ /documents/ { try_files /_thumbd/none @thumbd; }
    location ^~ /_documents/ { alias /srv/documents/; include snippets/thumbd-files.conf; }
    location ^~ /_thumbd/original/ { alias /srv/documents/; include snippets/thumbd-original.conf; }
    include snippets/thumbd.conf;
    include snippets/thumbd-inplace.conf;
}
`)
	for _, action := range []string{"remove", "purge"} {
		run(t, "apt-get", "-q", "-y", action, "thumbd")
		nothingLeft(t)
		// apt purge has taken the thumbnails. One that was elsewhere would be there.
		put(t, cache+"/gallery/thumbs/a.png", "a thumbnail")
		for uri, want := range map[string]int{
			"/thumbs/a.png": 403, "/thumbs/b.png": 403, "/_documents/a.txt": 404, "/_thumbd/original/a.txt": 404,
		} {
			if a := get(t, uri); a.status != want {
				t.Errorf("%s: %s is answered %d, want %d", action, uri, a.status, want)
			}
		}
	}
	run(t, "rm", "-r", cache)
	protect(t)
	install(t, "thumbd")
	if text, err := os.ReadFile("/etc/nginx/snippets/thumbd-auth.conf"); err != nil || strings.Contains(string(text), "deny") {
		t.Errorf("still closed: %q, %v", text, err)
	}
	// Nobody has reloaded nginx but the package, and it loads its files behind the back
	// of the command.
	until(t, "nginx asks thumbd again", func() bool { return get(t, "/thumbs/a.png").status == http.StatusUnauthorized })
	machine(t, "")
	picture(t, signed(small, "63x40_crop", "png"), "png", 63, 40)
}
