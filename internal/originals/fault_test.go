// SPDX-License-Identifier: MIT

package originals

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestUnreadable(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "not-mounted")
	d := New(gone, maxBytes)
	defer d.Close()
	_, _, err := d.Open("a.jpg")
	if !errors.Is(err, ErrUnreadable) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no root: got %v, want %v alone", err, ErrUnreadable)
	}
	if _, err := d.Exists("a.jpg"); !errors.Is(err, ErrUnreadable) {
		t.Errorf("no root: Exists: got %v, want %v", err, ErrUnreadable)
	}
	if err := d.Probe(); err == nil || !strings.Contains(err.Error(), gone) {
		t.Errorf("no root: Probe: got %v, want the path", err)
	}
}

func TestNoPermission(t *testing.T) {
	if os.Geteuid() == 0 {
		asNobody(t)
		return
	}
	d, path := tree(t)
	if err := os.Chmod(filepath.Join(path, "a.jpg"), 0); err != nil {
		t.Fatal(err)
	}
	sub := filepath.Join(path, "sub")
	if err := os.Chmod(sub, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Chmod(sub, 0o755); err != nil {
			t.Error(err)
		}
	})
	for _, name := range []string{"a.jpg", "sub/b.jpg"} {
		_, _, err := d.Open(name)
		if !errors.Is(err, ErrUnreadable) || !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: got %v, want %v, permission denied", name, err, ErrUnreadable)
		}
		if err != nil && !strings.Contains(err.Error(), filepath.Join(path, name)) {
			t.Errorf("%s: no full path in %q", name, err)
		}
	}
	if _, err := d.Exists("sub/b.jpg"); !errors.Is(err, ErrUnreadable) {
		t.Errorf("Exists: got %v, want %v", err, ErrUnreadable)
	}
	if ok, err := d.Exists("a.jpg"); !ok || err != nil {
		t.Errorf("Exists without read permission: got %v, %v", ok, err)
	}
}

func TestProbe(t *testing.T) {
	d, path := tree(t)
	if err := d.Probe(); err != nil {
		t.Error(err)
	}
	empty := New(t.TempDir(), maxBytes)
	defer empty.Close()
	if err := empty.Probe(); err != nil {
		t.Errorf("no originals yet: %v", err)
	}
	file := New(filepath.Join(path, "a.jpg"), maxBytes)
	defer file.Close()
	if err := file.Probe(); !errors.Is(err, ErrUnreadable) {
		t.Errorf("a file: got %v, want %v", err, ErrUnreadable)
	}
}

func TestRootMadeAgain(t *testing.T) {
	d, path := tree(t)
	f, _, err := d.Open("a.jpg")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(path, "a.jpg"), "new")
	f, _, err = d.Open("a.jpg")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if b, err := io.ReadAll(f); string(b) != "new" || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
}
