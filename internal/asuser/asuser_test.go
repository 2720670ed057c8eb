// SPDX-License-Identifier: MIT

package asuser

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// open makes a folder that every user can enter.
func open(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "thumbd-asuser-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// While one goroutine is somebody else, the others stay who we are.
func TestDoHasTheRightsOfTheUserAlone(t *testing.T) {
	if os.Geteuid() != 0 {
		u := User{Name: "root"}
		if err := u.Do(func() error { return nil }); !errors.Is(err, ErrNotRoot) {
			t.Errorf("as root: %v, want %v", err, ErrNotRoot)
		}
		return
	}
	nobody, err := Lookup("nobody", "")
	if err != nil {
		t.Fatal(err)
	}
	dir := open(t)
	closed, theirs := filepath.Join(dir, "closed"), filepath.Join(dir, "theirs")
	for path, gid := range map[string]int{closed: 0, theirs: nobody.GID} {
		if err := os.WriteFile(path, []byte("x"), 0o640); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, 0, gid); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := nobody.Do(func() error { _, err := os.ReadFile(closed); return err }); !errors.Is(err, fs.ErrPermission) {
				t.Errorf("nobody reads root's file: %v", err)
			}
		})
		all.Go(func() {
			if err := nobody.Do(func() error { _, err := os.ReadFile(theirs); return err }); err != nil {
				t.Errorf("nobody reads a file of its group: %v", err)
			}
		})
		all.Go(func() {
			if _, err := os.ReadFile(closed); err != nil {
				t.Errorf("root beside it: %v", err)
			}
		})
	}
	all.Wait()
	err = nobody.Do(func() error {
		groups, err := syscall.Getgroups()
		if slices.Contains(groups, 0) {
			t.Errorf("nobody is in root's group: %v", groups)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestObstacle(t *testing.T) {
	u, dir := User{UID: os.Geteuid(), GID: os.Getegid()}, open(t)
	if os.Geteuid() == 0 {
		var err error
		if u, err = Lookup("nobody", ""); err != nil {
			t.Fatal(err)
		}
	}
	deep := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		closed, path string
		mode         uint32
		want         string
	}{
		{"", deep, unix.R_OK | unix.X_OK, ""},
		{"a", deep, unix.X_OK, filepath.Join(dir, "a")},
		{"a/b", deep, unix.X_OK, deep},
		{"a/b", deep + "/", unix.X_OK, deep},
		{"a/b", filepath.Join(deep, "none"), unix.R_OK, deep},
		{"", filepath.Join(deep, "none"), unix.R_OK, ""},
		{"", "/", unix.R_OK, ""},
	} {
		closed := filepath.Join(dir, tt.closed)
		if tt.closed != "" {
			if err := os.Chmod(closed, 0); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := u.Obstacle(tt.path, tt.mode); got != tt.want || err != nil {
			t.Errorf("%q closed, %s: %q, %v; want %q", tt.closed, tt.path, got, err, tt.want)
		}
		if err := os.Chmod(closed, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDoAsOneself(t *testing.T) {
	u := User{UID: os.Geteuid(), GID: os.Getegid()}
	want := errors.New("its own error")
	if err := u.Do(func() error { return want }); !errors.Is(err, want) {
		t.Errorf("%v, want %v", err, want)
	}
}

func TestLookup(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Skip(err)
	}
	u, err := Lookup(me.Username, "")
	if err != nil || u.UID != os.Getuid() || !slices.Contains(u.Groups, u.GID) {
		t.Errorf("%+v, %v", u, err)
	}
	u, err = Lookup(me.Uid, "54321", "54322")
	if err != nil || u.Name != me.Username || u.UID != os.Getuid() || u.GID != 54321 || !slices.Contains(u.Groups, 54322) {
		t.Errorf("by numbers: %+v, %v", u, err)
	}
	if _, err := Lookup(me.Uid, "4294967295"); err == nil {
		t.Error("no error for the number that is no group")
	}
	if _, err := Lookup("no-such-user", ""); err == nil {
		t.Error("no error for a user that is not")
	}
	if _, err := Lookup(me.Username, "no-such-group"); err == nil {
		t.Error("no error for a group that is not")
	}
}
