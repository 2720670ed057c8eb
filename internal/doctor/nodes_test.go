// SPDX-License-Identifier: MIT

package doctor

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"thumbd/internal/admin"
	"thumbd/internal/s3"
	"thumbd/internal/systemd"
)

// node returns a visit to a machine with [nodes].
func nodesVisit(t *testing.T) *visit {
	t.Helper()
	in := install(t)
	write(t, filepath.Join(in.dir, "keys", "nodes.key"), "thumbd-nodes-key-0123456789abcdef\n")
	in.toml += "\n[nodes]\njournal = \"" + filepath.Join(in.dir, "journal") + "\"\nkeys = [\"nodes.key\"]\nname = \"n1\"\n"
	return in.sound(t)
}

func TestFarm(t *testing.T) {
	now := time.Now()
	for name, tt := range map[string]struct {
		change func(here, other *admin.Node)
		want   []string
		part   string
	}{
		"sound":                  {change: func(_, _ *admin.Node) {}},
		"a clock seconds away":   {change: func(_, other *admin.Node) { other.Clock = -59 }},
		"a clock behind":         {change: func(_, other *admin.Node) { other.Clock = -300 }, want: []string{"node-clock"}, part: "n2: its clock is 5m0s behind that of the journal\non node n2:\ntimedatectl"},
		"this clock ahead":       {change: func(here, _ *admin.Node) { here.Clock = 90 }, want: []string{"node-clock"}, part: "n1: its clock is 1m30s ahead of that of the journal\ntimedatectl"},
		"behind":                 {change: func(_, other *admin.Node) { other.State, other.Waits = "behind", 3 }, want: []string{"node-behind"}, part: "could not apply 3 purges"},
		"this one behind":        {change: func(here, _ *admin.Node) { here.State, here.Read = "behind", time.Time{} }, want: []string{"node-behind"}, part: "n1: it has read the journal at no time last"},
		"silent":                 {change: func(_, other *admin.Node) { other.State = "silent" }, want: []string{"node-silent"}, part: "thumbd status --nodes --forget n2"},
		"a report without a key": {change: func(_, other *admin.Node) { other.State, other.Trouble = "silent", "no key" }, want: []string{"node-silent"}, part: "give all nodes the same keys"},
		"a name of two":          {change: func(here, _ *admin.Node) { here.Taken = true }, want: []string{"node-name-taken"}, part: `name = "n1b"`},
		"another's name of two":  {change: func(_, other *admin.Node) { other.Taken = true }, want: []string{"node-name-taken"}, part: `name = "n2b"`},
		"other settings":         {change: func(_, other *admin.Node) { other.Differs = []string{"thumbd 1.2, not 1.3", "no site b"} }, want: []string{"nodes-differ"}, part: "n2: it has thumbd 1.2, not 1.3, no site b"},
	} {
		t.Run(name, func(t *testing.T) {
			v := nodesVisit(t)
			all := []admin.Node{{Name: "n1", Here: true, State: "current", At: now, Read: now}, {Name: "n2", State: "current", At: now, Read: now}}
			tt.change(&all[0], &all[1])
			v.farm(all)
			v.wants(t, tt.part, tt.want...)
		})
	}
	// One cause has one finding.
	v := nodesVisit(t)
	v.find("journal-unreadable", "n1", "away")
	v.farm([]admin.Node{{Name: "n1", Here: true, State: "behind"}})
	v.wants(t, "", "journal-unreadable")
}

// nginx starts after thumbd, as its drop-in among the examples has it.
func TestOrder(t *testing.T) {
	sound := map[string]string{"LoadState": "loaded", "After": "network.target thumbd.service", "Wants": "thumbd.service"}
	for name, tt := range map[string]struct {
		change map[string]string
		want   []string
	}{
		"sound":            {},
		"required":         {change: map[string]string{"Wants": "", "Requires": "system.slice thumbd.service"}},
		"no nginx.service": {change: map[string]string{"LoadState": "not-found", "After": ""}},
		"no order":         {change: map[string]string{"After": "network.target thumbd.socket"}, want: []string{"nginx-before-thumbd"}},
		"nobody starts it": {change: map[string]string{"Wants": "network-online.target"}, want: []string{"nginx-before-thumbd"}},
	} {
		t.Run(name, func(t *testing.T) {
			v, is := nodesVisit(t), maps.Clone(sound)
			maps.Copy(is, tt.change)
			v.order(is)
			part := ""
			if tt.want != nil {
				part = systemd.NginxDropIn[0]
			}
			v.wants(t, part, tt.want...)
		})
	}
}

// The drop-in that the finding installs is among the examples, and has the order.
func TestOrderOfTheDropIn(t *testing.T) {
	_, rest, _ := strings.Cut(systemd.NginxDropIn[0], "/usr/share/doc/thumbd/")
	name, _, _ := strings.Cut(rest, " ")
	text, err := os.ReadFile(filepath.Join("../../packaging", name))
	if err != nil {
		t.Fatal(err)
	}
	is := map[string]string{"LoadState": "loaded"}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			is[key] = value
		}
	}
	v := nodesVisit(t)
	v.order(is)
	v.wants(t, "")
}

// The daemon's troubles with the journal and with trees have cures.
func TestTroublesOfNodes(t *testing.T) {
	for kind, tt := range map[string]struct{ want, part string }{
		"journal":       {"journal-unreadable", "install -d -m 2770 -g thumbd-nodes "},
		"journal-write": {"journal-unwritable", "SupplementaryGroups=thumbd-nodes"},
		"shared":        {"tree-shared", "write another document_root"},
	} {
		t.Run(kind, func(t *testing.T) {
			v := nodesVisit(t)
			v.managed, v.service = true, soundService()
			v.service["User"] = self(t).Name
			v.host = &admin.Report{Checksum: "x", User: self(t).Name, Troubles: []admin.Trouble{{Kind: kind, Name: "n1", Text: "permission denied"}}}
			v.folders(t.Context())
			v.wants(t, tt.part, tt.want)
		})
	}
	// More rights give a chain without keys none.
	v := nodesVisit(t)
	for chain, want := range map[bool]string{true: "aws-credentials.conf", false: "the rights that thumbd.toml(5) names"} {
		v.config.Nodes.S3 = &s3.Options{Chain: chain}
		if cure := strings.Join(v.cureJournal(admin.Trouble{Text: "refused"}), "\n"); !strings.Contains(cure, want) {
			t.Errorf("chain %v: %s, want %s", chain, cure, want)
		}
	}
	v = nodesVisit(t)
	v.host = &admin.Report{Version: v.Version, Checksum: "x", Shared: true, Refused: "the tree is held by another thumbd (process 7 on n2)"}
	v.heard(nil, nil)
	v.wants(t, "process 7 on n2", "tree-shared")
}

// Without the daemon, and without [nodes], there is little to say.
func TestNodesUntold(t *testing.T) {
	v := nodesVisit(t)
	v.nodes(t.Context())
	if v.wants(t, ""); v.now.Status != Skipped {
		t.Errorf("the check is %s", v.now.Status)
	}
	v = install(t).sound(t)
	v.nodes(t.Context())
	if v.wants(t, ""); v.now.Status != OK {
		t.Errorf("the check is %s", v.now.Status)
	}
}
