// SPDX-License-Identifier: MIT

package thumb

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// Place is a place of published thumbnails in a tree.
type Place struct {
	// Name is the name of a file, or of a folder with everything in it: a decoded URI
	// without a slash at its end, for example /thumbs/animals/kitten.jpg.
	Name string
	// Files, if not nil, are the files of the folder Name that are meant, and no others.
	Files []string
	// Sizes, if not "", is the name of an original: all of its sizes in the layout
	// wordpress are meant too, and their variants.
	Sizes string
}

// Holds reports whether p means a file of a name in its folder.
func (p Place) Holds(file string) bool {
	if p.Files == nil || slices.Contains(p.Files, file) {
		return true
	}
	original, ok := OriginalOfSize(file)
	return ok && original == p.Sizes
}

// OriginalOfSize returns the name of a file's original if the file is a size of the
// layout wordpress or a variant of a size: a.jpg for a-300x200.jpg and
// a-300x200.jpg.webp.
func OriginalOfSize(file string) (original string, ok bool) {
	if uri, ext := cutLast(file, '.'); extensions[ext].String() == ext && negotiable(uri, extensions[ext]) {
		file = uri
	}
	original, _, ok = cutSize(file)
	return original, ok
}

// OfOriginal returns the places of all possible thumbnails of an original. In the signed
// schemes this is a folder. A Place may be the tree's own folder, for example /uploads
// of the prefix /uploads/.
func (s *Site) OfOriginal(original string) []Place {
	if s.Scheme == InPlace {
		folder, base := path.Split(s.Prefix + original)
		p := Place{Name: strings.TrimSuffix(folder, "/"), Files: variants(base)}
		if s.sizes() {
			p.Sizes = base
		}
		return []Place{p}
	}
	if s.sizes() {
		folder, base := path.Split(s.Prefix + original)
		return []Place{{Name: strings.TrimSuffix(folder, "/"), Files: []string{}, Sizes: base}}
	}
	if s.Scheme != PresetScheme {
		return []Place{{Name: s.Prefix + original}}
	}
	folder, base := path.Split(original)
	files := s.Layout.files(base)
	if len(files) == 0 {
		return nil
	}
	var places []Place
	for _, head := range s.heads() {
		places = append(places, Place{Name: strings.TrimSuffix(head+"/"+folder, "/"), Files: files})
	}
	if s.HasInfo() {
		places = append(places, Place{Name: strings.TrimSuffix(s.Prefix+InfoName+"/"+folder, "/"), Files: []string{base + "." + JSON.String()}})
	}
	return places
}

// files returns all names that thumbnails of an original with the name base can have,
// with any formats of the preset and of negotiation, because the configuration may
// have changed since. Some names may be of another original: a.png.webp is of a.png, or
// of a.png.webp.
func (l Layout) files(base string) []string {
	own, ok := FormatOfName(base)
	if !ok {
		return nil
	}
	var names []string
	if own.Thumbnail() {
		names = append(names, base)
	}
	names = append(names, l.appended(base)...)
	for _, name := range slices.Clip(names) {
		names = append(names, variants(name)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// variants returns the names that the variants of a file can have.
func variants(name string) []string {
	names := []string{}
	for _, f := range Variants() {
		if negotiable(name, f) {
			names = append(names, name+"."+f.String())
		}
	}
	return names
}

// Below returns the places of the thumbnails of the originals below a folder.
func (s *Site) Below(folder string) []Place {
	if s.Scheme != PresetScheme || s.sizes() {
		return []Place{{Name: s.Prefix + folder}}
	}
	var places []Place
	for _, head := range s.heads() {
		places = append(places, Place{Name: head + "/" + folder})
	}
	if s.HasInfo() {
		places = append(places, Place{Name: s.Prefix + InfoName + "/" + folder})
	}
	return places
}

// OfPreset returns the places of the thumbnails of a preset, NAME with all its NAME@Nx
// and NAME-Nw. If places do not follow from the preset's name alone in the scheme, ok is
// false.
func (s *Site) OfPreset(preset string) (places []Place, ok bool) {
	if s.Scheme != PresetScheme || s.sizes() {
		return nil, false
	}
	for _, n := range []int{0, 2, 3, 4} {
		t := Thumb{Preset: preset, Spec: Transform{DPR: n}}
		places = append(places, Place{Name: s.Prefix + t.presetText()})
	}
	for _, name := range s.Ladder(preset) {
		places = append(places, Place{Name: s.Prefix + name})
	}
	return places, true
}

// heads returns the beginnings of thumbnails' names in the preset scheme, before a slash
// and the original.
func (s *Site) heads() []string {
	var heads []string
	for _, name := range s.PresetNames() {
		if !s.isInfo(name) {
			heads = append(heads, s.Prefix+s.head(name))
		}
	}
	return heads
}

// Sizes returns the names of one preset in URIs, for example card, card@2x and card-800w.
func (s *Site) Sizes(preset string) []string {
	names := []string{preset}
	for _, n := range s.Presets[preset].DPR {
		t := Thumb{Preset: preset, Spec: Transform{DPR: n}}
		names = append(names, t.presetText())
	}
	return append(names, s.Ladder(preset)...)
}

// Ladder returns the names NAME-Nw of a preset, for example card-800w, in the order of its
// widths in the configuration.
func (s *Site) Ladder(preset string) []string {
	var names []string
	for _, n := range s.Presets[preset].Widths {
		t := Thumb{Preset: preset, Spec: Transform{Width: n}}
		names = append(names, t.presetText())
	}
	return names
}

// Expand returns the names that a name in a list of presets stands for: "hero-*" for
// all hero-Nw, any other for itself.
func (s *Site) Expand(name string) []string {
	if preset, ok := strings.CutSuffix(name, "-*"); ok {
		if names := s.Ladder(preset); len(names) > 0 {
			return names
		}
	}
	return []string{name}
}

// PresetNames returns all names of presets in URIs: NAME, NAME@Nx and NAME-Nw. If the
// site has factors, each name has /FACTOR. Wanted.Preset takes these names.
func (s *Site) PresetNames() []string {
	var names []string
	if s.sizes() {
		return nil
	}
	for name := range s.Presets {
		names = append(names, s.Sizes(name)...)
	}
	slices.Sort(names)
	if len(s.Factors) == 0 {
		return names
	}
	var factored []string
	for _, name := range names {
		if s.isInfo(name) {
			factored = append(factored, name)
			continue
		}
		for _, n := range s.Factors {
			factored = append(factored, name+"/"+strconv.Itoa(n))
		}
	}
	return factored
}
