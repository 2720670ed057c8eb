// SPDX-License-Identifier: MIT

package faults

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// A share that is mounted among the originals later is followed, its thumbnails stay
// while it is away, and it is followed again when it is back.
func TestShareMountedLaterIsFollowed(t *testing.T) {
	t.Parallel()
	needMounts(t)
	originals := folder(t, nil)
	share := filepath.Join(originals, "a share")
	must(t, os.Mkdir(share, 0o755))
	disk := folder(t, nil) // bound there, so that its files outlive the mount
	original := filepath.Join(share, "b.png")
	put(t, filepath.Join(disk, "b.png"), solid(versionColor(1)))
	r := start(t, rig.Options{Sites: []rig.Site{{Name: "p", Prefix: "/p/", Scheme: "preset", Originals: originals, TOML: "watch = true"}}})
	waitLog(t, r, 1, "reconciled")
	away := func() { must(t, unix.Unmount(share, unix.MNT_DETACH)) }
	for n := range 2 {
		must(t, unix.Mount(disk, share, "", unix.MS_BIND, ""))
		mounted := true
		t.Cleanup(func() {
			if mounted {
				away()
			}
		})
		waitLog(t, r, n+1, "a share was mounted", "site=p")
		waitLog(t, r, n+2, "reconciled")
		const uri = "/p/small/a share/b.png"
		becomes(t, r, uri, 2*n+1)
		put(t, original, solid(versionColor(2*n+2)))
		becomes(t, r, uri, 2*n+2)
		away()
		mounted = false
		waitLog(t, r, n+1, "is away", "site=p")
		if resp := get(t, r, rig.Escape(uri)); resp.Status != 200 {
			t.Errorf("while the share is away: %d, want 200", resp.Status)
		}
		put(t, filepath.Join(disk, "b.png"), solid(versionColor(2*n+3)))
	}
}

// If inotify's limit is reached, doctor, status and metrics say so.
func TestLimitOfWatchesIsTold(t *testing.T) {
	t.Parallel()
	needMounts(t)
	p, err := programs()
	must(t, err)
	// The limit of a user namespace of its own: that of the machine is of others too.
	script := filepath.Join(folder(t, nil), "thumbd")
	kit.PutProgram(t, script, []byte("#!/bin/sh\nexec unshare -U --map-root-user sh -c 'echo 0 > /proc/sys/user/max_inotify_instances; exec \"$0\" \"$@\"' "+p.Thumbd+` "$@"`+"\n"))
	p.Thumbd = script
	site := gallery(t, jpgs(t))
	site.TOML = "watch = true"
	r := start(t, rig.Options{Sites: []rig.Site{site}, Programs: p})
	waitLog(t, r, 1, "originals are not followed", "max_user_instances")
	wantFinding(t, examine(t, r), "originals-unwatched", "sysctl -p ")
	if got := do(t, r, rig.Request{Target: "/metrics", Admin: true}).Body; !bytes.Contains(got, []byte(fmt.Sprintf("\nthumbd_originals_unwatched{site=%q} 1\n", "gallery"))) {
		t.Errorf("metrics: %s", got)
	}
}
