// SPDX-License-Identifier: MIT

package boot_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/boot"
)

var (
	selected = flag.String("inside", "", "run the tests inside that match this")
)

// limit is far above what all tests inside take, also on a busy machine.
const limit = 25 * time.Minute

// The packages in the repository that THUMBD_REPO names install and work as
// they should, on each distribution: the tests of package inside, in a machine
// of their own.
func TestInstalledPackage(t *testing.T) {
	repo := os.Getenv("THUMBD_REPO")
	if repo == "" {
		aid.Skip(t, "THUMBD_REPO names no repository: make e2e-systemd makes one")
	}
	if err := boot.Possible(t.Context()); err != nil {
		aid.Skip(t, err.Error())
	}
	program := filepath.Join(t.TempDir(), "inside")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", program, "./inside")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go test -c: %v\n%s", err, out)
	}
	tree, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range boot.Distributions {
		t.Run(d.Suite, func(t *testing.T) {
			t.Parallel()
			image, err := boot.Image(t.Context(), d)
			if err != nil {
				t.Fatal(err)
			}
			err = boot.Run(t.Context(), boot.Machine{
				Image:   image,
				Program: program,
				Args:    []string{"-test.v", "-test.run=" + *selected},
				Folders: map[string]string{"dist/repo": repo, "tree": tree, "host": "/usr/bin"},
				Limit:   limit,
			}, t.Output())
			if err != nil {
				t.Error(err)
			}
		})
	}
}
