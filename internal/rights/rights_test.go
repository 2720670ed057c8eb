// SPDX-License-Identifier: MIT

package rights

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thumbd/internal/asuser"
	"thumbd/internal/thumb"
)

// library makes four folders with a picture each, and one without, that every user can
// read, and returns it with a user that is not root.
func library(t *testing.T) (string, asuser.User) {
	t.Helper()
	u, err := asuser.Self()
	if err == nil && u.UID == 0 {
		u, err = asuser.Lookup("nobody", "")
	}
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "thumbd-rights-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Folders that are closed to its owner can't be emptied.
		if err := exec.Command("chmod", "-R", "u+rwX", dir).Run(); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	for _, name := range []string{"app/media/a.jpg", "app/media/1/b.jpg", "app/media/2/c.png", "app/media/2/3/d.jpg", "app/media/none/e.sql", "app/media/.git/f.jpg"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := exec.Command("chmod", "-R", "a+rX", dir).Run(); err != nil {
		t.Fatal(err)
	}
	return dir, u
}

func TestSight(t *testing.T) {
	for name, tt := range map[string]struct {
		closed []string
		mode   os.FileMode // of them
		says   string      // with DIR, and USER
		blind  bool
		cure   []string
	}{
		"all open":                      {nil, 0, "user USER can read DIR/app/media", false, nil},
		"what is not wanted":            {[]string{"app/media/none/e.sql", "app/media/none", "app/media/.git"}, 0, "user USER can read DIR/app/media", false, nil},
		"a folder above":                {[]string{"app"}, 0, "user USER can't read DIR/app/media: closed to it: DIR/app", true, []string{"setfacl -m u:USER:x DIR/app"}},
		"the folder":                    {[]string{"app/media"}, 0, "user USER can't read DIR/app/media", true, []string{"setfacl -R -m u:USER:rX -m d:u:USER:rX DIR/app/media"}},
		"a folder with another in it":   {[]string{"app/media/2"}, 0, "user USER can't read 2 of 4 folders in DIR/app/media, for example DIR/app/media/2", false, []string{"setfacl -R -m u:USER:rX -m d:u:USER:rX DIR/app/media"}},
		"a file of a folder that opens": {[]string{"app/media/1/b.jpg"}, 0, "user USER can't read 1 of 4 files in DIR/app/media, for example DIR/app/media/1/b.jpg", false, []string{"setfacl -R -m u:USER:rX -m d:u:USER:rX DIR/app/media"}},
		"a folder that is not listed":   {[]string{"app/media/2"}, 0o311, "user USER can't list 1 of 4 folders in DIR/app/media, for example DIR/app/media/2: requests are served, and warm and watch can't find originals there", false, []string{"setfacl -R -m u:USER:rX -m d:u:USER:rX DIR/app/media"}},
		"no file of a folder unlisted":  {[]string{"app/media/2", "app/media/2/c.png"}, 0o311, "user USER can't read 1 of 4 files in DIR/app/media, for example DIR/app/media/2/c.png", false, []string{"setfacl -R -m u:USER:rX -m d:u:USER:rX DIR/app/media"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir, u := library(t)
			as := strings.NewReplacer("DIR", dir, "USER", u.Name)
			for _, path := range tt.closed {
				if err := os.Chmod(filepath.Join(dir, path), tt.mode); err != nil {
					t.Fatal(err)
				}
			}
			s, err := Originals(filepath.Join(dir, "app/media"), thumb.DefaultFormats(), u)
			if os.Geteuid() != 0 && s.Folders.Shut+s.Listed.Shut > 0 {
				t.Skip("only root sees what is in a folder that the user can't list")
			}
			if got, want := s.String(), as.Replace(tt.says); got != want || err != nil {
				t.Errorf("%q, %v; want %q", got, err, want)
			}
			if s.Blind() != tt.blind || s.Sees() != (tt.cure == nil) {
				t.Errorf("blind %v, sees %v", s.Blind(), s.Sees())
			}
			var want []string
			for _, line := range tt.cure {
				want = append(want, as.Replace(line))
			}
			if got := slices.DeleteFunc(s.Cure(), func(l string) bool { return l == "apt install acl" }); !slices.Equal(got, want) {
				t.Errorf("the cure is %q, want %q", got, want)
			}
		})
	}
}

// The service's user gets to a bound folder, and into it as far as the folder lets it.
func TestBoundFolder(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can look as another user")
	}
	dir, _ := library(t)
	media := filepath.Join(dir, "app/media")
	for path, mode := range map[string]os.FileMode{filepath.Dir(media): 0o700, filepath.Join(media, "2"): 0o700} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	u, err := OfUnit(map[string]string{"User": "nobody", "PrivateTmp": "yes", "BindReadOnlyPaths": media + ":" + media + ":rbind"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(u.Bound, media) {
		t.Skip("the folder for temporary files is not one that PrivateTmp= hides")
	}
	s, err := Originals(media, thumb.DefaultFormats(), u)
	if want := "user nobody can't read 2 of 4 folders in " + media + ", for example " + media + "/2"; s.String() != want || err != nil {
		t.Errorf("%q, %v; want %q", s, err, want)
	}
	if s, err := File(filepath.Join(media, "a.jpg"), u); err != nil || !s.Sees() {
		t.Errorf("%v, %v", s, err)
	}
	for path, want := range map[string]string{media: "", media + "/a.jpg": "", media + "/2/c.png": media + "/2", dir + "/app/b": dir + "/app"} {
		if got, err := u.Obstacle(path, unix.R_OK); got != want || err != nil {
			t.Errorf("the obstacle to %s is %q, %v; want %q", path, got, err, want)
		}
	}
}

// Downloads are never listed.
func TestLookNeedsNoList(t *testing.T) {
	dir, u := library(t)
	if err := os.Chmod(filepath.Join(dir, "app/media/2"), 0o311); err != nil {
		t.Fatal(err)
	}
	if s, err := Look(filepath.Join(dir, "app/media"), u, All); err != nil || !s.Sees() {
		t.Errorf("%v, %v", s, err)
	}
}

// All folders in the way are named at once, and after the commands of the cure, typed as
// they stand, the user can read what is there and what comes later.
func TestCureLetsTheUserRead(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can look as another user")
	}
	dir, u := library(t)
	if _, err := exec.LookPath("setfacl"); err != nil || exec.Command("setfacl", "-m", "u:"+u.Name+":rx", dir).Run() != nil {
		t.Skip("no setfacl, or no ACL on this file system")
	}
	if err := exec.Command("chmod", "-R", "g-rwx,o-rwx", dir).Run(); err != nil {
		t.Fatal(err)
	}
	media := filepath.Join(dir, "app/media")
	s, err := Originals(media, thumb.DefaultFormats(), u)
	if err != nil || !s.Blind() || len(s.Closed) != 3 {
		t.Fatalf("%v, %v, closed %q", s, err, s.Closed)
	}
	for _, line := range s.Cure() {
		if out, err := exec.Command("sh", "-c", line).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
	later := filepath.Join(media, "later", "a.jpg")
	if err := os.Mkdir(filepath.Dir(later), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(later, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	if s, err := Originals(media, thumb.DefaultFormats(), u); err != nil || !s.Sees() || s.Files.All != 5 {
		t.Errorf("%v, %v, %d files", s, err, s.Files.All)
	}
	// Nobody else has got rights.
	other, err := asuser.Lookup("daemon", "")
	if err != nil {
		t.Fatal(err)
	}
	if s, err := Originals(media, thumb.DefaultFormats(), other); err != nil || !s.Blind() {
		t.Errorf("%v, %v", s, err)
	}
}

func TestFile(t *testing.T) {
	dir, u := library(t)
	file := filepath.Join(dir, "app/media/a.jpg")
	if s, err := File(file, u); err != nil || !s.Sees() {
		t.Errorf("%v, %v", s, err)
	}
	if err := os.Chmod(file, 0); err != nil {
		t.Fatal(err)
	}
	s, err := File(file, u)
	if want := "user " + u.Name + " can't read " + file; s.String() != want || err != nil {
		t.Errorf("%q, %v; want %q", s, err, want)
	}
	if cure := s.Cure(); cure[len(cure)-1] != "setfacl -m u:"+u.Name+":r "+file {
		t.Errorf("the cure is %q", cure)
	}
}

// The bound holds in one folder and in a deep one.
func TestLookIsBounded(t *testing.T) {
	dir, u := library(t)
	w := walk{user: u, wanted: All, left: 3, end: time.Now().Add(patience)}
	w.folder(filepath.Join(dir, "app/media"))
	if len(w.files)+len(w.folders) > 3 {
		t.Errorf("looked at %q, %q", w.folders, w.files)
	}
	if _, err := OfUnit(map[string]string{"User": "no-such-user"}); err == nil {
		t.Error("no error for a user that is not")
	}
	if u, err := OfUnit(map[string]string{"User": "nobody", "SupplementaryGroups": "daemon tty"}); err != nil || len(u.Groups) < 3 {
		t.Errorf("%+v, %v", u, err)
	}
}
