// SPDX-License-Identifier: MIT

package nodes

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"thumbd/internal/doctor"
	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// expectFindings examines a node until it has the findings of those names and no others:
// a node hears of the others in its own time.
func (f *farm) expectFindings(r *rig.Rig, cure string, names ...string) {
	f.t.Helper()
	var found doctor.Result
	for end := time.Now().Add(aid.Patience); ; {
		found = kit.Examine(f.t, r)
		var have []string
		for _, finding := range found.Findings {
			have = append(have, finding.Name)
		}
		if strings.Join(have, " ") == strings.Join(names, " ") {
			break
		}
		if time.Now().After(end) {
			f.t.Fatalf("findings %q, want %q: %+v", have, names, found.Findings)
		}
	}
	for _, name := range names {
		kit.WantFinding(f.t, found, name, cure)
	}
}

// share makes the folder of the journal as thumbd-nodes(7) says.
func (f *farm) share() {
	f.t.Helper()
	aid.Must(f.t, os.Chmod(f.journal, 0o770|os.ModeSetgid))
}

// The doctor finds nothing wrong with a farm, and tells each mistake with its cure.
func TestDoctorOnNodes(t *testing.T) {
	f := newFarm(t, 2, `lag = "1s"`)
	f.share()
	n1, n2 := f.nodes[0], f.nodes[1]
	f.expectFindings(n1, "")
	f.expectFindings(n2, "")

	n2text := kit.Configuration(t, n2)
	kit.Reload(t, n2, strings.Replace(n2text, "[nodes]", "[site.more]\nprefix = \"/more/\"\nscheme = \"preset\"\noriginals = \""+f.originals+"\"\ndocument_root = \""+t.TempDir()+"\"\n[nodes]", 1))
	f.expectFindings(n1, "keys", "nodes-differ")
	if out, err := kit.Thumbd(t, "status", "--nodes", "--admin", n1.AdminPath()); err != nil || !regexp.MustCompile(`(?m)^n2 .*: current; has a site more$`).MatchString(out) {
		t.Errorf("status --nodes: %v\n%s", err, out)
	}
	kit.Reload(t, n2, strings.Replace(n2text, "keys = [\"gallery.key\"]", "keys = [\"nodes.key\"]", 1))
	f.expectFindings(n1, "keys", "nodes-differ")

	kit.Reload(t, n2, strings.Replace(n2text, `name = "n2"`, `name = "n1"`, 1))
	out, err := kit.Thumbd(t, "status", "--nodes", "--forget", "n2", "--admin", n1.AdminPath())
	if err != nil {
		t.Fatalf("%v, %s", err, out)
	}
	f.expectFindings(n1, `name = "n1b"`, "node-name-taken")
	kit.Reload(t, n2, n2text)

	for _, r := range f.nodes {
		kit.StopDaemon(t, r)
	}
	// A name counts as taken for a while.
	aid.Must(t, n1.StartDaemon(t.Context()))
	// The state of a node that does not report changes after some time: the report is made
	// older.
	f.report("n2", map[string]string{"at": at(-10 * time.Minute), "read": at(-10 * time.Minute)})
	f.expectFindings(n1, "--forget n2", "node-silent")
	f.report("n2", map[string]string{"at": at(0), "read": at(-10 * time.Minute)})
	f.expectFindings(n1, "on node n2:", "node-behind")
	f.report("n2", map[string]string{"at": at(0), "read": at(0), "clock": "-300"})
	f.expectFindings(n1, "timedatectl", "node-clock")
	kit.Put(t, filepath.Join(f.journal, "nodes", "n2"), []byte("{}\nforged\n"))
	f.expectFindings(n1, "the same keys", "node-silent")
}

func at(d time.Duration) string {
	return fmt.Sprintf("%q", time.Now().Add(d).UTC().Format(time.RFC3339))
}

// report writes the report of a node as thumbd does, with some fields changed.
func (f *farm) report(name string, fields map[string]string) {
	f.t.Helper()
	path := filepath.Join(f.journal, "nodes", name)
	data, err := os.ReadFile(path)
	aid.Must(f.t, err)
	line, _, _ := strings.Cut(string(data), "\n")
	for key, value := range fields {
		field := regexp.MustCompile(`"` + key + `":("[^"]*"|[^",}]+)`)
		if !field.MatchString(line) {
			line = strings.Replace(line, "{", `{"`+key+`":0,`, 1)
		}
		line = field.ReplaceAllLiteralString(line, `"`+key+`":`+value)
	}
	mac := hmac.New(sha256.New, []byte(groupKey))
	fmt.Fprintf(mac, "nodes\n%s\n%s", name, line)
	kit.Put(f.t, path, fmt.Appendf(nil, "%s\n%s\n", line, base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:21])))
}

// A journal that is away, or that the daemon may not use, is found as it is.
func TestDoctorOnAJournal(t *testing.T) {
	f := newFarm(t, 1, `lag = "1s"`)
	f.share()
	r := f.nodes[0]
	f.expectFindings(r, "")
	away := f.journal + ".away"
	aid.Must(t, os.Rename(f.journal, away))
	f.expectFindings(r, "install -d -m 2770 -g thumbd-nodes "+f.journal, "journal-unreadable")
	aid.Must(t, os.Rename(away, f.journal))
	f.expectFindings(r, "")
}

// A daemon that has no right to write into the folder of the journal is told what to type.
func TestDoctorOnAJournalOfOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		aid.Skip(t, "only root can start a daemon of another user")
	}
	f := &farm{t: t, originals: kit.Folder(t, map[string]string{"a.jpg": "originals/tests/orientation/1.jpg"}), journal: kit.Folder(t, nil)}
	aid.Must(t, os.Chmod(f.journal, 0o755|os.ModeSetgid))
	r := kit.Start(t, rig.Options{
		Sites: []rig.Site{kit.Gallery(t, f.originals)}, Keys: map[string]string{"nodes.key": groupKey}, Nobody: true,
	})
	kit.Configure(t, r, kit.Configuration(t, r)+f.table(0))
	kit.HangUp(t, r)
	kit.WaitLog(t, r, 1, "the journal can't be read")
	f.expectFindings(r, "find "+f.journal+" -type d -exec chmod 2770", "journal-unwritable")
}

// Two daemons with one tree are found, also if the locks of its file system tell neither
// of the other.
func TestDoctorOnASharedTree(t *testing.T) {
	f := newFarm(t, 2)
	f.share()
	n1, n2 := f.nodes[0], f.nodes[1]
	// As another machine writes it.
	lock := filepath.Join(n1.Root("gallery"), "thumbs/.thumbd/daemon.lock")
	own, err := os.ReadFile(lock)
	aid.Must(t, err, os.WriteFile(lock, []byte("process 7 on elsewhere\n"), 0o600))
	found := kit.Examine(t, n1)
	kit.WantFinding(t, found, "tree-shared", "write another document_root")
	if text := fmt.Sprint(found.Findings); !strings.Contains(text, "process 7 on elsewhere") {
		t.Errorf("no process in %s", text)
	}
	aid.Must(t, os.WriteFile(lock, own, 0o600))
	f.expectFindings(n1, "")

	text := kit.Configuration(t, n2)
	kit.Configure(t, n2, strings.ReplaceAll(text, n2.Root("gallery"), n1.Root("gallery")))
	kit.HangUp(t, n2)
	kit.WaitLog(t, n2, 1, "not loaded", fmt.Sprintf("process %d on ", n1.DaemonPID()))
	kit.WantFinding(t, kit.Examine(t, n2), "tree-shared", "write another document_root")
}

// thumbd check reads the files of other nodes, and tells what to type if it can't.
func TestCheckOnNodes(t *testing.T) {
	f := newFarm(t, 2)
	r := f.nodes[0]
	kit.StopDaemon(t, f.nodes[1])
	n2 := filepath.Join(f.journal, "nodes/n2")
	check := func(well bool, words ...string) {
		t.Helper()
		out, err := kit.Thumbd(t, "check", "-c", kit.ConfigFile(r))
		if (err == nil) != well {
			t.Errorf("%v, %s", err, out)
		}
		for _, word := range words {
			if !strings.Contains(out, word) {
				t.Errorf("no %q in %s", word, out)
			}
		}
		if len(words) == 0 && strings.Contains(out, "journal") {
			t.Errorf("%s", out)
		}
	}
	check(false, "does not give its group", "find "+f.journal+" -type d -exec chmod 2770")
	f.share()
	check(true)
	aid.Must(t, os.Chmod(f.journal, 0o777|os.ModeSetgid))
	check(false, "every user of this machine can write "+f.journal, "chmod 2770")
	f.share()
	if os.Geteuid() != 0 {
		aid.Must(t, os.Chmod(n2, 0))
		check(false, "can't read 1 of", "for example "+n2, "chmod -R u+rwX,g+rX,o= "+f.journal)
		aid.Must(t, os.Chmod(n2, 0o640))
	}
	kit.Put(t, n2, []byte("{}\nforged\n"))
	check(true, "the report of node n2", "give all nodes the same keys")
	aid.Must(t, os.Rename(f.journal, f.journal+".away"))
	check(false, f.journal+" is not there", "install -d -m 2770 -g thumbd-nodes "+f.journal)
}
