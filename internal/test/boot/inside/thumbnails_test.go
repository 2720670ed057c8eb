// SPDX-License-Identifier: MIT

package inside

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// published returns the file of a thumbnail of the gallery.
func published(uri string) string { return filepath.Join(cache, "gallery", uri) }

// Administrators purge and look through their socket, in the unit as it is
// hardened, and thumbd follows originals there.
func TestPurgeStatusAndWatch(t *testing.T) {
	machine(t, "")
	uri := signed(small, "70x50_crop", "jpg")
	picture(t, uri, "jpeg", 70, 50)
	if told := run(t, "stat", "-c", "%A %U:%G", "/run/thumbd/admin.sock"); strings.TrimSpace(told) != "srw-rw---- root:thumbd-admin" {
		t.Errorf("the socket is %s", told)
	}
	run(t, "thumbd", "purge", "gallery", small)
	if exists(published(uri)) {
		t.Error("the purge has left it")
	}
	if told := run(t, "thumbd", "status"); !strings.Contains(told, "gallery") {
		t.Errorf("thumbd status: %s", told)
	}

	put(t, configuration, gallery+"watch = true\n")
	run(t, "systemctl", "restart", "thumbd.service")
	picture(t, uri, "jpeg", 70, 50)
	until(t, "all folders watched", func() bool { return strings.Contains(journal(t), "reconciled") })
	run(t, "cp", filepath.Join(originals, "photos/drum.jpg"), filepath.Join(originals, small))
	t.Cleanup(func() {
		if err := os.RemoveAll(originals); err != nil {
			t.Error(err)
		}
	})
	until(t, "an end of what is stale", func() bool { return !exists(published(uri)) })
	picture(t, uri, "jpeg", 70, 50)
}

// Thumbnails are made ahead of time by the daemon, which the command starts, or
// without it by its user.
func TestWarm(t *testing.T) {
	machine(t, "")
	list := filepath.Join(t.TempDir(), "list")
	put(t, list, small+"\n")
	run(t, "systemctl", "stop", "thumbd.service")
	warm := func(spec, as string) {
		t.Helper()
		told := run(t, "sh", "-c", as+" thumbd warm gallery --from - --spec "+spec+" <"+list)
		if !strings.Contains(told, "gallery: 1 originals, made 1 thumbnails, 0 were there") {
			t.Errorf("%s: %s", spec, told)
		}
		if told := run(t, "stat", "-c", "%A %U", published(signed(small, spec, "jpg"))); strings.TrimSpace(told) != "-rw-r--r-- thumbd" {
			t.Errorf("%s: the thumbnail is %s", spec, told)
		}
	}
	warm("73x50_crop", "")
	run(t, "systemctl", "stop", "thumbd.socket", "thumbd-admin.socket", "thumbd.service")
	warm("74x50_crop", "runuser -u thumbd --")
	run(t, "systemctl", "start", "thumbd.socket", "thumbd-admin.socket")
	picture(t, signed(small, "73x50_crop", "jpg"), "jpeg", 73, 50)
	picture(t, signed(small, "74x50_crop", "jpg"), "jpeg", 74, 50)
	noTempFiles(t)
}

// gc runs in a unit of its own, once the timer is enabled every night.
func TestGCUnit(t *testing.T) {
	machine(t, "")
	stale, kept := signed(small, "71x50_crop", "jpg"), signed(small, "72x50_crop", "jpg")
	picture(t, stale, "jpeg", 71, 50)
	picture(t, kept, "jpeg", 72, 50)
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(published(stale), old, old); err != nil {
		t.Fatal(err)
	}
	run(t, "systemctl", "enable", "--now", "thumbd-gc.timer")
	run(t, "systemctl", "start", "thumbd-gc.service")
	if got := property(t, "thumbd-gc.service", "Result"); got != "success" {
		t.Errorf("gc has ended with %s", got)
	}
	if exists(published(stale)) || !exists(published(kept)) {
		t.Errorf("stale: %v, kept: %v", exists(published(stale)), exists(published(kept)))
	}
	run(t, "systemctl", "disable", "--now", "thumbd-gc.timer")
}
