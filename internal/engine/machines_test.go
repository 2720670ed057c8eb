// SPDX-License-Identifier: MIT

package engine

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/h2non/bimg"
	"golang.org/x/sys/cpu"

	"thumbd/internal/test/peer/libjpeg"
	"thumbd/internal/thumb"
)

var (
	emulate = flag.Bool("emulate", false, "fail if an emulator or compiler is missing, instead of skipping")
	digests = flag.String("digests", "", "print the digests of thumbnails of the originals in this folder")
)

// needs skips t if a program is missing, or fails it with -emulate.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil && *emulate {
			t.Fatal(err)
		} else if err != nil {
			t.Skipf("no %s: see make check-processors", name)
		}
	}
}

// ownC are the files of C that no library takes part in. whole.c and encode.c call libjpeg,
// and the rest of package png calls libdeflate.
func ownC(t *testing.T) []string {
	t.Helper()
	files := []string{"png/inflate.c", "png/unfilter.c", "png/unfilter_sse41.c"}
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

// machineStreams writes pixels of a photograph as streams of deflate, with codes of each
// kind, into files.
func machineStreams(t *testing.T) (paths []string) {
	t.Helper()
	folder := t.TempDir()
	m := converted(photograph(300, 200), image.NewNRGBA(image.Rect(0, 0, 300, 200))).(*image.NRGBA)
	for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, 1, 6, 9} {
		var b bytes.Buffer
		w, err := flate.NewWriter(&b, level)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Write(m.Pix)
		path := filepath.Join(folder, fmt.Sprintf("%d.deflate", level))
		if err := errors.Join(err, w.Close(), os.WriteFile(path, b.Bytes(), 0o600)); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

// TestArm64MakesTheSameBytes compiles the project's own C for arm64, and compares the
// results with those of this processor, over random pictures, streams of deflate and the
// test data's photographs. make check-processors installs the compiler and the emulator.
func TestArm64MakesTheSameBytes(t *testing.T) {
	const cross, emulator = "aarch64-linux-gnu-gcc", "qemu-aarch64-static"
	needs(t, cross, emulator)
	photographs, err := filepath.Glob("../../testdata/originals/photos/*.jpg")
	if err != nil || len(photographs) < 3 {
		t.Fatalf("photographs: %q, %v", photographs, err)
	}
	inputs := append(machineStreams(t), photographs...)
	printed := func(compiler string, run ...string) []string {
		t.Helper()
		program := filepath.Join(t.TempDir(), "machines")
		args := append([]string{"-std=c11", "-D_DEFAULT_SOURCE", "-O3", "-static", "-o", program, "machines.c"}, ownC(t)...)
		if out, err := exec.Command(compiler, append(args, "-lm")...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", compiler, err, out)
		}
		run = append(append(run, program), inputs...)
		out, err := exec.Command(run[0], run[1:]...).Output()
		if err != nil {
			t.Fatalf("%s: %v", run[0], err)
		}
		return strings.Split(string(out), "\n")
	}
	want := printed("cc")
	if len(want) < 2000 {
		t.Fatalf("only %d digests", len(want))
	}
	if diff := cmp.Diff(want, printed(cross, emulator)); diff != "" {
		t.Errorf("(-this processor +arm64):\n%s", diff)
	}
}

// machineOriginals writes originals of every kind that is read in a way of its own into
// a folder.
func machineOriginals(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	m := photograph(420, 310)
	faint := converted(m, image.NewNRGBA(m.Bounds())).(*image.NRGBA)
	for i := 3; i < len(faint.Pix); i += 4 {
		faint.Pix[i] = uint8(i / 4 * 3)
	}
	for name, data := range map[string][]byte{
		"baseline.jpg":     recoded(t, m, libjpeg.Making{Quality: 90, Luma: [2]int{2, 2}}),
		"whole-chroma.jpg": recoded(t, m, libjpeg.Making{Quality: 90, Luma: [2]int{1, 1}, Interval: 7}),
		"progressive.jpg":  recoded(t, m, libjpeg.Making{Quality: 90, Luma: [2]int{2, 2}, Scans: libjpeg.Usual()}),
		"rgb.png":          encodePNG(t, m),
		"rgba.png":         encodePNG(t, faint),
		"gray.png":         encodePNG(t, converted(m, image.NewGray(m.Bounds()))),
		"deep.png":         encodePNG(t, converted(faint, image.NewNRGBA64(m.Bounds()))),
		"lossy.webp":       processed(t, encodePNG(t, m), bimg.Options{Type: bimg.WEBP, Quality: 90}),
	} {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// TestDigestsOfThumbnails is the part of TestOldProcessorsMakeTheSameThumbnails that
// runs on each of the processors.
func TestDigestsOfThumbnails(t *testing.T) {
	if *digests == "" {
		t.Skip("a part of TestOldProcessorsMakeTheSameThumbnails")
	}
	fmt.Println("\nAVX2", cpu.X86.HasAVX2)
	paths, err := filepath.Glob(*digests + "/*")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range filesOf(t, paths...) {
		for to, widths := range map[thumb.Format][]int{
			thumb.JPEG: {5, 30, 77, 130, 190, 333, 420},
			thumb.PNG:  {3, 77, 190, 333},
			thumb.WebP: {77, 190},
			thumb.AVIF: {40},
		} {
			for _, width := range widths {
				tr := thumb.Transform{Width: width, Method: thumb.Fit, Format: to, Quality: to.Quality()}
				fmt.Printf("digest of %s as %v of %d: %x\n", name, to, width, sha256.Sum256(thumbnailFile(t, data, tr)))
			}
		}
	}
}

// TestOldProcessorsMakeTheSameThumbnails renders on this processor and on an emulated
// one without AVX2, with all libraries, and compares the bytes of the thumbnails.
func TestOldProcessorsMakeTheSameThumbnails(t *testing.T) {
	const emulator = "qemu-x86_64-static"
	if runtime.GOARCH != "amd64" {
		t.Skip("another kind of processor")
	}
	needs(t, emulator)
	if !cpu.X86.HasAVX2 {
		t.Skip("this processor is as old")
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	folder := machineOriginals(t)
	printed := func(wide bool, run ...string) (lines []string) {
		t.Helper()
		run = append(run, program, "-test.run=^(TestDigestsOfThumbnails|TestShrinkIsExact)$", "-digests="+folder)
		out, err := exec.Command(run[0], run[1:]...).CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v\n%s", run, err, out)
		}
		if !strings.Contains(string(out), fmt.Sprintf("\nAVX2 %v\n", wide)) {
			t.Fatalf("%q: AVX2 is not %v", run, wide)
		}
		for line := range strings.Lines(string(out)) {
			if strings.HasPrefix(line, "digest of ") {
				lines = append(lines, line)
			}
		}
		slices.Sort(lines)
		return lines
	}
	want := printed(true)
	if len(want) < 100 {
		t.Fatalf("only %d digests", len(want))
	}
	if diff := cmp.Diff(want, printed(false, emulator, "-cpu", "Nehalem")); diff != "" {
		t.Errorf("(-this processor +without AVX2):\n%s", diff)
	}
}
