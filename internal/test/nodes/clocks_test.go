// SPDX-License-Identifier: MIT

package nodes

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"thumbd/internal/admin"
	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// wrongClock returns the path of the thumbd whose clock THUMBD_CLOCK makes wrong.
func wrongClock(t *testing.T) string {
	t.Helper()
	// The folder of this package.
	path, err := filepath.Abs("../../../build/tools/thumbd-wrong-clock")
	aid.Must(t, err)
	if _, err := os.Stat(path); err != nil {
		t.Fatal("make build/tools/thumbd-wrong-clock: ", err)
	}
	return path
}

// Nodes with wrong clocks purge as others do, in both directions, and catch up after they
// were killed. With 12 minutes they are farther apart than the names of entries may be: a
// node knows from the journal's file system or store how wrong its clock is.
func TestNodesWithWrongClocks(t *testing.T) {
	program := wrongClock(t)
	// The third one is killed.
	for name, clocks := range map[string][3]time.Duration{
		"one is ahead":                 {5 * time.Minute, 0, 0},
		"one is behind":                {0, -5 * time.Minute, 0},
		"one is ahead and killed":      {0, 0, 5 * time.Minute},
		"one is behind and killed":     {0, 0, -5 * time.Minute},
		"one is far ahead, one behind": {12 * time.Minute, 0, -12 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			onJournals(t, func(t *testing.T, kind string) { testWrongClocks(t, kind, program, clocks) })
		})
	}
}

func testWrongClocks(t *testing.T, kind, program string, clocks [3]time.Duration) {
	t.Helper()
	f := newFarmWith(t, kind, len(clocks), func(node int, o *rig.Options) {
		if clocks[node] == 0 {
			return
		}
		built, err := kit.Programs()
		aid.Must(t, err)
		o.Programs = rig.Programs{Thumbd: program, Render: built.Render}
		o.Env = []string{"THUMBD_RENDER=" + built.Render, "THUMBD_CLOCK=" + clocks[node].String()}
	})
	f.purgeUnderLoad(6)
	// Each node knows its own clock, as exactly as a write is quick.
	for i, r := range f.nodes {
		var all []admin.Node
		aid.Must(t, json.Unmarshal(kit.Do(t, r, rig.Request{Target: admin.NodesRoute, Admin: true}).Body, &all))
		for _, n := range all {
			if known := time.Duration(n.Clock) * time.Second; n.Here && (known-clocks[i]).Abs() > time.Minute {
				t.Errorf("a clock that is wrong by %v is known as %v", clocks[i], known)
			}
		}
	}
}
