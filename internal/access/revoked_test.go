// SPDX-License-Identifier: MIT

package access

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRevoked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "revoked.txt")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	options := Options{Proofs: []Proof{Token}, TokenKeys: secret(t), Revoked: path, Now: func() time.Time { return now }}
	if _, err := New(options); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a list: %v", err)
	}
	write("# left in May\n\none\n two \r\n")
	g := gate(t, options)
	expect := func(when string, want map[string]error) {
		t.Helper()
		for id, want := range want {
			made, err := g.NewToken(id, "", now.Add(time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			if err := g.Check(Request{URI: "/t/a", Cookies: []string{made}}); !errors.Is(err, want) {
				t.Errorf("%s, %q: %v; want %v", when, id, err, want)
			}
		}
	}
	expect("at start", map[string]error{"one": ErrRevoked, "two": ErrRevoked, "three": nil, "": nil, "# left in May": nil})

	write("three\n")
	expect("before a look", map[string]error{"one": ErrRevoked, "three": nil})
	if err := g.Refresh(); err != nil {
		t.Error(err)
	}
	expect("changed", map[string]error{"one": nil, "three": ErrRevoked})

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := g.Refresh(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("removed: %v", err)
	}
	if err := g.Refresh(); err != nil {
		t.Errorf("told twice: %v", err)
	}
	expect("removed", map[string]error{"one": nil, "three": ErrRevoked})
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	expect("a folder", map[string]error{"three": ErrRevoked})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	write("one\n")
	if err := g.Refresh(); err != nil {
		t.Error(err)
	}
	expect("back", map[string]error{"one": ErrRevoked, "three": nil})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := g.Refresh(); err == nil {
		t.Error("a second loss is not told")
	}
}

// TestLargeListIsRefused has a list that is larger than is read.
func TestLargeListIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "revoked.txt")
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 64<<20+1)); err != nil {
		t.Fatal(err)
	}
	if _, err := readRevocations(path); err == nil {
		t.Error("a list of more than 64 MiB is read")
	}
}

// Run looks at each tick, and ends.
func TestRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "revoked.txt")
	if err := os.WriteFile(path, []byte("one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := gate(t, Options{Proofs: []Proof{Token}, TokenKeys: secret(t), Revoked: path, Now: func() time.Time { return now }})
	ctx, cancel := context.WithCancel(t.Context())
	ticks, told, done := make(chan time.Time), make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		g.Run(ctx, ticks, func(err error) { told <- err })
	}()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	ticks <- now
	if err := <-told; !strings.Contains(err.Error(), "the list of before stays") {
		t.Errorf("told %v", err)
	}
	cancel()
	<-done
	gate(t, Options{}).Run(t.Context(), nil, nil)
}
