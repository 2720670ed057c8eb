// SPDX-License-Identifier: MIT

package nodes

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
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

// Nodes with wrong clocks purge as other nodes do, whether a clock is ahead or behind, and
// catch up after they were killed. A node learns from the journal's file system or store
// how wrong its clock is. So clocks may differ by 24 minutes, although the times in the
// names of entries may be wrong by 10 minutes at most.
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
	f.purgeUnderLoad(6, outages["killed"])
	// Each node knows how wrong its clock is, to within the time of a write.
	for i, r := range f.nodes {
		var all []admin.Node
		aid.Must(t, json.Unmarshal(kit.Do(t, r, rig.Request{Target: admin.NodesRoute, Admin: true}).Body, &all))
		here := slices.IndexFunc(all, func(n admin.Node) bool { return n.Here })
		if here < 0 {
			t.Fatalf("node %d is not in its own list: %+v", i, all)
		}
		if known := time.Duration(all[here].Clock) * time.Second; (known - clocks[i]).Abs() > time.Minute {
			t.Errorf("a clock that is wrong by %v is known as %v", clocks[i], known)
		}
	}
}
