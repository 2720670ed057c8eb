// SPDX-License-Identifier: MIT

package inside

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"thumbd/internal/test/rig"
)

const (
	share = "/srv/nas" // hangs in the test below
	nas   = `
[site.nas]
prefix        = "/nas/"
document_root = "/var/cache/thumbd/nas"
originals     = "` + share + `/media"
scheme        = "preset"

[limits]
original_time = "1s"
`
)

// A share that hangs below one site harms nothing else: not other sites, hits, health,
// reload, restart and stop of the unit as it is installed.
func TestShareThatHangs(t *testing.T) {
	machine(t, nas)
	run(t, "sh", "-e", "-c", "mkdir -p "+share+"/media; for n in a b c; do cp "+originals+"/"+small+" "+share+"/media/$n.jpg; done")
	t.Cleanup(func() {
		if err := os.RemoveAll(share); err != nil {
			t.Error(err)
		}
	})
	serveWith(t, location+strings.NewReplacer("/thumbs/", "/nas/", "/gallery", "/nas").Replace(location))
	picture(t, "/nas/small/a.jpg", "jpeg", 50, 33)

	h, err := rig.HangShare(share)
	if err != nil {
		t.Fatal(err)
	}
	release := func() {
		if err := h.Release(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(release)
	othersUnharmed(t, 41)
	until(t, "a line in the journal", func() bool {
		return strings.Contains(journal(t), "does not answer within original_time")
	})
	checkFinding(t, doctor(t), "originals-slow", share)
	pid := daemon(t)
	run(t, "systemctl", "reload", "thumbd.service")
	if now := daemon(t); now != pid {
		t.Errorf("the daemon is process %d after a reload, and was %d", now, pid)
	}
	othersUnharmed(t, 42)
	run(t, "systemctl", "restart", "thumbd.service")
	othersUnharmed(t, 43)
	run(t, "systemctl", "stop", "thumbd.service")
	if got := property(t, "thumbd.service", "Result"); got != "success" {
		t.Errorf("thumbd has ended with %s", got)
	}
	othersUnharmed(t, 44)

	release()
	until(t, "a thumbnail of the share", func() bool { return get(t, "/nas/small/b.jpg").status == http.StatusOK })
	// Its last start could not look whether folders overlap.
	checkFinding(t, doctor(t), "configuration-warning", "systemctl try-reload-or-restart thumbd.service")
	run(t, "systemctl", "try-reload-or-restart", "thumbd.service")
	wellAgain(t)
}

// othersUnharmed asks for a thumbnail of the share that hangs, and then for all that must
// not hang. The width is for a thumbnail that is not there yet.
func othersUnharmed(t testing.TB, width int) {
	t.Helper()
	slow := []string{"original-slow", "original-busy"}
	if a := get(t, "/nas/small/c.jpg"); !slices.Contains(slow, a.reason) {
		t.Errorf("a thumbnail of the share that hangs: status %d, reason %q", a.status, a.reason)
	}
	picture(t, "/nas/small/a.jpg", "jpeg", 50, 33)
	for range 2 {
		picture(t, signed(small, fmt.Sprintf("%dx30_crop", width), "jpg"), "jpeg", width, 30)
	}
	run(t, "thumbd", "health")
}
