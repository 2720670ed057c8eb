// SPDX-License-Identifier: MIT

package clinic

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"thumbd/internal/test/rig"
)

// The daemon tells the doctor of its origins and its spool.
func TestDoctorOnRemoteOriginals(t *testing.T) {
	origin, url := startOrigin(t, "")
	toml, spool := daemonWithSpool(t)
	r := start(t, rig.Options{TOML: toml, Sites: []rig.Site{
		remote("one", url, `header_time = "1s"`), remote("two", url, `header_time = "1s"`),
	}})
	well := func(what string) {
		t.Helper()
		for _, f := range examine(t, r).Findings {
			t.Errorf("%s: %+v", what, f)
		}
		check(t, r, 0, "good")
	}
	ill := func(name, text, cure string) {
		t.Helper()
		found := examine(t, r)
		wantFinding(t, found, name, cure)
		for _, f := range found.Findings {
			if f.Name != name || !strings.Contains(f.What, text) {
				t.Errorf("%+v, want %s: %s", f, name, text)
			}
		}
		check(t, r, 1, text)
	}
	well("at first")

	must(t, origin.StopNginx())
	ill("origin-unreachable", "connection refused", "curl -sSI "+url)
	if found := examine(t, r); len(found.Findings) != 2 {
		t.Errorf("two sites have that origin: %+v", found.Findings)
	}
	mute, err := new(net.ListenConfig).Listen(t.Context(), "tcp4", origin.Addr)
	must(t, err)
	ill("origin-unreachable", "too slow", "thumbd.toml(5)")
	must(t, mute.Close())
	startOrigin(t, origin.Addr)
	well("the origin is back")

	must(t, os.RemoveAll(spool))
	must(t, os.WriteFile(spool, nil, 0o600))
	ill("spool-unwritable", spool, "restart thumbd")
	must(t, os.Remove(spool))
	well("the spool is back")
}

// Whose spool it is to be has to be able to make it.
func TestDoctorOnSpoolOfAnother(t *testing.T) {
	_, url := startOrigin(t, "")
	toml, spool := daemonWithSpool(t)
	r := start(t, rig.Options{TOML: toml, Nobody: true, Sites: []rig.Site{remote("away", url)}})
	must(t, os.RemoveAll(spool))
	must(t, os.Chmod(filepath.Dir(spool), 0o555))
	wantFinding(t, examine(t, r), "spool-unwritable", "install -d -o ")
	must(t, os.Chmod(filepath.Dir(spool), 0o777))
	for _, f := range examine(t, r).Findings {
		t.Errorf("undone: %+v", f)
	}
}

// check runs thumbd check on a rig, which must end with a code and say the words.
func check(t *testing.T, r *rig.Rig, code int, words string) {
	t.Helper()
	built, err := programs()
	must(t, err)
	cmd := exec.CommandContext(t.Context(), built.Thumbd, "check", "-c", configFile(r))
	out, err := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code || !strings.Contains(string(out), words) {
		t.Errorf("thumbd check: exit code %d, %v, want %d and %q:\n%s", got, err, code, words, out)
	}
}
