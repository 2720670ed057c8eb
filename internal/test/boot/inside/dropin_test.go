// SPDX-License-Identifier: MIT

package inside

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// example gives thumbd.service a drop-in that the package brings, as it is, and
// restarts it.
func example(t testing.TB, name string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/usr/share/doc/thumbd/examples/systemd", name))
	if err != nil {
		t.Fatal(err)
	}
	dropIn(t, name, string(text))
	run(t, "systemctl", "restart", "thumbd.service")
}

// Keys can be where thumbd's user reads nothing.
func TestKeysByLoadCredential(t *testing.T) {
	machine(t, "")
	run(t, "install", "-D", "-m", "0600", keyFile, "/etc/credstore/gallery.key")
	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	refused(t, signed(small, "60x40_crop", "jpg"), http.StatusServiceUnavailable, "configuration")
	example(t, "credentials.conf")
	picture(t, signed(small, "60x40_crop", "jpg"), "jpeg", 60, 40)
	checkExposure(t)
}

// Originals can be in a home, where a group alone may read them.
func TestMediaOfAnotherUser(t *testing.T) {
	machine(t, "")
	const media = "/home/photos/media"
	if !exists(media) {
		run(t, "useradd", "--create-home", "photos")
		run(t, "cp", "-r", originals, media)
		run(t, "chown", "-R", "photos:photos", "/home/photos")
		run(t, "chmod", "-R", "u=rwX,g=rX,o=", "/home/photos")
	}
	put(t, configuration, strings.ReplaceAll(gallery, originals, media))
	refused(t, signed(small, "60x40_crop", "jpg"), http.StatusInternalServerError, "original-unreadable")
	example(t, "media-of-another-user.conf")
	picture(t, signed(small, "60x40_crop", "jpg"), "jpeg", 60, 40)
	if out, err := checkOutput(t); err != nil {
		t.Errorf("thumbd check: %v: %s", err, out)
	}
	wellAgain(t)
	checkExposure(t)
}

// Thumbnails can be among the web server's own files.
func TestDocumentRootElsewhere(t *testing.T) {
	machine(t, "")
	const root = "/srv/www/gallery"
	run(t, "install", "-d", "-o", "thumbd", "-g", "thumbd", root+"/thumbs")
	put(t, configuration, strings.ReplaceAll(gallery, "/var/cache/thumbd/gallery", root))
	serveWith(t, strings.ReplaceAll(location, "/var/cache/thumbd/gallery", root))
	uri := signed(small, "60x40_crop", "jpg")
	picture(t, uri, "jpeg", 60, 40)
	if exists(root + uri) {
		t.Fatal("published where the unit lets thumbd write nothing")
	}
	example(t, "document-root-elsewhere.conf")
	picture(t, uri, "jpeg", 60, 40)
	if !exists(root + uri) {
		t.Errorf("not published: %s", root+uri)
	}
	checkExposure(t)
}

// thumbd has a network with the drop-in for remote originals, and no other way.
func TestNetworkForRemoteOriginals(t *testing.T) {
	machine(t, "")
	picture(t, signed(small, "60x40_crop", "jpg"), "jpeg", 60, 40)
	ours := networkOf(t, os.Getpid())
	if networkOf(t, daemon(t)) == ours {
		t.Error("the unit as installed has the machine's network")
	}
	example(t, "remote-originals.conf")
	picture(t, signed(small, "61x40_crop", "jpg"), "jpeg", 61, 40)
	if networkOf(t, daemon(t)) != ours {
		t.Error("the drop-in does not give it the machine's network")
	}
}

func networkOf(t testing.TB, pid int) string {
	t.Helper()
	name, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// The drop-in for more memory counts.
func TestMoreMemory(t *testing.T) {
	machine(t, "")
	before := property(t, "thumbd.service", "MemoryMax")
	example(t, "more-memory.conf")
	if after := property(t, "thumbd.service", "MemoryMax"); after == before || after == "infinity" {
		t.Errorf("MemoryMax is %s, and was %s", after, before)
	}
	picture(t, signed(small, "60x40_crop", "jpg"), "jpeg", 60, 40)
}
