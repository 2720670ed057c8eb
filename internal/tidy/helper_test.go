// SPDX-License-Identifier: MIT

package tidy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thumbd/internal/originals"
	"thumbd/internal/publish"
	"thumbd/internal/route"
	"thumbd/internal/thumb"
)

const (
	signature = "0123456789abcdefghijklmnopqr"
	secret    = "0123456789abcdef0123456789abcdef01234567"
	prefix    = "/thumbs/"
)

// mtime is that of originals. Its nanoseconds count.
var mtime = time.Unix(1_600_000_000, 123_456_789)

// place is a tree and its originals on disk.
type place struct {
	testing.TB
	Site
	top string
}

func newPlace(t testing.TB, scheme thumb.Scheme) *place {
	t.Helper()
	p := &place{TB: t, top: t.TempDir()}
	p.Site = siteAt(p.top)
	p.Thumb.Scheme = scheme
	t.Cleanup(func() {
		p.Originals.(*originals.Dir).Close()
		p.Tree.Close()
	})
	p.original("other.jpg")
	return p
}

// siteAt is the site of the signed scheme with its tree and originals in top.
func siteAt(top string) Site {
	site := &thumb.Site{
		Route: route.Route{Name: "gallery", Prefix: prefix}, DocumentRoot: filepath.Join(top, "root"), Scheme: thumb.Signed,
		Formats: []thumb.Format{thumb.JPEG, thumb.PNG, thumb.WebP}, Presets: thumb.DefaultPresets(), MaxWidth: 4096, MaxHeight: 4096,
	}
	return Site{
		Thumb:     site,
		Originals: originals.New(filepath.Join(top, "media"), 1<<20),
		Tree:      publish.New(site.DocumentRoot, prefix, nil),
	}
}

func statOf(t testing.TB, path string) *unix.Stat_t {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	return &st
}

func (p *place) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

func (p *place) write(path string) {
	p.Helper()
	err := os.WriteFile(path, []byte("a picture"), 0o644)
	if errors.Is(err, fs.ErrNotExist) {
		p.must(os.MkdirAll(filepath.Dir(path), 0o755))
		err = os.WriteFile(path, []byte("a picture"), 0o644)
	}
	p.must(err)
}

// original makes an original.
func (p *place) original(name string) string {
	p.Helper()
	path := filepath.Join(p.top, "media", name)
	p.write(path)
	p.must(os.Chtimes(path, mtime, mtime))
	return path
}

// file makes a file of the tree as publish does, and as it is after it was last
// read at used, which counts if it is later than now.
func (p *place) file(name string, used time.Time) string {
	p.Helper()
	path := filepath.Join(p.Thumb.DocumentRoot, prefix, name)
	p.write(path)
	p.must(os.Chtimes(path, used, mtime))
	return path
}

// list returns the files and empty folders of the tree, but those of gc.
func (p *place) list() []string {
	p.Helper()
	dir := filepath.Join(p.Thumb.DocumentRoot, prefix)
	var names []string
	p.must(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name := strings.TrimPrefix(path, dir+"/")
		if d.IsDir() {
			if entries, err := os.ReadDir(path); err != nil || len(entries) > 0 {
				return err
			}
			name += "/"
		}
		if name != publish.OwnDir+"/" && name != lockName && name != stateName {
			names = append(names, name)
		}
		return nil
	}))
	return names
}

func (p *place) run(o Options) Summary {
	p.Helper()
	sum, err := Run(p.Context(), p.Site, o)
	p.must(err)
	return sum
}

// atime has a test's disk be as one with strictatime.
func atime(flags int64) func(string, time.Time) (clock, error) {
	return func(_ string, now time.Time) (clock, error) { return clock{now, flags}, nil }
}

// signed is the name of a thumbnail in the signed scheme.
func signed(original string, width int) string {
	return fmt.Sprintf("%s/%dx_fit_%s.jpg", original, width, signature)
}
