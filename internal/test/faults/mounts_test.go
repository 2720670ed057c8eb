// SPDX-License-Identifier: MIT

package faults

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// A share that is mounted among the originals later is followed, its thumbnails stay
// while it is away, and it is followed again when it is back.
func TestShareMountedLaterIsFollowed(t *testing.T) {
	t.Parallel()
	kit.NeedMounts(t)
	originals := kit.Folder(t, nil)
	share := filepath.Join(originals, "a share")
	aid.Must(t, os.Mkdir(share, 0o755))
	disk := kit.Folder(t, nil) // bound there, so that its files outlive the mount
	original := filepath.Join(share, "b.png")
	kit.Put(t, filepath.Join(disk, "b.png"), kit.Solid(kit.VersionColor(1)))
	r := kit.Start(t, rig.Options{Sites: []rig.Site{{Name: "p", Prefix: "/p/", Scheme: "preset", Originals: originals, TOML: "watch = true"}}})
	kit.WaitLog(t, r, 1, "reconciled")
	away := func() { aid.Must(t, unix.Unmount(share, unix.MNT_DETACH)) }
	for n := range 2 {
		aid.Must(t, unix.Mount(disk, share, "", unix.MS_BIND, ""))
		mounted := true
		t.Cleanup(func() {
			if mounted {
				away()
			}
		})
		kit.WaitLog(t, r, n+1, "a share was mounted", "site=p")
		kit.WaitLog(t, r, n+2, "reconciled")
		const uri = "/p/small/a share/b.png"
		kit.Becomes(t, r, uri, 2*n+1)
		kit.Put(t, original, kit.Solid(kit.VersionColor(2*n+2)))
		kit.Becomes(t, r, uri, 2*n+2)
		away()
		mounted = false
		kit.WaitLog(t, r, n+1, "is away", "site=p")
		if resp := kit.Get(t, r, rig.Escape(uri)); resp.Status != 200 {
			t.Errorf("while the share is away: %d, want 200", resp.Status)
		}
		kit.Put(t, filepath.Join(disk, "b.png"), kit.Solid(kit.VersionColor(2*n+3)))
	}
}

// If inotify's limit is reached, doctor, status and metrics say so.
func TestLimitOfWatchesIsTold(t *testing.T) {
	t.Parallel()
	kit.NeedMounts(t)
	p, err := kit.Programs()
	aid.Must(t, err)
	// The limit of a user namespace of its own: that of the machine is of others too.
	script := filepath.Join(kit.Folder(t, nil), "thumbd")
	kit.PutProgram(t, script, []byte("#!/bin/sh\nexec unshare -U --map-root-user sh -c 'echo 0 > /proc/sys/user/max_inotify_instances; exec \"$0\" \"$@\"' "+p.Thumbd+` "$@"`+"\n"))
	p.Thumbd = script
	site := kit.Gallery(t, kit.JPGs(t))
	site.TOML = "watch = true"
	r := kit.Start(t, rig.Options{Sites: []rig.Site{site}, Programs: p})
	kit.WaitLog(t, r, 1, "originals are not followed", "max_user_instances")
	kit.WantFinding(t, kit.Examine(t, r), "originals-unwatched", "sysctl -p ")
	if got := kit.Do(t, r, rig.Request{Target: "/metrics", Admin: true}).Body; !bytes.Contains(got, []byte(fmt.Sprintf("\nthumbd_originals_unwatched{site=%q} 1\n", "gallery"))) {
		t.Errorf("metrics: %s", got)
	}
}
