// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thumbd/internal/asuser"
	"thumbd/internal/config"
	"thumbd/internal/route"
	"thumbd/internal/thumb"
)

// check and verify look as the service's user, and not as root who runs them.
func TestFoldersAreLookedAtAsTheServicesUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can look as another user")
	}
	nobody, err := asuser.Lookup("nobody", "")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "thumbd-sight-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	for _, name := range []string{"media/a.jpg", "media/private/b.jpg", "downloads/c.pdf", "root/t/d"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, mode := range map[string]os.FileMode{".": 0o755, "media/private": 0o700, "downloads": 0o700, "root": 0o700} {
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	c := &config.Config{
		Sites: []config.Site{{
			Thumb:     thumb.Site{Route: route.Route{Name: "a", Prefix: "/t/"}, DocumentRoot: filepath.Join(dir, "root")},
			Originals: filepath.Join(dir, "media"), OriginalFormats: thumb.DefaultFormats(),
		}, {
			Thumb: thumb.Site{Route: route.Route{Name: "fresh", Prefix: "/t/"}, DocumentRoot: filepath.Join(dir, "cache/fresh")}, Originals: dir,
		}, {
			Thumb: thumb.Site{Route: route.Route{Name: "new", Prefix: "/t/"}, DocumentRoot: filepath.Join(dir, "root/new")}, Originals: dir,
		}},
		Files: []config.Files{{Route: route.Route{Name: "b"}, Root: filepath.Join(dir, "downloads")}},
	}
	as := onlooker{User: nobody, cache: filepath.Join(dir, "cache")} // which systemd is still to make
	wrong, warnings := as.folders(c)
	var all []string
	for _, err := range wrong {
		all = append(all, err.Error())
	}
	all = append(all, warnings...)
	for i, want := range []string{
		"site a: user nobody can't write " + dir + "/root/t: closed to it: " + dir + "/root, " + dir + "/root/t; to mend it:\n\tsetfacl -m u:nobody:x " + dir + "/root\n\tchown nobody: " + dir + "/root/t",
		"site new: user nobody can't make " + dir + "/root/new: closed to it: " + dir + "/root; to mend it:\n\tsetfacl -m u:nobody:x " + dir + "/root\n\tinstall -d -o nobody " + dir + "/root/new",
		"files b: user nobody can't read " + dir + "/downloads; to mend it:\n\tsetfacl -R -m ",
		"site a: user nobody can't read 1 of 2 folders in " + dir + "/media, for example " + dir + "/media/private; to mend it:\n\tsetfacl -R -m ",
	} {
		if i >= len(all) || !strings.HasPrefix(strings.Replace(all[i], "\tapt install acl\n", "", 1), want) {
			t.Errorf("%q, want as number %d one that begins with %q", all, i, want)
		}
	}
	v := verifier{out: &strings.Builder{}, as: as}
	if err := v.readable(filepath.Join(dir, "media/a.jpg")); err != nil {
		t.Error(err)
	}
	if err := v.readable(filepath.Join(dir, "media/private/b.jpg")); err == nil || !strings.Contains(err.Error(), "setfacl -m u:nobody:x "+dir+"/media/private") {
		t.Errorf("a file in a closed folder: %v", err)
	}
}
