// SPDX-License-Identifier: MIT

package thumb

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// ScaledSize stands in URIs of the layout wordpress in place of WxH for the picture
// that fits into 2560x2560: a-scaled.jpg.
const ScaledSize = "scaled"

// sizes reports whether s has URIs of the layout wordpress.
func (s *Site) sizes() bool { return s.Layout == WordPressLayout }

// cutSize returns the original and the size of a name of the layout wordpress:
// a/b.jpg and 300x200 of a/b-300x200.jpg.
func cutSize(name string) (original, size string, ok bool) {
	stem, ext := cutLast(name, '.')
	at := strings.LastIndexByte(stem, '-')
	if at < 1 || stem[at-1] == '/' || ext == "" {
		return "", "", false
	}
	size = stem[at+1:]
	if _, _, ok := parseSides(size); !ok && size != ScaledSize {
		return "", "", false
	}
	return stem[:at] + "." + ext, size, true
}

// SizeOf returns the name of the original if WordPress names a size, or its own copy, by
// this name: a.jpg for a-300x200.jpg, a-scaled.jpg and a-rotated.jpg.
func SizeOf(name string) (original string, ok bool) {
	original, _, ok = cutSize(name)
	if ok {
		return original, true
	}
	stem, ext := cutLast(name, '.')
	stem, ok = strings.CutSuffix(stem, "-rotated")
	return stem + "." + ext, ok
}

// withSize is the reverse of cutSize.
func withSize(original, size string) string {
	stem, ext := cutLast(original, '.')
	return stem + "-" + size + "." + ext
}

func parseSides(size string) (w, h int, ok bool) {
	across, down, _ := strings.Cut(size, "x")
	w, okWidth := parseWhole(across, 1, 999_999)
	h, okHeight := parseWhole(down, 1, 999_999)
	return w, h, okWidth && okHeight
}

// parseSized parses DIR/NAME-WxH.EXT. The preset of this size follows from the size of
// the original: see package geometry's Resolve.
func (t *Thumb) parseSized(rest string) error {
	original, size, ok := cutSize(rest)
	if !ok {
		return fmt.Errorf("%w: %q ends with no size", ErrUnknownPreset, rest)
	}
	f, _ := FormatOfName(original)
	if !t.Site.hasFormat(f) {
		return fmt.Errorf("%w: %q", ErrExtension, original)
	}
	_, t.Ext = cutLast(original, '.')
	t.Spec.Format, t.Size = f, size
	t.Spec.Width, t.Spec.Height, _ = parseSides(size)
	if size != ScaledSize && len(t.Site.Candidates(*t)) == 0 {
		return fmt.Errorf("%w: no preset can give %s", ErrUnknownPreset, size)
	}
	if t.Site.tooLarge(t.Spec) {
		return fmt.Errorf("%w: %q is over thumbnail_width x thumbnail_height", ErrUnknownPreset, size)
	}
	return t.setOriginal(original)
}

// newSized is New for a size of the layout wordpress.
func (s *Site) newSized(w Wanted) (Thumb, error) {
	if w != (Wanted{Original: w.Original, Size: w.Size}) || w.Size == "" {
		return Thumb{}, fmt.Errorf("%w: URIs of the layout wordpress have a size, such as 300x200, and nothing else", ErrMalformed)
	}
	t := Thumb{Site: s}
	err := s.CheckName(s.Prefix + withSize(w.Original, w.Size))
	if err == nil {
		err = t.parseSized(withSize(w.Original, w.Size))
	}
	return t, err
}

// Sized reports whether t's URI names a size and no preset, so that Transform needs
// package geometry's Resolve before it.
func (t Thumb) Sized() bool { return t.Size != "" && t.Site.sizes() }

// As returns t as the thumbnail of a preset, or of none, with exactly this size. t is
// Sized.
func (t Thumb) As(preset string, width, height int) Thumb {
	t.Preset, t.Spec.Width, t.Spec.Height = preset, width, height
	return t
}

// Candidates returns the names of the presets that could give t's size for some
// original, in the order of preference: the last preset in the configuration is first,
// because WordPress takes the last of its registered sizes.
func (s *Site) Candidates(t Thumb) []string {
	within := func(n, box int) bool { return box == 0 || n <= box }
	var names []string
	for name, p := range s.Presets {
		w, h := p.Transform.Width, p.Transform.Height
		if within(t.Spec.Width, w) && within(t.Spec.Height, h) && (t.Spec.Width == w || t.Spec.Height == h) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(s.Presets[b].Rank-s.Presets[a].Rank, strings.Compare(b, a))
	})
	return names
}

// Gives reports whether t may be a thumbnail of a preset.
func (t Thumb) Gives(preset string) bool {
	return t.Preset == preset || t.Sized() && slices.Contains(t.Site.Candidates(t), preset)
}

// sized returns t as the size of another original, if t's URI may name a size. t is of
// the scheme inplace, and its URI was taken for the name of an original.
func (t Thumb) sized() (Thumb, bool) {
	s := t
	if !t.Site.sizes() || t.Size != "" || s.parseSized(t.Original) != nil {
		return Thumb{}, false
	}
	if t.Spec.Format != 0 {
		s.Spec.Format = t.Spec.Format
	}
	return s, true
}

// sizedTransform returns the transform of t. t is Sized. If t has no preset yet, it
// returns the part that all presets have in common.
func (t Thumb) sizedTransform() Transform {
	r := t.Site.Presets[t.Preset].Transform
	r.Format, r.Width, r.Height = t.Spec.Format, t.Spec.Width, t.Spec.Height
	if r.Method == 0 || r.Method == Fit {
		r.Method = Stretch
	}
	r.Frames = 1
	return r
}

// SizesOf returns text that changes if the site's presets change so that t would be
// another picture of the same original. t is Sized.
func (t Thumb) SizesOf() string {
	var b strings.Builder
	if t.Size == ScaledSize {
		return ""
	}
	for _, name := range t.Site.Candidates(t) {
		p := t.Site.Presets[name].Transform
		p.Format = t.Spec.Format
		fmt.Fprintf(&b, " %s uncovered=%s", p, p.Uncovered)
		if p.MaxBytes != 0 {
			fmt.Fprintf(&b, " max_bytes=%d", p.MaxBytes)
		}
	}
	return b.String()
}
