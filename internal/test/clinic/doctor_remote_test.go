// SPDX-License-Identifier: MIT

package clinic

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
)

// The daemon tells the doctor of its origins and its spool.
func TestDoctorOnRemoteOriginals(t *testing.T) {
	origin, url := kit.StartOrigin(t, "")
	toml, spool := kit.DaemonWithSpool(t)
	r := kit.Start(t, rig.Options{TOML: toml, Sites: []rig.Site{
		kit.Remote("one", url, `header_time = "1s"`), kit.Remote("two", url, `header_time = "1s"`),
	}})
	well := func(what string) {
		t.Helper()
		for _, f := range kit.Examine(t, r).Findings {
			t.Errorf("%s: %+v", what, f)
		}
		check(t, r, 0, "good")
	}
	ill := func(name, text, cure string) {
		t.Helper()
		found := kit.Examine(t, r)
		kit.WantFinding(t, found, name, cure)
		for _, f := range found.Findings {
			if f.Name != name || !strings.Contains(f.What, text) {
				t.Errorf("%+v, want %s: %s", f, name, text)
			}
		}
		check(t, r, 1, text)
	}
	well("at first")

	aid.Must(t, origin.StopNginx())
	ill("origin-unreachable", "connection refused", "curl -sSI "+url)
	if found := kit.Examine(t, r); len(found.Findings) != 2 {
		t.Errorf("two sites have that origin: %+v", found.Findings)
	}
	mute, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", origin.Addr)
	aid.Must(t, err)
	ill("origin-unreachable", "too slow", "thumbd.toml(5)")
	aid.Must(t, mute.Close())
	kit.StartOrigin(t, origin.Addr)
	well("the origin is back")

	aid.Must(t, os.RemoveAll(spool))
	aid.Must(t, os.WriteFile(spool, nil, 0o600))
	ill("spool-unwritable", spool, "restart thumbd")
	aid.Must(t, os.Remove(spool))
	well("the spool is back")
}

// Whose spool it is to be has to be able to make it.
func TestDoctorOnSpoolOfAnother(t *testing.T) {
	_, url := kit.StartOrigin(t, "")
	toml, spool := kit.DaemonWithSpool(t)
	r := kit.Start(t, rig.Options{TOML: toml, Nobody: true, Sites: []rig.Site{kit.Remote("away", url)}})
	aid.Must(t, os.RemoveAll(spool))
	aid.Must(t, os.Chmod(filepath.Dir(spool), 0o555))
	kit.WantFinding(t, kit.Examine(t, r), "spool-unwritable", "install -d -o ")
	aid.Must(t, os.Chmod(filepath.Dir(spool), 0o777))
	for _, f := range kit.Examine(t, r).Findings {
		t.Errorf("undone: %+v", f)
	}
}

// check runs thumbd check on a rig, which must end with a code and say the words.
func check(t *testing.T, r *rig.Rig, code int, words string) {
	t.Helper()
	built, err := kit.Programs()
	aid.Must(t, err)
	cmd := exec.CommandContext(t.Context(), built.Thumbd, "check", "-c", kit.ConfigFile(r))
	out, err := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code || !strings.Contains(string(out), words) {
		t.Errorf("thumbd check: exit code %d, %v, want %d and %q:\n%s", got, err, code, words, out)
	}
}
