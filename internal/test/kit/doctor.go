// SPDX-License-Identifier: MIT

package kit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"thumbd/internal/doctor"
	"thumbd/internal/test/rig"
)

// NginxOf returns the command line of a rig's nginx.
func NginxOf(r *rig.Rig) string {
	program := "nginx"
	if path, err := exec.LookPath("/usr/sbin/nginx"); err == nil {
		program = path
	}
	return fmt.Sprintf("%s -p %s -c %[2]s/nginx.conf -e %[2]s/error.log", program, r.Dir)
}

// Examine runs thumbd doctor on a rig. Later flags win.
func Examine(t testing.TB, r *rig.Rig, flags ...string) doctor.Result {
	t.Helper()
	p, err := Programs()
	if err != nil {
		t.Fatal(err)
	}
	flags = append([]string{"doctor", "--json", "-c", ConfigFile(r), "--nginx", NginxOf(r), "--admin", r.AdminPath()}, flags...)
	cmd := exec.CommandContext(t.Context(), p.Thumbd, flags...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	// If something is wrong, it exits 1; the output has the findings.
	out, _ := cmd.Output()
	var found doctor.Result
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatalf("%v: %s%s", err, out, &stderr)
	}
	want := 0
	switch {
	case found.Has("configuration"):
		want = 2
	case !found.Well:
		want = 1
	}
	if code := cmd.ProcessState.ExitCode(); code != want {
		t.Errorf("exit code %d, want %d: %s", code, want, &stderr)
	}
	if os.Geteuid() != 0 {
		found.Findings = slices.DeleteFunc(found.Findings, func(f doctor.Finding) bool { return f.Name == "no-root" })
	}
	return found
}

// WantFinding checks that r has a finding of this name, and that its cure has the text.
func WantFinding(t testing.TB, r doctor.Result, name, cure string) {
	t.Helper()
	i := slices.IndexFunc(r.Findings, func(f doctor.Finding) bool {
		return f.Name == name && strings.Contains(strings.Join(f.Cure, "\n"), cure)
	})
	if i < 0 {
		t.Errorf("no %s with the cure %q in %+v", name, cure, r.Findings)
	}
}

// InTrees returns all paths below the document roots.
func InTrees(t *testing.T, r *rig.Rig) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(filepath.Join(r.Dir, "root"), func(path string, _ os.DirEntry, err error) error {
		all = append(all, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
