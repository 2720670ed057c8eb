// SPDX-License-Identifier: MIT

package sandbox

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// refusals are the ways to be told no.
var refusals = []string{"EPERM", "EACCES", "ENOSYS"}

// TestAttempts tries each attempt without the walls, where it succeeds or at
// least reaches the kernel, behind both, and behind the filter alone, as
// landlock would hide what that lets through.
func TestAttempts(t *testing.T) {
	for name, a := range attempts() {
		t.Run(name, func(t *testing.T) {
			open := run(t, name, "none", "")
			if slices.Equal(open.results, []string{unix.ErrnoName(errNoEntry)}) {
				t.Log("this kernel has no such way in")
				return
			}
			want := a.open
			if want == "" {
				want = "done"
			}
			if open.signal != 0 || len(open.results) != 1 || want != "any" && open.results[0] != want {
				t.Errorf("without the walls: %+v, want %s", open, want)
			}
			for _, before := range []string{"", "no landlock"} {
				shut := run(t, name, "both", before)
				switch {
				case a.killed:
					if shut.signal != unix.SIGSYS || len(shut.results) > 0 {
						t.Errorf("behind the walls, %q: %+v, want killed", before, shut)
					}
				case shut.signal != 0 || len(shut.results) != 3 || !areRefusals(shut.results):
					t.Errorf("behind the walls, %q: %+v, want refused on three threads", before, shut)
				}
			}
		})
	}
}

func areRefusals(results []string) bool {
	for _, r := range results {
		if !slices.Contains(refusals, r) {
			return false
		}
	}
	return true
}

// TestFilesAlone holds landlock to its share, as far as the kernel has it: what
// the filter refuses as well would not show that it is missing.
func TestFilesAlone(t *testing.T) {
	abi, err := landlockABI()
	if err != nil {
		abi = 0
	}
	for _, c := range []struct {
		attempt string
		since   int
		what    string
	}{
		{"open a file for reading", 1, ""},
		{"open a folder by its relative name", 1, ""},
		{"open a file below an open folder", 1, ""},
		{"make a file", 1, ""},
		{"make a folder", 1, ""},
		{"bind a socket", 4, "TCP"},
		{"connect a socket", 6, "abstract sockets"},
		{"signal the parent", 6, "signals"},
	} {
		t.Run(c.attempt, func(t *testing.T) {
			o := run(t, c.attempt, "files", "")
			if abi < c.since {
				if len(o.missing) != 1 || !strings.Contains(o.missing[0], c.what) {
					t.Errorf("version %d: %+v", abi, o)
				}
				return
			}
			if len(o.results) != 3 || !areRefusals(o.results) {
				t.Errorf("%+v, want refused on three threads", o)
			}
		})
	}
}

func TestMissing(t *testing.T) {
	for _, c := range []struct {
		before string
		want   string
		open   string // what becomes of opening a file
	}{
		{"no landlock", "landlock: the kernel does not have it", "EPERM"},
		{"landlock refused", "landlock: operation not permitted", "EPERM"},
		{"restricting refused", "operation not permitted", "EPERM"},
		{"no proc", "landlock: find the threads: ", "EPERM"},
		{"no seccomp", "seccomp: operation not permitted", "EACCES"},
	} {
		t.Run(c.before, func(t *testing.T) {
			o := run(t, "open a file for reading", "both", c.before)
			if !slices.ContainsFunc(o.missing, func(m string) bool { return strings.Contains(m, c.want) }) {
				t.Errorf("missing: %q, want %q", o.missing, c.want)
			}
			if diff := cmp.Diff([]string{c.open, c.open, c.open}, o.results); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOlderThan(t *testing.T) {
	for _, c := range []struct {
		abi  int
		want []string
	}{
		{2, []string{"landlock: version 2 does not restrict truncation, TCP, device ioctls, abstract sockets, signals"}},
		{5, []string{"landlock: version 5 does not restrict abstract sockets, signals"}},
		{6, nil},
		{7, nil},
	} {
		if diff := cmp.Diff(c.want, olderThan(c.abi)); diff != "" {
			t.Errorf("version %d: %s", c.abi, diff)
		}
	}
}

// TestWhatStays has a process behind the walls go on: nothing is missing that
// this kernel has, and it can still end itself.
func TestWhatStays(t *testing.T) {
	abi, err := landlockABI()
	want := outcome{missing: olderThan(abi), results: []string{"done", "done", "done"}}
	got := run(t, "nothing", "both", "")
	if err != nil {
		want.missing = got.missing[:1]
	}
	if !slices.Equal(got.results, want.results) || !slices.Equal(got.missing, want.missing) || got.signal != 0 {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := run(t, "abort", "both", ""); got.signal != unix.SIGABRT {
		t.Errorf("abort: %+v", got)
	}
}
