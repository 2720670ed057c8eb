// SPDX-License-Identifier: MIT

package rights

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"thumbd/internal/asuser"
)

// journalFolder makes the folder of a journal with files of two nodes, and gives it to the
// user of the test and a group of a node.
func journalFolder(t *testing.T) (string, asuser.User) {
	t.Helper()
	dir, u := library(t)
	folder := filepath.Join(dir, "journal")
	for _, name := range []string{"journal/20261129T011530.123456Z-n1-k3x7q2m4tz", "nodes/n1", "nodes/n2", "nodes/.new-x"} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if os.Geteuid() == 0 {
		if out, err := exec.Command("chown", "-R", u.Name+":daemon", folder).CombinedOutput(); err != nil {
			t.Fatalf("%v, %s", err, out)
		}
	}
	if err := exec.Command("find", folder, "-type", "d", "-exec", "chmod", "2770", "{}", "+").Run(); err != nil {
		t.Fatal(err)
	}
	return folder, u
}

func TestJournal(t *testing.T) {
	for name, tt := range map[string]struct {
		closed string // in the folder; it gets mode
		mode   os.FileMode
		what   string // with DIR and USER
		cure   string
	}{
		"sound":              {},
		"a file of a node":   {"nodes/n2", 0, "user USER can't read 1 of 3 files in DIR, for example DIR/nodes/n2", "chmod -R u+rwX,g+rX,o= DIR"},
		"a temp file":        {"nodes/.new-x", 0, "", ""},
		"a folder":           {"nodes", 0o500, "user USER can't write 1 of 2 folders in DIR, for example DIR/nodes", "find DIR -type d -exec chmod 2770 {} +"},
		"the folder":         {".", 0o500 | os.ModeSetgid, "user USER can't read DIR", "chgrp -R "},
		"every user":         {".", 0o777 | os.ModeSetgid, "every user of this machine can write DIR, and delete purges of other nodes", "find DIR -type d -exec chmod 2770 {} +"},
		"a group of its own": {".", 0o770, "DIR does not give its group to new files, so other nodes may not read those of this one", "find DIR -type d -exec chmod 2770 {} +"},
	} {
		t.Run(name, func(t *testing.T) {
			folder, u := journalFolder(t)
			as := strings.NewReplacer("DIR", folder, "USER", u.Name)
			if tt.closed != "" {
				if err := os.Chmod(filepath.Join(folder, tt.closed), tt.mode); err != nil {
					t.Fatal(err)
				}
			}
			n, err := Journal(folder, u)
			if err != nil || n.What != as.Replace(tt.what) {
				t.Errorf("%q, %v; want %q", n.What, err, as.Replace(tt.what))
			}
			cure := strings.Join(n.Cure, "\n")
			// The folder's name has a random number.
			commands := strings.ReplaceAll(cure, folder, "")
			if !strings.Contains(cure, as.Replace(tt.cure)) || (tt.what == "") != (cure == "") || strings.Contains(commands, "777") {
				t.Errorf("the cure is %q, want %q in it", cure, as.Replace(tt.cure))
			}
			// What is to be typed mends it.
			if os.Geteuid() != 0 || cure == "" {
				return
			}
			for _, line := range n.Cure {
				if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
					t.Fatalf("%s: %v\n%s", line, err, out)
				}
			}
			if n, err := Journal(folder, u); err != nil || n.What != "" {
				t.Errorf("after the cure: %q, %v", n.What, err)
			}
		})
	}
	folder := filepath.Join(t.TempDir(), "none")
	_, u := library(t)
	n, err := Journal(folder, u)
	if err != nil || n.What != folder+" is not there" || n.Group != nodesGroup || !strings.Contains(strings.Join(n.Cure, "\n"), "install -d -m 2770 -g thumbd-nodes "+folder) {
		t.Errorf("%+v, %v", n, err)
	}
}

func TestJournalDropIn(t *testing.T) {
	const folder = "/srv/shared/thumbd"
	for name, tt := range map[string]struct {
		is   map[string]string
		want string
	}{
		"as installed": {map[string]string{"Group": "thumbd"}, "systemctl edit thumbd.service\n[Service]\nReadWritePaths=/srv/shared/thumbd\nSupplementaryGroups=thumbd-nodes"},
		"no group":     {map[string]string{"ReadWritePaths": "/var/x -/srv/shared"}, "systemctl edit thumbd.service\n[Service]\nSupplementaryGroups=thumbd-nodes"},
		"no folder":    {map[string]string{"SupplementaryGroups": "a thumbd-nodes"}, "systemctl edit thumbd.service\n[Service]\nReadWritePaths=/srv/shared/thumbd"},
		"both":         {map[string]string{"Group": "thumbd-nodes", "BindPaths": "/srv/shared/thumbd:/srv/shared/thumbd:rbind"}, ""},
	} {
		if got := strings.Join(JournalDropIn(tt.is, folder, nodesGroup), "|"); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
