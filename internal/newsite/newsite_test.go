// SPDX-License-Identifier: MIT

package newsite

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

var gallery = Site{Name: "gallery", Prefix: "/thumbs/", DocumentRoot: "/var/cache/thumbd/gallery", Originals: "/srv/gallery", Scheme: "signed"}

// The key is for root and the daemon's group alone; the file of the site has the mode
// and owner of the configuration, which stays as it is.
func TestAddKeepsOwnersAndModes(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "thumbd.toml")
	if err := os.WriteFile(file, []byte("# mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	group, keyMode, gid := "", fs.FileMode(0o600), os.Getegid()
	if os.Geteuid() == 0 {
		u, err := user.Lookup("nobody")
		if err != nil {
			t.Fatal(err)
		}
		g, err := user.LookupGroupId(u.Gid)
		if err != nil {
			t.Fatal(err)
		}
		group, keyMode = g.Name, 0o640
		if gid, err = strconv.Atoi(g.Gid); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(file, 1, 2); err != nil {
			t.Fatal(err)
		}
	}
	added, err := Add(file, gallery, group)
	if err != nil {
		t.Fatal(err)
	}
	if added.Group != group || added.Key != filepath.Join(dir, "keys", "gallery.key") || len(added.Site.Thumb.Keys[0]) != 2*keyBytes {
		t.Errorf("%+v", added)
	}
	check(t, added.Key, keyMode, gid)
	check(t, filepath.Dir(added.Key), fs.ModeDir|0o750, gid)
	want := filepath.Join(dir, "sites.d", "gallery.toml")
	if added.File != want {
		t.Errorf("the site is in %s, want %s", added.File, want)
	}
	if os.Geteuid() == 0 {
		check(t, added.File, 0o600, 2)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "# mine\n" {
		t.Errorf("thumbd.toml was edited: %q, %v", b, err)
	}
	noOthers(t, dir, "keys", "sites.d", "thumbd.toml")
	noOthers(t, filepath.Dir(added.File), "gallery.toml")
}

// Whatever the umask, the daemon's user can read the first file of a site.
func TestAddWithoutAConfiguration(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	added, err := Add(filepath.Join(t.TempDir(), "thumbd.toml"), gallery, "")
	if err != nil {
		t.Fatal(err)
	}
	check(t, added.File, 0o644, os.Getegid())
	check(t, filepath.Dir(added.File), fs.ModeDir|0o755, os.Getegid())
	check(t, filepath.Dir(added.Key), fs.ModeDir|0o750, os.Getegid())
}

func check(t *testing.T, path string, mode fs.FileMode, gid int) {
	t.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := fi.Sys().(*syscall.Stat_t).Gid; fi.Mode() != mode || int(got) != gid {
		t.Errorf("%s: %v of group %d, want %v of %d", path, fi.Mode(), got, mode, gid)
	}
}

// noOthers checks that a folder has these and nothing else.
func noOthers(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range entries {
		if i >= len(want) || e.Name() != want[i] {
			t.Errorf("%s: %s, want %q alone", dir, e.Name(), want)
		}
	}
}

// What can't be put in place leaves no key and no other file behind.
func TestAddUndoesWhatItCanNot(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "thumbd.toml")
	// A folder of that name can't be read, nor replaced by a file.
	if err := os.Mkdir(file, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Add(file, gallery, ""); err == nil {
		t.Error("no error for a folder")
	}
	noOthers(t, dir, "thumbd.toml")
	site := filepath.Join(dir, "sites.d", "gallery.toml")
	if err := os.MkdirAll(site, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := place(site, []byte("x"), file); !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v, want %v", err, fs.ErrExist)
	}
	noOthers(t, filepath.Dir(site), "gallery.toml")
	if err := os.RemoveAll(filepath.Dir(site)); err != nil {
		t.Fatal(err)
	}

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	bad := gallery
	bad.Prefix = "thumbs"
	if _, err := Add(file, bad, ""); !errors.Is(err, ErrMistakes) {
		t.Errorf("%v, want %v", err, ErrMistakes)
	}
	noOthers(t, dir, "keys")
	noOthers(t, filepath.Join(dir, "keys"))
	if _, err := Add(file, gallery, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := Add(file, gallery, ""); !errors.Is(err, ErrExists) {
		t.Errorf("%v, want %v", err, ErrExists)
	}
	noOthers(t, dir, "keys", "sites.d")

	// A file of that name with another site stays, and the key goes.
	if err := os.WriteFile(filepath.Join(dir, "sites.d", "other.toml"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	other := gallery
	other.Name, other.Prefix, other.DocumentRoot, other.Originals = "other", "/other/", "/var/cache/thumbd/other", "/srv/other"
	if _, err := Add(file, other, ""); !errors.Is(err, ErrExists) {
		t.Errorf("%v, want %v", err, ErrExists)
	}
	noOthers(t, filepath.Join(dir, "keys"), "gallery.key")
}

// A site with its originals in a bucket names the files of the store's key, which must be
// there.
func TestAddBucket(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "thumbd.toml")
	s := gallery
	s.Originals, s.S3 = "s3://media/photos/", S3{Endpoint: "https://s3.example", Region: "garage"}
	_, err := Add(file, s, "")
	if !errors.Is(err, ErrMistakes) || !strings.Contains(err.Error(), "s3-access: no such file") {
		t.Errorf("without keys: got %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*", "*")); len(left) > 0 {
		t.Errorf("it has left %q", left)
	}
	for _, name := range []string{"s3-access", "s3-secret"} {
		if err := os.WriteFile(filepath.Join(dir, "keys", name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	added, err := Add(file, s, "")
	if err != nil {
		t.Fatal(err)
	}
	if got := added.Site.S3; got == nil || got.AccessKey != "s3-access" || got.SecretKey != "s3-secret" || got.Region != "garage" {
		t.Errorf("got %+v", got)
	}
	for _, credentials := range []string{"none", "aws"} {
		other := s
		other.Name, other.Prefix, other.DocumentRoot = credentials, "/"+credentials+"/", "/var/cache/thumbd/"+credentials
		other.S3 = S3{Credentials: credentials}
		if added, err = Add(file, other, ""); err != nil || added.Site.S3.AccessKey != "" || added.Site.S3.Chain != (credentials == "aws") {
			t.Errorf("credentials %s: %v", credentials, err)
		}
	}
}
