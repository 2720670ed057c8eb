// SPDX-License-Identifier: MIT

package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"thumbd/internal/admin"
	"thumbd/internal/admin/client"
	"thumbd/internal/rights"
	"thumbd/internal/shell"
	"thumbd/internal/systemd"
)

// nodes checks this machine as one of several, and the other machines by their reports in
// the journal.
func (v *visit) nodes(ctx context.Context) string {
	if v.config == nil {
		return v.skip("no configuration to look at")
	}
	if v.config.Nodes == nil {
		return "no [nodes]: this machine is the only one"
	}
	if v.managed {
		states, err := systemd.Properties(ctx, nginxUnit, "LoadState", "After", "Wants", "Requires", "BindsTo")
		if err == nil {
			v.order(states)
		}
	}
	if v.host == nil || v.host.Checksum == "" {
		return v.skip("no daemon at work to ask")
	}
	all, err := client.Dial(v.Admin).Nodes(ctx)
	refused, ok := errors.AsType[*client.Refused](err)
	switch {
	case ok && refused.Code == http.StatusNotFound:
		return v.skip("the daemon has not loaded [nodes] yet")
	case err != nil:
		if !v.has("journal-unreadable") {
			v.find("journal-unreadable", v.config.Nodes.Name, err.Error(), v.cureJournal(admin.Trouble{})...)
		}
		return "the daemon does not know the other nodes"
	}
	v.farm(all)
	return fmt.Sprintf("node %s, one of %d with the journal %s", v.config.Nodes.Name, len(all), v.config.Nodes.Journal)
}

const nginxUnit = "nginx.service"

// order finds an nginx that starts before thumbd. is has the properties of its unit.
func (v *visit) order(is map[string]string) {
	if is["LoadState"] != "loaded" {
		// Another unit starts it.
		return
	}
	pulls := strings.Fields(is["Wants"] + " " + is["Requires"] + " " + is["BindsTo"])
	if slices.Contains(strings.Fields(is["After"]), systemd.Service) && slices.Contains(pulls, systemd.Service) {
		return
	}
	v.find("nginx-before-thumbd", nginxUnit,
		"it does not start after "+systemd.Service+": when this machine comes back, nginx serves thumbnails that were purged meanwhile",
		systemd.NginxDropIn...)
}

// maxClock is how far a node's clock may be from the journal's.
const maxClock = time.Minute

// farm judges the nodes; one of them is this machine.
func (v *visit) farm(all []admin.Node) {
	for _, n := range all {
		if n.Taken {
			v.find("node-name-taken", n.Name, "another process reports under its name, so no purge is known to be done there",
				fmt.Sprintf("in thumbd.toml of one of the machines write into [nodes]: name = %q", n.Name+"b"), v.reload())
		}
		v.health(n)
		if clock := time.Duration(n.Clock) * time.Second; clock.Abs() > maxClock {
			way := "ahead of"
			if clock < 0 {
				way = "behind"
			}
			v.find("node-clock", n.Name, fmt.Sprintf("its clock is %v %s that of the journal", clock.Abs(), way), on(n, "timedatectl set-ntp true")...)
		}
		if len(n.Differs) > 0 {
			v.find("nodes-differ", n.Name, "it has "+strings.Join(n.Differs, ", "),
				"give all nodes the same packages, "+v.File+" and keys; only name of [nodes] differs", v.reload())
		}
	}
}

// health finds a node that is behind or silent.
func (v *visit) health(n admin.Node) {
	switch {
	case n.Trouble != "":
		v.find("node-silent", n.Name, "its report says nothing: "+n.Trouble,
			append(v.cureJournal(admin.Trouble{}), "give all nodes the same keys of [nodes]", "or, if it is gone for good: thumbd status --nodes --forget "+n.Name)...)
	case n.Here && v.has("journal-unreadable"):
	case n.State == "silent":
		v.find("node-silent", n.Name, "it has reported at "+text(n.At)+" last: each purge waits for it",
			append(on(n, "systemctl start "+systemd.Service, "thumbd doctor"), "or, if it is gone for good: thumbd status --nodes --forget "+n.Name)...)
	case n.State == "behind":
		v.find("node-behind", n.Name, fmt.Sprintf("it has read the journal at %s last, and could not apply %d purges: it may serve thumbnails that were purged since", text(n.Read), n.Waits),
			on(n, journal, "thumbd doctor")...)
	}
}

// on returns commands for a node.
func on(n admin.Node, commands ...string) []string {
	if n.Here {
		return commands
	}
	return append([]string{"on node " + n.Name + ":"}, commands...)
}

func text(at time.Time) string {
	if at.IsZero() {
		return "no time"
	}
	return at.UTC().Format(time.RFC3339)
}

// cureShared returns the commands for a tree into which two daemons publish.
func (v *visit) cureShared(admin.Trouble) []string {
	return []string{
		"stop the daemon that it names, or give each one trees of its own: write another document_root into " + v.File + " and nginx's configuration",
		v.restart(), reloadNginx,
	}
}

// cureJournal returns the commands that let the daemon use the journal.
func (v *visit) cureJournal(t admin.Trouble) []string {
	if !v.config.Nodes.Local() {
		if strings.Contains(t.Text, "clock") {
			return []string{"timedatectl set-ntp true", "thumbd doctor"}
		}
		if v.config.Nodes.Chain() {
			return v.cureKeys(t)
		}
		return []string{"give the key of [nodes.s3] the rights that thumbd.toml(5) names there", v.reload(), "thumbd doctor"}
	}
	u, err := v.user()
	if err != nil {
		return []string{"thumbd check", v.restart()}
	}
	folder := v.config.Nodes.Journal
	is, err := rights.Journal(folder, u)
	if err != nil {
		return []string{shell.Line("findmnt", "-T", folder), "bring the file system of the journal back", "thumbd doctor"}
	}
	cure := is.Cure
	if v.managed && is.Group != "" {
		cure = append(cure, rights.JournalDropIn(v.service, folder, is.Group)...)
	}
	return append(cure, v.restart())
}
