// SPDX-License-Identifier: MIT

package packages

import (
	"debug/elf"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	daemon = "/usr/bin/thumbd"
	worker = "/usr/libexec/thumbd/thumbd-render"
)

// program opens a program of the deb.
func program(t *testing.T, path string) *elf.File {
	t.Helper()
	f, err := elf.Open(unpack(t, path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func TestProgramsAreStrippedWithABuildID(t *testing.T) {
	for _, path := range []string{daemon, worker} {
		f := program(t, path)
		for _, section := range []string{".symtab", ".debug_info"} {
			if f.Section(section) != nil {
				t.Errorf("%s: not stripped, has %s", path, section)
			}
		}
		if f.Section(".note.gnu.build-id") == nil {
			t.Errorf("%s: no build id", path)
		}
	}
}

func TestWorkerIsPositionIndependent(t *testing.T) {
	if f := program(t, worker); f.Type != elf.ET_DYN {
		t.Errorf("type %v, want ET_DYN", f.Type)
	}
}

func TestDaemonNeedsNoLibrary(t *testing.T) {
	f := program(t, daemon)
	for _, segment := range f.Progs {
		if segment.Type == elf.PT_INTERP {
			t.Error("the daemon has an interpreter: it was built with cgo")
		}
	}
}

// needs returns the libraries that the worker is linked with, in the order of the
// file, and by library the version of the symbols that it uses: the newest of
// glibc's, for example "GLIBC_2.34", or "" if a library has none.
func needs(t *testing.T) (libraries []string, symbols map[string]string) {
	t.Helper()
	f := program(t, worker)
	libraries, err := f.ImportedLibraries()
	if err != nil {
		t.Fatal(err)
	}
	versions, err := f.DynamicVersionNeeds()
	if err != nil {
		t.Fatal(err)
	}
	newest := 0
	symbols = make(map[string]string)
	for _, v := range versions {
		for _, need := range v.Needs {
			var minor int
			if _, err := fmt.Sscanf(need.Dep, "GLIBC_2.%d", &minor); err == nil {
				newest = max(newest, minor)
			} else if symbols[v.Name] != "" {
				t.Errorf("%s: versions %s and %s", v.Name, symbols[v.Name], need.Dep)
			} else {
				symbols[v.Name] = need.Dep
			}
		}
	}
	symbols["libc.so.6"] = fmt.Sprintf("GLIBC_2.%d", newest)
	return libraries, symbols
}

func TestDebDependsOnWhatTheWorkerIsLinkedWith(t *testing.T) {
	field := output(t, "dpkg-deb", "--field", deb(t), "Depends")
	got := strings.Split(strings.TrimSpace(field), ", ")
	libraries, symbols := needs(t)
	glibc := strings.TrimPrefix(symbols["libc.so.6"], "GLIBC_")
	known := map[string]string{
		"libc.so.6":           "libc6 (>= " + glibc + ")",
		"libm.so.6":           "libc6 (>= " + glibc + ")",
		"libvips.so.42":       "libvips42t64 (>= 8.14) | libvips42 (>= 8.14)",
		"libwebp.so.7":        "libwebp7",
		"libjpeg.so.62":       "libjpeg62-turbo",
		"libdeflate.so.0":     "libdeflate0",
		"libglib-2.0.so.0":    "libglib2.0-0t64 (>= 2.62) | libglib2.0-0 (>= 2.62)",
		"libgobject-2.0.so.0": "libglib2.0-0t64 (>= 2.62) | libglib2.0-0 (>= 2.62)",
	}
	want := []string{"systemd | systemd-standalone-sysusers", "systemd | systemd-standalone-tmpfiles"}
	for _, library := range libraries {
		pkg, ok := known[library]
		if !ok {
			t.Errorf("the worker is linked with %s, of which no package is known", library)
		}
		want = append(want, pkg)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(slices.Compact(want), got); diff != "" {
		t.Errorf("Depends (-want +got):\n%s", diff)
	}
}

func TestRpmRequiresWhatTheWorkerIsLinkedWith(t *testing.T) {
	var got []string
	for name := range strings.FieldsSeq(query(t, rpm(t), `[%{REQUIRENAME}\n]`)) {
		if !strings.HasPrefix(name, "rpmlib(") {
			got = append(got, name)
		}
	}
	libraries, symbols := needs(t)
	want := []string{"/bin/sh", "systemd"}
	for _, library := range libraries {
		want = append(want, fmt.Sprintf("%s(%s)(64bit)", library, symbols[library]))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
		t.Errorf("Requires (-want +got):\n%s", diff)
	}
}
