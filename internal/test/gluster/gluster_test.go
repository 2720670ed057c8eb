// SPDX-License-Identifier: MIT

// Package gluster tests two nodes whose originals and journal are on a GlusterFS. The two
// mounts cache attributes, as those of two machines do. THUMBD_MOUNTS names them;
// packaging/scripts/gluster.sh makes them, and make check-nodes runs it.
package gluster

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

func TestMain(m *testing.M) { kit.Main(m) }

// An original is replaced and purged, and asked for at both nodes at once: a node may make
// the old picture again as long as its mount caches attributes. After settle no node has
// it.
func TestOldPictureDoesNotStay(t *testing.T) {
	mounts := strings.Split(os.Getenv("THUMBD_MOUNTS"), ":")
	if len(mounts) != 2 {
		aid.Skip(t, "THUMBD_MOUNTS names no two mounts; make check-nodes does")
	}
	aid.Must(t, os.Mkdir(filepath.Join(mounts[0], "media"), 0o755), os.Mkdir(filepath.Join(mounts[0], "journal"), 0o770))
	var nodes []*rig.Rig
	for i, mount := range mounts {
		nodes = append(nodes, kit.Start(t, rig.Options{
			Sites: []rig.Site{kit.Gallery(t, filepath.Join(mount, "media"))},
			Keys:  map[string]string{"nodes.key": "the key of all nodes 0123456789"},
			TOML: fmt.Sprintf("[daemon]\nidle_exit = \"0\"\n[nodes]\njournal = %q\nkeys = [\"nodes.key\"]\nname = \"n%d\"\npoll = \"200ms\"\nwait = \"1m\"\nsettle = \"5s\"\n",
				filepath.Join(mount, "journal"), i+1),
		}))
	}
	uri := kit.Signed("/thumbs/", "v.png", "20x20_crop", "png")
	path := filepath.Join(mounts[0], "media/v.png")
	again := 0
	rounds := kit.Times(50, 500)
	for version := 1; version <= rounds; version++ {
		kit.Put(t, path+".new", kit.Solid(kit.VersionColor(version)))
		aid.Must(t, os.Rename(path+".new", path))
		if version > 1 {
			out, err := kit.Thumbd(t, "purge", "--admin", nodes[version%2].AdminPath(), "gallery", "v.png")
			if err != nil {
				t.Fatalf("%v, %s", err, out)
			}
			for _, n := range nodes {
				if v, _, err := kit.VersionOf(kit.Get(t, n, uri).Body); err == nil && v != version {
					again++
				}
			}
		}
		for _, n := range nodes {
			kit.Becomes(t, n, uri, version)
		}
	}
	if again == 0 {
		t.Errorf("no node made the old picture again in %d rounds, so settle was not tested", rounds)
	}
	t.Logf("the old picture was made again %d times in %d rounds, and did not stay", again, rounds)
}
