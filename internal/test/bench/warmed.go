// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/jpeg"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"thumbd/internal/thumb"
)

// square is the box of a default preset.
type square struct {
	preset string
	side   int
}

// squares returns the squares of the default presets, from small to large.
func squares() (all []square) {
	for name, p := range thumb.DefaultPresets() {
		all = append(all, square{preset: name, side: p.Transform.Width})
	}
	slices.SortFunc(all, func(a, b square) int { return cmp.Compare(a.side, b.side) })
	return all
}

// made is the thumbnails of a tree.
type made struct {
	thumbnails map[string]header // by preset and the original's base
	bytes      int64
}

// header has a thumbnail's format and size, read from its file.
type header struct {
	size        image.Point
	progressive bool
}

// look returns the thumbnails below root. root has a folder for each preset, or a folder
// thumbs with these folders.
func look(root string) (made, error) {
	m := made{thumbnails: make(map[string]header)}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Name() == ".thumbd":
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		below := strings.TrimPrefix(strings.TrimPrefix(path, root+"/"), "thumbs/")
		preset, _, _ := strings.Cut(below, "/")
		return m.add(preset+" "+d.Name(), path)
	})
	return m, err
}

func (m *made) add(name, path string) error {
	if _, ok := m.thumbnails[name]; ok {
		return fmt.Errorf("%s is there twice", name)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	c, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	m.bytes += int64(len(data))
	// The marker SOF2. Encoded pixels have no such bytes.
	m.thumbnails[name] = header{image.Pt(c.Width, c.Height), bytes.Contains(data, []byte("\xff\xc2"))}
	return nil
}

// check returns an error unless m has n thumbnails, the same as another tree but
// for a pixel of their sizes that libvips rounds otherwise.
func (m made) check(other made, n int) error {
	if len(m.thumbnails) != n {
		return fmt.Errorf("%d thumbnails instead of %d", len(m.thumbnails), n)
	}
	for name, want := range other.thumbnails {
		got, ok := m.thumbnails[name]
		d := got.size.Sub(want.size)
		if !ok || got.progressive != want.progressive || d.X*d.X+d.Y*d.Y > 1 {
			return fmt.Errorf("%s: %+v instead of %+v", name, got, want)
		}
	}
	return nil
}
