// SPDX-License-Identifier: MIT

package packages

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// apt runs apt-get as on a machine that knows nothing but the repository, and
// returns the machine's folder and what apt-get said. The machine is made
// where dir is empty.
func apt(t *testing.T, dir, repo string, args ...string) ([]byte, error) {
	t.Helper()
	for _, d := range []string{"etc", "state/lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put(t, filepath.Join(dir, "status"), nil, 0o644)
	put(t, filepath.Join(dir, "etc/sources.list"),
		[]byte("deb [signed-by="+repo+"/thumbd.gpg] file:"+repo+"/apt stable main\n"), 0o644)
	options := []string{
		"-o", "Dir::Etc=" + dir + "/etc",
		"-o", "Dir::Etc::sourceparts=-",
		"-o", "Dir::State=" + dir + "/state",
		"-o", "Dir::State::status=" + dir + "/status",
		"-o", "Dir::Cache=" + dir + "/cache",
		"-o", "APT::Sandbox::User=",
		"-o", "APT::Update::Error-Mode=any",
	}
	cmd := exec.CommandContext(t.Context(), "apt-get", append(options, args...)...)
	cmd.Dir = dir
	return cmd.CombinedOutput()
}

// repository returns the absolute path of a copy of the repository.
func repository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(folder(t), "repo"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAptTakesTheRepository(t *testing.T) {
	machine, repo := t.TempDir(), repository(t)
	for _, args := range [][]string{{"update"}, {"download", "thumbd"}} {
		if out, err := apt(t, machine, repo, args...); err != nil {
			t.Fatalf("apt-get %v: %v\n%s", args, err, out)
		}
	}
	got, err := os.ReadFile(one(t, machine, ".deb"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(deb(t))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("apt-get downloaded another package than was built")
	}
}

// What was changed after it was signed is refused.
func TestAptRefusesAChangedRepository(t *testing.T) {
	for name, path := range map[string]string{
		"the list of packages": "apt/dists/stable/main/binary-amd64/Packages*",
		"what is signed":       "apt/dists/stable/*Release",
		"the package":          "apt/pool/*.deb",
	} {
		t.Run(name, func(t *testing.T) {
			machine, repo := t.TempDir(), repository(t)
			spoil(t, repo, path)
			out, err := apt(t, machine, repo, "update")
			if err == nil {
				out, err = apt(t, machine, repo, "download", "thumbd")
			}
			if err == nil {
				t.Errorf("apt-get took it:\n%s", out)
			}
		})
	}
}

// spoil changes one byte in the middle of each file that matches pattern.
func spoil(t *testing.T, dir, pattern string) {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) == 0 {
		t.Fatalf("%s: nothing to spoil (%v)", pattern, err)
	}
	for _, path := range found {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 1
		put(t, path, b, 0o644)
	}
}

// dnf checks the list's signature with repo_gpgcheck, the package's with
// gpgcheck.
func TestDnfRepositoryIsSigned(t *testing.T) {
	repo := repository(t)
	list := filepath.Join(repo, "rpm/repodata/repomd.xml")
	output(t, "gpgv", "--quiet", "--keyring", filepath.Join(repo, "thumbd.gpg"), list+".asc", list)

	db := t.TempDir()
	output(t, "rpmkeys", "--dbpath", db, "--import", filepath.Join(repo, "thumbd.asc"))
	pkg := one(t, filepath.Join(repo, "rpm"), ".rpm")
	if out := output(t, "rpmkeys", "--dbpath", db, "--checksig", pkg); !strings.Contains(out, "digests signatures OK") {
		t.Errorf("the package: %s", out)
	}
	primary, err := filepath.Glob(filepath.Join(repo, "rpm/repodata/*primary.xml.gz"))
	if err != nil || len(primary) != 1 {
		t.Fatalf("%d lists of packages (%v)", len(primary), err)
	}
	if list := output(t, "zcat", primary[0]); !strings.Contains(list, `<location href="`+filepath.Base(pkg)+`"/>`) {
		t.Errorf("the list does not have the package:\n%s", list)
	}
}
