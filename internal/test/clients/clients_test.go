// SPDX-License-Identifier: MIT

// Package clients tests the packages for applications: each with its language, all
// against thumbd, and a Django site that uses its own.
package clients

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"testing"

	"thumbd/internal/test/kit"
)

func TestMain(m *testing.M) { kit.Main(m) }

// folder returns the folder of the packages.
func folder(t *testing.T) string {
	t.Helper()
	return filepath.Join(filepath.Dir(kit.Testdata(t, ".")), "packaging/clients")
}

// TestClients runs the tests of the packages for applications, which print for the
// vectors what thumbd prints. Go's own runs in make test.
func TestClients(t *testing.T) {
	for _, tt := range [][]string{
		{"npm", "node", "--test", "test.js"}, {"php", "php", "tests/thumbd.php"}, {"ruby", "ruby", "test/test_thumbd.rb"},
		// Debian's, which has its Django and Jinja.
		{"python", "/usr/bin/python3", "tests/test_thumbd.py"}, {"python", "/usr/bin/python3", "tests/test_signals.py"},
	} {
		t.Run(tt[0], func(t *testing.T) {
			if _, err := exec.LookPath(tt[1]); err != nil {
				t.Fatalf("%v: make test installs it", err)
			}
			cmd := exec.CommandContext(t.Context(), tt[1], tt[2:]...)
			cmd.Dir = filepath.Join(folder(t), tt[0])
			out, err := cmd.CombinedOutput()
			if err != nil || len(bytes.TrimSpace(out)) == 0 {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
