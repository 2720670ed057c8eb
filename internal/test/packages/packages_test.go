// SPDX-License-Identifier: MIT

// Package packages tests the deb and the rpm as they are built, their
// repository, and what their scripts do. THUMBD_PACKAGES names the folder that
// has one of each, and repo/; make check-packages fills it.
//
// It is larger than other packages because the deb, the rpm and the repository hold the
// same files and scripts: a test compares them with each other.
package packages

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"thumbd/internal/test/aid"
)

// module is the module's folder, where the scripts of packaging run.
const module = "../../.."

// folder returns the absolute path of the packages' folder.
func folder(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("THUMBD_PACKAGES")
	if dir == "" {
		aid.Skip(t, "THUMBD_PACKAGES names no folder with packages; make check-packages does")
	}
	return dir
}

// one returns the only file in dir that ends in suffix.
func one(t *testing.T, dir, suffix string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %d files end in %s, want one (%v)", dir, len(found), suffix, err)
	}
	return found[0]
}

func deb(t *testing.T) string { t.Helper(); return one(t, folder(t), ".deb") }
func rpm(t *testing.T) string { t.Helper(); return one(t, folder(t), ".rpm") }

// output runs a command in the module's folder and returns what it prints.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = module
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, stderr.Bytes())
	}
	return string(out)
}

// query asks rpm about a package, with a database of the test's own.
func query(t *testing.T, pkg, format string) string {
	t.Helper()
	return output(t, "rpm", "--dbpath", t.TempDir(), "-qp", "--nosignature", "--qf", format, pkg)
}

// file is one of a package's.
type file struct {
	header *tar.Header
	body   []byte
}

// debFiles returns a deb's files by their absolute path.
func debFiles(t *testing.T, pkg string) map[string]file {
	t.Helper()
	files := map[string]file{}
	archive := tar.NewReader(strings.NewReader(output(t, "dpkg-deb", "--fsys-tarfile", pkg)))
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Join("/", header.Name)] = file{header, body}
	}
}

// unpack writes the deb's file at path into a folder of the test's own.
func unpack(t *testing.T, path string) string {
	t.Helper()
	f, ok := debFiles(t, deb(t))[path]
	if !ok {
		t.Fatalf("the deb has no %s", path)
	}
	to := filepath.Join(t.TempDir(), filepath.Base(path))
	if err := os.WriteFile(to, f.body, 0o700); err != nil {
		t.Fatal(err)
	}
	return to
}

// pack packs what is built as a version of its own, into a folder of the
// test's own, and returns the package.
func pack(t *testing.T, kind, version string) string {
	t.Helper()
	dir := t.TempDir()
	arch := strings.TrimSpace(output(t, "go", "env", "GOARCH"))
	// As for someone who keeps files to himself, and lives far away.
	output(t, "env", "TZ=Asia/Tokyo", "sh", "-c", `umask 077; exec sh packaging/scripts/package.sh "$@"`,
		"-", kind, arch, version, "build", dir)
	return one(t, dir, "."+kind)
}

// The same commit gives the same bytes.
func TestPackagesAreReproducible(t *testing.T) {
	packed := map[string]string{"deb": deb(t), "rpm": rpm(t)}
	built, err := os.ReadFile(filepath.Join(module, "build/version"))
	if err != nil {
		t.Fatal(err)
	}
	version := strings.TrimSpace(string(built))
	for kind, first := range packed {
		a, err := os.ReadFile(first)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(pack(t, kind, version))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%s: packed again it has other bytes", kind)
		}
	}
}

func TestLintian(t *testing.T) {
	if found := output(t, "lintian", "--fail-on", "none", deb(t)); found != "" {
		t.Error(found)
	}
}

// rpmlint unpacks with cpio. As root that would write absolute names into this
// very machine.
func TestRpmlint(t *testing.T) {
	dir := t.TempDir()
	wrapper := fmt.Sprintf("#!/bin/sh\nPATH=%s\nexec cpio --no-absolute-filenames \"$@\"\n", os.Getenv("PATH"))
	if err := os.WriteFile(filepath.Join(dir, "cpio"), []byte(wrapper), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	found := output(t, "rpmlint", "-c", "packaging/rpm/rpmlint.toml", rpm(t))
	if !strings.Contains(found, "0 errors, 0 warnings") {
		t.Error(found)
	}
}
