// SPDX-License-Identifier: MIT

package e2e

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"thumbd/internal/test/aid"
	"thumbd/internal/test/kit"
	"thumbd/internal/test/rig"
	"thumbd/internal/thumb"
)

// ARCHITECTURE.md and SECURITY.md name the tests that hold promises and bounds.
// Each of these tests exists.
func TestPromisesHaveTheirTests(t *testing.T) {
	page, err := os.ReadFile("../../../ARCHITECTURE.md")
	aid.Must(t, err)
	threats, err := os.ReadFile("../../../SECURITY.md")
	aid.Must(t, err)
	var all bytes.Buffer
	for _, file := range goFiles(t) {
		if strings.HasSuffix(file, "_test.go") {
			b, err := os.ReadFile(file)
			aid.Must(t, err)
			all.Write(b)
		}
	}
	for page, text := range map[string]string{"ARCHITECTURE.md": string(page), "SECURITY.md": string(threats)} {
		names := regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(text, -1)
		if len(names) == 0 {
			t.Errorf("%s names no test", page)
		}
		for _, name := range names {
			if name != t.Name() && !bytes.Contains(all.Bytes(), []byte("\nfunc "+name+"(")) {
				t.Errorf("%s: there is no %s", page, name)
			}
		}
	}
}

// Each path that ARCHITECTURE.md names, for example internal/thumb/format.go, exists.
func TestPathsExist(t *testing.T) {
	page, err := os.ReadFile("../../../ARCHITECTURE.md")
	aid.Must(t, err)
	paths := regexp.MustCompile("`((?:cmd|internal|nginx|packaging|testdata)/[^` ]+)`").FindAllStringSubmatch(string(page), -1)
	if len(paths) < 50 {
		t.Errorf("ARCHITECTURE.md names %d paths", len(paths))
	}
	for _, m := range paths {
		if _, err := os.Stat("../../../" + m[1]); err != nil {
			t.Error(err)
		}
	}
}

// ARCHITECTURE.md has a row for each package, and no other row.
func TestEachPackageIsOnTheMap(t *testing.T) {
	page, err := os.ReadFile("../../../ARCHITECTURE.md")
	aid.Must(t, err)
	var rows []string
	for _, m := range regexp.MustCompile("(?m)^\\| `((?:cmd|internal|packaging)/[^`]+)`").FindAllStringSubmatch(string(page), -1) {
		rows = append(rows, m[1])
	}
	var packages []string
	for _, file := range goFiles(t) {
		packages = append(packages, strings.TrimPrefix(filepath.Dir(file), "../../../"))
	}
	slices.Sort(packages)
	slices.Sort(rows)
	if diff := cmp.Diff(slices.Compact(packages), rows); diff != "" {
		t.Errorf("packages (-) and rows of the map (+):\n%s", diff)
	}
}

// A package of more than 500 lines of code or 10 files gives the reason in its comment.
func TestLargePackagesSayWhy(t *testing.T) {
	type size struct{ lines, files int }
	sizes, comments := make(map[string]size), make(map[string]string)
	block, ofPackage := regexp.MustCompile(`(?s)/\*.*?\*/`), regexp.MustCompile(`(?m)^// (?:Package|Command) (?:.*\n//)*.*\npackage `)
	for _, file := range sources(t, ".go", ".c", ".h") {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		aid.Must(t, err)
		dir := strings.TrimPrefix(filepath.Dir(file), "../../../")
		comments[dir] += ofPackage.FindString(string(text))
		s := sizes[dir]
		s.files++
		for line := range strings.Lines(block.ReplaceAllString(string(text), "")) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
				s.lines++
			}
		}
		sizes[dir] = s
	}
	for dir, s := range sizes {
		if (s.lines > 500 || s.files > 10) && !strings.Contains(comments[dir], "because") {
			t.Errorf("%s has %d lines of code in %d files, and no reason (because …) in its package comment:\n%s", dir, s.lines, s.files, comments[dir])
		}
	}
}

func goFiles(t *testing.T) []string {
	t.Helper()
	return sources(t, ".go")
}

// sources returns the paths of all files of the module's packages with one of these
// extensions, for example ".go".
func sources(t *testing.T, extensions ...string) []string {
	t.Helper()
	var files []string
	for _, top := range []string{"cmd", "internal", "packaging"} {
		aid.Must(t, filepath.WalkDir("../../../"+top, func(path string, _ fs.DirEntry, err error) error {
			if err == nil && slices.Contains(extensions, filepath.Ext(path)) && !strings.Contains(path, "/testdata/") {
				files = append(files, path)
			}
			return err
		}))
	}
	return files
}

// Two nodes give the same thumbnail the same bytes and validators.
func TestSameThumbnailOnEveryNode(t *testing.T) {
	var nodes [2]*rig.Rig
	for i := range nodes {
		nodes[i] = kit.Start(t, rig.Options{Sites: []rig.Site{kit.Gallery(t, kit.Testdata(t, "originals"))}})
	}
	for _, format := range thumb.ThumbnailFormats() {
		ext := format.String()
		thumbnail := kit.Target("photos/dandelion.jpg", "160x120_attention", ext)
		a, b := kit.Get(t, nodes[0], thumbnail), kit.Get(t, nodes[1], thumbnail)
		if a.Status != 200 || !bytes.Equal(a.Body, b.Body) {
			t.Errorf("%s: status %d, %d bytes and %d", ext, a.Status, len(a.Body), len(b.Body))
		}
		for _, name := range []string{"ETag", "Last-Modified"} {
			if a.Header.Get(name) != b.Header.Get(name) {
				t.Errorf("%s: %s %q and %q", ext, name, a.Header.Get(name), b.Header.Get(name))
			}
		}
	}
}
