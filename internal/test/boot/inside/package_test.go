// SPDX-License-Identifier: MIT

package inside

import (
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
	picture(t, uri, "png", 60, 40)

	install(t, "thumbd")
	picture(t, signed(small, "61x40_crop", "png"), "png", 61, 40)

	run(t, "apt-get", "-q", "-y", "purge", "thumbd")
	for _, path := range []string{"/etc/thumbd", cache, "/etc/nginx/conf.d/thumbd.conf", "/etc/nginx/snippets/thumbd.conf"} {
		if exists(path) {
			t.Errorf("purge left %s", path)
		}
	}
	// What included the snippet can't stay.
	if err := os.Remove(nginxSite); err != nil {
		t.Fatal(err)
	}
	run(t, "nginx", "-t")
	if failed := run(t, "systemctl", "--failed", "--plain", "--no-legend"); failed != "" {
		t.Errorf("units have failed:\n%s", failed)
	}

	install(t, "thumbd")
	machine(t, "")
	picture(t, signed(small, "62x40_crop", "png"), "png", 62, 40)
	if got := property(t, "thumbd.socket", "UnitFileState"); got != "enabled" {
		t.Errorf("the socket of a package that was installed again is %s", got)
	}
}
