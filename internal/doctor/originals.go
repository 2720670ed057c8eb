// SPDX-License-Identifier: MIT

package doctor

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"thumbd/internal/asuser"
	"thumbd/internal/config"
	"thumbd/internal/thumb"
)

// maxLooked names of a folder of originals are looked at, which may have
// millions.
const maxLooked = 20_000

// maxNames originals are enough to find one with a thumbnail missing.
const maxNames = 500

// spelt are the extensions that are not the name of their format.
var spelt = map[string]string{"jpeg": "jpg", "jpe": "jpg", "tif": "tiff", "heif": "heic"}

// originalsOf returns names of a site's originals that the user can read, in
// the order of the folders. Where there are only others, blocked is the first.
func originalsOf(s *config.Site, most int64, name string) (names []string, blocked string) {
	u, err := asuser.Lookup(name, "")
	if err != nil {
		return nil, ""
	}
	looked := 0
	// What can't be read is left out; the daemon has told of the folder itself.
	_ = fs.WalkDir(os.DirFS(s.Originals), ".", func(at string, d fs.DirEntry, err error) error {
		if looked++; looked > maxLooked || len(names) == maxNames {
			return fs.SkipAll
		}
		if at != "." && strings.HasPrefix(path.Base(at), ".") || err != nil {
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || !isOriginal(s, at) {
			return nil
		}
		fi, err := d.Info()
		if err != nil || fi.Size() == 0 || fi.Size() > most {
			return nil
		}
		full := filepath.Join(s.Originals, at)
		if obstacle, err := obstacle(u, full, unix.R_OK); err == nil && obstacle == "" {
			names = append(names, at)
		} else if blocked == "" {
			blocked = full
		}
		return nil
	})
	if len(names) > 0 {
		blocked = ""
	}
	return names, blocked
}

// isOriginal goes by the extension; the worker goes by the bytes.
func isOriginal(s *config.Site, name string) bool {
	ext := strings.ToLower(strings.TrimPrefix(path.Ext(name), "."))
	if as, ok := spelt[ext]; ok {
		ext = as
	}
	return slices.ContainsFunc(s.OriginalFormats, func(f thumb.Format) bool { return f.String() == ext })
}
