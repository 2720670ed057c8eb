// SPDX-License-Identifier: MIT

package engine

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ownC are the files of C that no library takes part in. whole.c and encode.c call libjpeg.
func ownC(t *testing.T) []string {
	t.Helper()
	files := []string{"png/unfilter.c", "png/unfilter_sse41.c"}
	for _, folder := range []string{"plane", "jpeg"} {
		all, err := filepath.Glob(folder + "/*.c")
		if err != nil || len(all) < 5 {
			t.Fatalf("%s: %q, %v", folder, all, err)
		}
		for _, name := range all {
			if base := filepath.Base(name); base != "whole.c" && base != "encode.c" {
				files = append(files, name)
			}
		}
	}
	return files
}

// TestArm64MakesTheSameBytes compiles the project's own C for arm64, and compares the
// results with those of this processor, over random pictures and the test data's
// photographs. make check-arm64 installs the compiler and the emulator.
func TestArm64MakesTheSameBytes(t *testing.T) {
	const cross, emulator = "aarch64-linux-gnu-gcc", "qemu-aarch64-static"
	for _, name := range []string{cross, emulator} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("no %s: see make check-arm64", name)
		}
	}
	photographs, err := filepath.Glob("../../testdata/originals/photos/*.jpg")
	if err != nil || len(photographs) < 3 {
		t.Fatalf("photographs: %q, %v", photographs, err)
	}
	digests := func(compiler string, run ...string) []string {
		t.Helper()
		program := filepath.Join(t.TempDir(), "machines")
		args := append([]string{"-std=c11", "-D_DEFAULT_SOURCE", "-O3", "-static", "-o", program, "machines.c"}, ownC(t)...)
		if out, err := exec.Command(compiler, append(args, "-lm")...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", compiler, err, out)
		}
		run = append(append(run, program), photographs...)
		out, err := exec.Command(run[0], run[1:]...).Output()
		if err != nil {
			t.Fatalf("%s: %v", run[0], err)
		}
		return strings.Split(string(out), "\n")
	}
	want := digests("cc")
	if len(want) < 2000 {
		t.Fatalf("only %d digests", len(want))
	}
	if diff := cmp.Diff(want, digests(cross, emulator)); diff != "" {
		t.Errorf("(-this processor +arm64):\n%s", diff)
	}
}
