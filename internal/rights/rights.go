// SPDX-License-Identifier: MIT

// Package rights finds the files and folders below a folder that a user can't read, for
// example the originals of a site that the service's user can't read, and the commands
// that give the user the right.
package rights

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"thumbd/internal/asuser"
	"thumbd/internal/share"
	"thumbd/internal/shell"
	"thumbd/internal/systemd"
	"thumbd/internal/thumb"
)

const (
	// maxLooked is the most names of a folder that are looked at. A folder may have
	// millions.
	maxLooked = 10_000
	// patience is for the whole walk, less than a share has for one operation.
	patience = 3 * time.Second
)

// ErrNoService is that no unit names the service's user: there is no systemd, or no
// thumbd.service.
var ErrNoService = errors.New("no thumbd.service names the daemon's user")

// Service returns the user of thumbd.service, with the groups of its drop-ins.
func Service(ctx context.Context) (asuser.User, error) {
	names := append([]string{"LoadState", "User", "Group", "SupplementaryGroups"}, systemd.BoundProperties...)
	is, err := systemd.Properties(ctx, systemd.Service, names...)
	if err != nil || is["LoadState"] != "loaded" {
		return asuser.User{}, ErrNoService
	}
	return OfUnit(is)
}

// OfUnit returns the user that a unit has by its properties User, Group and
// SupplementaryGroups, and the systemd.BoundProperties.
func OfUnit(is map[string]string) (asuser.User, error) {
	name, more := is["User"], strings.Fields(is["SupplementaryGroups"])
	if name == "" {
		name, more = "root", nil
	}
	u, err := asuser.Lookup(name, is["Group"], more...)
	u.Bound = systemd.Bound(is)
	return u, err
}

// Sight has the numbers of files and folders below a folder that a user can and can't read.
type Sight struct {
	Folder string
	User   string
	// Closed are the folders above it that the user can't enter, and Folder itself if
	// the user can't list and enter it.
	Closed []string
	// Folders are the folders with wanted files, shut if the user can't enter them, and
	// Files are the wanted files in the folders that the user can enter.
	Folders, Files Count
	// Listed are the folders that the user can enter, shut if the user can't list them:
	// requests are served from them, and warm and watch find nothing in them.
	Listed Count
}

// Count is how many of one kind were looked at.
type Count struct {
	All, Shut int
	shut      []string
}

// Originals looks as u at the folder of a site's originals of these formats; see Look.
func Originals(folder string, formats []thumb.Format, u asuser.User) (Sight, error) {
	return share.Do(share.Of(folder), func() (Sight, error) {
		s, w, err := look(folder, u, func(name string) bool {
			return thumb.IsNamed(name, formats)
		})
		if err == nil {
			open := slices.DeleteFunc(w.folders, func(path string) bool { return slices.Contains(s.Folders.shut, path) })
			s.Listed, err = count(u, unix.R_OK, open, nil)
		}
		return s, err
	}, nil)
}

// All wants each file.
func All(string) bool { return true }

// Look looks as u at a folder and, up to a bound, at the files in it that are wanted. It
// does not matter whether u can list the folders in it. Names that begin with a dot are
// left out, and so are links. Only root can look as another user: asuser.ErrNotRoot. If the
// folder does not answer, the error is share.ErrSlow.
func Look(folder string, u asuser.User, wanted func(name string) bool) (Sight, error) {
	return share.Do(share.Of(folder), func() (Sight, error) {
		s, _, err := look(folder, u, wanted)
		return s, err
	}, nil)
}

func look(folder string, u asuser.User, wanted func(string) bool) (Sight, walk, error) {
	at, err := resolved(folder)
	s := Sight{Folder: at, User: u.Name}
	if err != nil {
		return s, walk{}, err
	}
	if s.Closed, err = u.Closed(at, unix.R_OK|unix.X_OK); err != nil || len(s.Closed) > 0 {
		return s, walk{}, err
	}
	w := walk{user: u, wanted: wanted, left: maxLooked, end: time.Now().Add(patience)}
	w.folder(at)
	if s.Folders, err = count(u, unix.X_OK, slices.Clone(w.folders), nil); err == nil {
		s.Files, err = count(u, unix.R_OK, w.files, s.Folders.shut)
	}
	return s, w, err
}

// File looks as u at a file. The Sight has no other file.
func File(path string, u asuser.User) (Sight, error) {
	at, err := resolved(path)
	s := Sight{Folder: at, User: u.Name}
	if err != nil {
		return s, err
	}
	if s.Closed, err = u.Closed(filepath.Dir(at), unix.X_OK); err == nil && len(s.Closed) == 0 {
		s.Files, err = count(u, unix.R_OK, []string{at}, nil)
	}
	return s, err
}

// resolved returns a path without links. If a folder in the way is closed to us, it is
// the path as it is: asuser.User.Closed names that folder.
func resolved(path string) (string, error) {
	at, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrPermission) {
		return filepath.Clean(path), nil
	}
	return at, err
}

// count counts the paths that are not in one of the folders that are shut.
func count(u asuser.User, mode uint32, paths, shut []string) (Count, error) {
	paths = slices.DeleteFunc(paths, func(path string) bool { return slices.Contains(shut, filepath.Dir(path)) })
	denied, err := u.Denied(mode, paths)
	c := Count{All: len(paths), Shut: len(denied), shut: denied}
	return c, err
}

// walk collects the folders and files that Look looks at.
type walk struct {
	user           asuser.User
	wanted         func(name string) bool
	folders, files []string
	left           int // names to look at
	end            time.Time
}

func (w *walk) folder(at string) {
	list, err := w.list(at)
	has := err != nil // what it has is not known
	var below []string
	for _, d := range list {
		w.left--
		path := filepath.Join(at, d.Name())
		switch {
		case w.left < 0 || strings.HasPrefix(d.Name(), "."):
		case d.IsDir():
			below = append(below, path)
		case d.Type().IsRegular() && w.wanted(d.Name()):
			has = true
			w.files = append(w.files, path)
		}
	}
	if has {
		w.folders = append(w.folders, at)
	}
	for _, path := range below {
		if w.left > 0 && time.Now().Before(w.end) {
			w.folder(path)
		}
	}
}

// list reads a folder with the rights of this process, or, if a share does not trust root,
// with the user's.
func (w *walk) list(at string) (list []os.DirEntry, err error) {
	f, err := os.Open(at)
	if errors.Is(err, fs.ErrPermission) {
		err = w.user.Do(func() error { f, err = os.Open(at); return err })
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, err = f.ReadDir(w.left + 1)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	slices.SortFunc(list, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list, err
}

// Sees reports whether the user can read all that was looked at.
func (s Sight) Sees() bool { return s.reads() && s.Listed.Shut == 0 }

// reads reports whether the user can read each file that was found.
func (s Sight) reads() bool { return len(s.Closed) == 0 && s.Folders.Shut == 0 && s.Files.Shut == 0 }

// Blind reports whether the user can read no file of it, though there is one, or may be.
func (s Sight) Blind() bool { return !s.reads() && s.Files.Shut == s.Files.All }

// String describes the files and folders that the user can't read, for example "user
// thumbd can't read 3 of 4 folders in /srv/gallery, for example /srv/gallery/2026".
func (s Sight) String() string {
	can := "user " + s.User + " can't "
	switch {
	case len(s.Closed) == 1 && s.Closed[0] == s.Folder:
		return can + "read " + s.Folder
	case len(s.Closed) > 0:
		return can + "read " + s.Folder + ": closed to it: " + strings.Join(s.Closed, ", ")
	case s.Folders.Shut > 0:
		return can + "read " + s.Folders.text("folders") + " in " + s.Folder + ", for example " + s.Folders.shut[0]
	case s.Files.Shut > 0 && s.Files.shut[0] == s.Folder:
		return can + "read " + s.Folder
	case s.Files.Shut > 0:
		return can + "read " + s.Files.text("files") + " in " + s.Folder + ", for example " + s.Files.shut[0]
	case s.Listed.Shut > 0:
		return can + "list " + s.Listed.text("folders") + " in " + s.Folder + ", for example " + s.Listed.shut[0] +
			": requests are served, and warm and watch can't find originals there"
	}
	return "user " + s.User + " can read " + s.Folder
}

func (c Count) text(kind string) string { return fmt.Sprintf("%d of %d %s", c.Shut, c.All, kind) }

// Cure returns the commands that let the user read the folder, with the files that come
// later: this user alone, not all users of the machine.
func (s Sight) Cure() []string {
	if s.Sees() {
		return nil
	}
	if s.Files.Shut == 1 && s.Files.shut[0] == s.Folder {
		return withACL(shell.Line("setfacl", "-m", "u:"+s.User+":r", s.Folder))
	}
	cure := entering(s.User, s.Folder, s.Closed)
	if len(cure) == len(s.Closed) && len(s.Closed) > 0 {
		return withACL(cure...)
	}
	return withACL(append(cure, shell.Line("setfacl", "-R", "-m", "u:"+s.User+":rX", "-m", "d:u:"+s.User+":rX", s.Folder))...)
}

// Writing returns the commands that let u write the folder at path. closed are the closed
// folders on the way; see asuser.User.Closed.
func Writing(u asuser.User, path string, closed []string) []string {
	cure := entering(u.Name, path, closed)
	if len(cure) > 0 {
		cure = withACL(cure...)
	}
	if slices.Contains(closed, path) {
		cure = append(cure, shell.Line("chown", u.Name+":", path))
	}
	return cure
}

// Making returns the commands that make the missing folder at path, so that u can write
// into it. at is the nearest existing folder above it.
func Making(u asuser.User, path, at string) ([]string, error) {
	closed, err := u.Closed(at, unix.X_OK)
	if err != nil {
		return nil, err
	}
	cure := entering(u.Name, path, closed)
	if len(cure) > 0 {
		cure = withACL(cure...)
	}
	return append(cure, Make(u.Name, path)), nil
}

// Make returns the command that makes a folder for a user to write into, for example
// "install -d -o thumbd /srv/thumbs".
func Make(user, folder string) string { return shell.Line("install", "-d", "-o", user, folder) }

// entering returns the commands that let a user enter the closed folders above path.
func entering(user, path string, closed []string) []string {
	var cure []string
	for _, folder := range closed {
		if folder != path {
			cure = append(cure, shell.Line("setfacl", "-m", "u:"+user+":x", folder))
		}
	}
	return cure
}

// withACL has the package of setfacl installed before it is used.
func withACL(commands ...string) []string {
	if _, err := exec.LookPath("setfacl"); err != nil {
		return append([]string{"apt install acl"}, commands...)
	}
	return commands
}
