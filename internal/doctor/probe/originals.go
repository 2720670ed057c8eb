// SPDX-License-Identifier: MIT

package probe

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"thumbd/internal/asuser"
	"thumbd/internal/config"
	"thumbd/internal/thumb"
)

// maxLooked is the most names of a folder of originals that are looked at. A folder may
// have millions.
const maxLooked = 20_000

// maxNames originals are enough to find one with a thumbnail missing.
const maxNames = 500

// Originals returns names of a site's originals, of at most that many bytes,
// that u can read, in the order of the folders.
//
// As in the daemon, the site's folder may be a link to a folder, and an original
// a link to a file below that folder.
func Originals(s *config.Site, most int64, u asuser.User) []string {
	// A walk does not follow a link that it begins at.
	folder, err := filepath.EvalSymlinks(s.Originals)
	if err != nil {
		return nil
	}
	var names []string
	looked := 0
	// If a part can't be read, it is left out; the daemon has reported the folder itself.
	_ = filepath.WalkDir(folder, func(at string, d fs.DirEntry, err error) error {
		looked++
		switch {
		case looked > maxLooked || len(names) == maxNames:
			return fs.SkipAll
		case err != nil:
			return fs.SkipDir
		case at != folder && strings.HasPrefix(d.Name(), "."):
			return skipped(d)
		case !isOriginal(s, folder, at, most):
			return nil
		}
		if in, err := u.Obstacle(at, unix.R_OK); err == nil && in == "" {
			names = append(names, strings.TrimPrefix(at, folder+"/"))
		}
		return nil
	})
	return names
}

// skipped leaves out d, and all that is in it.
func skipped(d fs.DirEntry) error {
	if d.IsDir() {
		return fs.SkipDir
	}
	return nil
}

// isOriginal goes by the extension; the worker goes by the bytes.
func isOriginal(s *config.Site, folder, at string, most int64) bool {
	if !thumb.IsNamed(at, s.OriginalFormats) {
		return false
	}
	file, err := filepath.EvalSymlinks(at)
	if err != nil || !strings.HasPrefix(file, folder+"/") {
		return false
	}
	fi, err := os.Stat(file)
	return err == nil && fi.Mode().IsRegular() && fi.Size() > 0 && fi.Size() <= most
}
