// SPDX-License-Identifier: MIT

package purge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"thumbd/internal/publish"
	"thumbd/internal/recipe"
	"thumbd/internal/thumb"
)

// ErrScope means that a Scope has no field set, more than one, or an impossible
// name.
var ErrScope = errors.New("not a scope of a purge")

// ErrNoPreset means that the site does not have the preset.
var ErrNoPreset = errors.New("the site has no such preset")

// Scope names the thumbnails of a site that a purge includes. Exactly one field
// is set.
type Scope struct {
	All       bool
	Originals []string // names below the site's originals
	Under     string   // a folder of originals
	Preset    string   // NAME, which has NAME@Nx with it
}

// Purge is a set of thumbnails of one site: the thumbnails of a Scope, or the thumbnails
// that a changed configuration renders differently. It is immutable.
type Purge struct {
	Covers Covers
	// Original reports whether the purge includes thumbnails of an original because the
	// original may have changed. It is nil if only the configuration has changed.
	Original func(name string) bool
	// KeepCopies is true if the purge is about no original in particular: copies of
	// originals that are elsewhere stay, as long as they are good.
	KeepCopies bool

	all    bool
	places []thumb.Place
	// names are originals. Their places are found when they are taken: there
	// are 54 names of files for each in six presets.
	names []string
	// walk is true if Take must look at each name: in the folders walked, or in
	// the whole tree if there are none.
	walk   bool
	walked []string
	site   *thumb.Site
}

// Of returns the purge of the thumbnails of site that s names.
func (s Scope) Of(site *thumb.Site) (*Purge, error) {
	ways := 0
	for _, is := range []bool{s.All, len(s.Originals) > 0, s.Under != "", s.Preset != ""} {
		if is {
			ways++
		}
	}
	if ways != 1 {
		return nil, fmt.Errorf("%w: want originals, a folder, a preset or all", ErrScope)
	}
	p := &Purge{site: site, Original: func(string) bool { return true }}
	var err error
	switch {
	case s.All:
		p.all, p.Covers = true, everything
	case s.Under != "":
		err = p.below(strings.TrimSuffix(s.Under, "/"))
	case s.Preset != "":
		err = p.preset(s.Preset)
	default:
		err = p.originals(s.Originals)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Purge) originals(names []string) error {
	asked := make(map[string]bool, len(names))
	for _, name := range names {
		if err := p.check(name); err != nil {
			return err
		}
		asked[name] = true
	}
	p.names = names
	p.Original = func(name string) bool { return asked[name] }
	p.Covers = func(_ string, t thumb.Thumb) bool {
		return slices.ContainsFunc(t.Readings(), func(r thumb.Thumb) bool { return asked[r.Original] })
	}
	return nil
}

func (p *Purge) below(folder string) error {
	if err := p.check(folder); err != nil {
		return err
	}
	p.places = p.site.Below(folder)
	p.Original = func(name string) bool { return strings.HasPrefix(name, folder+"/") }
	p.Covers = func(_ string, t thumb.Thumb) bool { return p.Original(t.Original) }
	return nil
}

func (p *Purge) preset(name string) error {
	if _, ok := p.site.Presets[name]; !ok {
		return fmt.Errorf("%w: %q", ErrNoPreset, name)
	}
	places, ok := p.site.OfPreset(name)
	p.places, p.walk, p.KeepCopies = places, !ok, true
	p.Covers = func(_ string, t thumb.Thumb) bool {
		return slices.ContainsFunc(t.Readings(), func(r thumb.Thumb) bool { return r.Gives(name) })
	}
	return nil
}

// check returns ErrScope unless name is a name below the originals.
func (p *Purge) check(name string) error {
	if err := p.site.CheckName(p.site.Prefix + name); err != nil {
		return fmt.Errorf("%w: %q: %w", ErrScope, name, err)
	}
	return nil
}

// Changed returns the purge of the thumbnails that site's new configuration
// renders differently.
func Changed(site *thumb.Site, c recipe.Change) *Purge {
	p := &Purge{site: site, Covers: func(name string, _ thumb.Thumb) bool { return c.Of(name) }}
	folders, ok := c.Folders()
	if !ok {
		p.walk = c.Any()
		return p
	}
	for _, f := range folders {
		if f.Whole {
			p.places = append(p.places, thumb.Place{Name: f.Name})
		} else {
			p.walk, p.walked = true, append(p.walked, f.Name)
		}
	}
	return p
}

// Names returns the originals of a purge by names, and nil for every other purge.
func (p *Purge) Names() []string { return p.names }

// Bytes returns about how much memory Covers takes.
func (p *Purge) Bytes() int {
	const least, entry = 256, 64 // of a function, and of a name in a map
	n := least
	for _, name := range p.names {
		n += entry + len(name)
	}
	return n
}

// Take moves the thumbnails of p from the site's tree into bin. Unless p.Covers
// is in the tree's Ledger, a render in flight may publish them again.
func (p *Purge) Take(ctx context.Context, tree *publish.Tree, bin *publish.Bin) error {
	if p.all {
		return bin.TakeAll()
	}
	if err := take(bin, p.places); err != nil {
		return err
	}
	if err := p.takeOriginals(ctx, tree, bin); err != nil {
		return err
	}
	if !p.walk {
		return nil
	}
	return tree.Walk(ctx, p.walked, func(name string) error {
		t, err := p.site.Published(name)
		// A name that this configuration does not know may be of an earlier one.
		if err != nil {
			t = thumb.Thumb{}
		}
		if p.Covers(name, t) {
			return bin.Take(name)
		}
		return nil
	})
}

// takeOriginals moves the thumbnails of the originals that p names. It reads each
// folder with sizes once, however many of the originals are in it.
func (p *Purge) takeOriginals(ctx context.Context, tree *publish.Tree, bin *publish.Bin) error {
	files := make(map[string][]string)            // by folder
	originals := make(map[string]map[string]bool) // by folder, those whose sizes are meant
	for _, name := range p.names {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, place := range p.site.OfOriginal(name) {
			if place.Sizes == "" {
				if err := take(bin, []thumb.Place{place}); err != nil {
					return err
				}
				continue
			}
			if originals[place.Name] == nil {
				originals[place.Name] = make(map[string]bool)
			}
			originals[place.Name][place.Sizes] = true
			files[place.Name] = append(files[place.Name], place.Files...)
		}
	}
	for folder, names := range originals {
		found, err := tree.Names(folder, func(file string) bool {
			original, ok := thumb.OriginalOfSize(file)
			return ok && names[original]
		})
		if err := errors.Join(ctx.Err(), err); err != nil {
			return err
		}
		if err := bin.TakeFiles(folder, append(files[folder], found...)); err != nil {
			return err
		}
	}
	return nil
}

// Files returns the files of a place in a tree, or nil if it is a whole folder.
func Files(tree *publish.Tree, place thumb.Place) ([]string, error) {
	if place.Sizes == "" {
		return place.Files, nil
	}
	found, err := tree.Names(place.Name, place.Holds)
	return append(slices.Clip(place.Files), found...), err
}

// take moves the files and folders at places into bin. No place has Sizes.
func take(bin *publish.Bin, places []thumb.Place) error {
	for _, place := range places {
		var err error
		if place.Files != nil {
			err = bin.TakeFiles(place.Name, place.Files)
		} else {
			err = bin.Take(place.Name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
