// SPDX-License-Identifier: MIT

package thumb

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Layout is the place of the preset and the original in URIs of the preset scheme. The
// scheme inplace can have WordPressLayout.
// The zero Layout is PresetLayout.
type Layout uint8

// The layouts, as thumbd-url(7) describes them. An example of each, for the
// original a/b.jpg:
//
//	small/a/b.jpg           PresetLayout
//	small/a/b.jpg           LiipLayout, and resolve/small/a/b.jpg
//	small/public/a/b.jpg    DrupalLayout
//	a/b-300x200.jpg         WordPressLayout, and a/b-scaled.jpg
const (
	PresetLayout Layout = iota
	LiipLayout
	DrupalLayout
	WordPressLayout
)

// layouts has one row for each layout.
var layouts = [...]struct {
	name string
	// inner is the folder between the preset and the original, for example
	// "/public", or "".
	inner string
}{
	PresetLayout: {name: "preset"},
	LiipLayout:   {name: "liip"},
	DrupalLayout: {name: "drupal", inner: "/public"},
	// Its URIs name sizes and no presets.
	WordPressLayout: {name: "wordpress"},
}

var layoutNames = func() (names []string) {
	for _, l := range layouts {
		names = append(names, l.name)
	}
	return names
}()

// String returns the layout's name in TOML.
func (l Layout) String() string { return layouts[l].name }

// MarshalText implements encoding.TextMarshaler.
func (l Layout) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText accepts the text of String alone.
func (l *Layout) UnmarshalText(b []byte) error {
	i, err := unmarshalName(layoutNames, b)
	*l = Layout(i)
	return err
}

// Inner returns the folder that lies between a preset and the originals in URIs,
// for example "/public", or "" if there is none.
func (l Layout) Inner() string { return layouts[l].inner }

// LiipResolve is the name in Liip's URLs that stands in place of a preset: resolve/small/a.jpg
// is answered with a redirect to small/a.jpg.
const LiipResolve = "resolve"

// ErrElsewhere is, by errors.Is, each Elsewhere.
var ErrElsewhere = errors.New("the thumbnail has another URI")

// Elsewhere is Parse's error for a URI that stands for the thumbnail of another
// URI, for example /media/cache/resolve/small/a.jpg for /media/cache/small/a.jpg.
type Elsewhere struct {
	URI string // of the thumbnail, decoded
}

// Error has the thumbnail's URI.
func (e Elsewhere) Error() string { return fmt.Sprintf("%v: %q", ErrElsewhere, e.URI) }

// Is reports whether target is ErrElsewhere.
func (e Elsewhere) Is(target error) bool { return target == ErrElsewhere }

// parseResolve parses PRESET/NAME behind LiipResolve. It returns an Elsewhere, or the
// error of the URI that the Elsewhere would have.
func (t *Thumb) parseResolve(rest string) error {
	if err := t.parsePreset(rest); err != nil {
		return err
	}
	return Elsewhere{URI: t.URI()}
}

// cut returns the original that NAME in a URI of a preset is of, and whether
// an extension was taken off for that.
func (s *Site) cut(preset, name string) (original string, ok bool) {
	p := s.Presets[preset]
	if s.Layout != DrupalLayout {
		return p.cut(name)
	}
	// Drupal appends the extension of a style that converts, unless the
	// original's is the very same: a.jpg.webp, a.JPG.jpg, a.jpg.jpeg.
	stem, ext := cutLast(name, '.')
	_, own := cutLast(stem, '.')
	f, known := extensions[ext]
	if _, is := FormatOfName(stem); !known || !is || own == ext || !slices.Contains(p.Formats, f) {
		return name, false
	}
	return stem, true
}

// Readings returns the thumbnails that t's URI may name, in the order of preference: the
// URI names the first thumbnail with an existing original, or the last one. Two cases
// have several readings. In the layout drupal, small/public/a.jpg.webp is of the original
// a.jpg.webp, and if this does not exist, of a.jpg as WebP. In the layout wordpress of the
// scheme inplace, a-300x200.jpg is the original of this name, and if this does not
// exist, a size of a.jpg.
func (t Thumb) Readings() []Thumb {
	if t.Site != nil && t.Site.Scheme == InPlace {
		if s, ok := t.sized(); ok {
			return []Thumb{t, s}
		}
	}
	if t.Site == nil || t.Site.Scheme != PresetScheme || t.Site.Layout != DrupalLayout || t.Site.isInfo(t.Preset) {
		return []Thumb{t}
	}
	whole := t
	if t.Appended {
		whole.Original, whole.Appended = t.Original+"."+t.Ext, false
	}
	cut := whole
	var ok bool
	if cut.Original, ok = t.Site.cut(t.Preset, whole.Original); !ok {
		return []Thumb{whole}
	}
	cut.Appended = true
	// The file of this name may be the variant of cut.Original's own URI.
	if t.Site.Negotiates(cut.Original, extensions[t.Ext]) {
		return []Thumb{cut}
	}
	return []Thumb{whole, cut}
}

// Reading returns the first of t.Readings if exists is true for its original, then the
// next, or the last one.
func (t Thumb) Reading(exists func(original string) bool) Thumb {
	readings := t.Readings()
	last := len(readings) - 1
	for _, r := range readings[:last] {
		if exists(r.Original) {
			return r
		}
	}
	return readings[last]
}

// appended returns the names that files of an original with the name base can
// have by an extension behind it.
func (l Layout) appended(base string) []string {
	own, _ := FormatOfName(base)
	var names []string
	for _, f := range ThumbnailFormats() {
		switch {
		case l == DrupalLayout:
			for _, ext := range formats[f].extensions {
				if !strings.HasSuffix(base, "."+ext) {
					names = append(names, base+"."+ext)
				}
			}
		case f != own:
			names = append(names, base+"."+f.String())
		}
	}
	return names
}
