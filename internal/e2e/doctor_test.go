// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"thumbd/internal/doctor"
	"thumbd/internal/rig"
)

// examine runs thumbd doctor on a rig.
func examine(t testing.TB, r *rig.Rig, flags ...string) doctor.Result {
	t.Helper()
	nginx := "nginx -p " + r.Dir + " -c " + filepath.Join(r.Dir, "nginx.conf") + " -e " + filepath.Join(r.Dir, "error.log")
	if path, err := exec.LookPath("/usr/sbin/nginx"); err == nil {
		nginx = path + nginx[len("nginx"):]
	}
	p, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), p.Thumbd, append([]string{"doctor", "--json", "-c", configFile(r), "--nginx", nginx}, flags...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	// It exits 1 where something is wrong; that is in what it prints.
	out, _ := cmd.Output()
	var found doctor.Result
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatalf("%v: %s%s", err, out, &stderr)
	}
	if code := cmd.ProcessState.ExitCode(); (code == 0) != found.Well {
		t.Errorf("exit code %d, and well is %v: %s", code, found.Well, &stderr)
	}
	return found
}

func TestDoctorOnAHealthyInstallation(t *testing.T) {
	r := start(t, rig.Options{Sites: []rig.Site{gallery(t, jpgs(t))}})
	for _, f := range examine(t, r).Findings {
		t.Errorf("%+v", f)
	}
	t.Logf("%+v", examine(t, r))
}
