// SPDX-License-Identifier: MIT

package keep

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"thumbd/internal/admin"
	"thumbd/internal/originals"
	"thumbd/internal/sign"
	"thumbd/internal/thumb"
)

// ErrSelection means that a site has none of the selected thumbnails.
var ErrSelection = errors.New("nothing to make is selected")

// mostSelected is the most thumbnails that a form may select of one original. The
// list of all of them is in memory.
const mostSelected = 1000

// checkSelection returns an error if a selection is wrong for all originals.
func (s *Site) checkSelection(selection admin.Selection) error {
	if s.Thumb.Scheme == thumb.InPlace {
		if len(selection.Presets)+len(selection.Specs)+len(selection.Formats) > 0 {
			return fmt.Errorf("%w: the site %s has the scheme inplace, which makes the variants of each original and nothing else", ErrSelection, s.Thumb.Name)
		}
		return nil
	}
	if s.Thumb.Layout == thumb.WordPressLayout {
		return s.checkPresetsOfSizes(selection)
	}
	if len(selection.Presets) == 0 && len(selection.Specs) == 0 && len(s.Thumb.Presets) == 0 {
		return fmt.Errorf("%w: the site %s has no presets", ErrSelection, s.Thumb.Name)
	}
	if s.Thumb.Scheme == thumb.PresetScheme && len(selection.Specs) > 0 {
		return fmt.Errorf("%w: the site %s has the scheme preset, which makes presets alone", ErrSelection, s.Thumb.Name)
	}
	if s.Thumb.Scheme == thumb.RestThumbnails && (len(selection.Specs) == 0 || len(selection.Presets) > 0) {
		return fmt.Errorf("%w: the site %s has the scheme restthumbnails, which has no presets", ErrSelection, s.Thumb.Name)
	}
	if _, ok := s.Originals.(originals.Teller); !ok && !selection.Since.IsZero() {
		return fmt.Errorf("%w: since can't be used: the times of originals of the site %s are known only after they are fetched", ErrSelection, s.Thumb.Name)
	}
	explicit := len(selection.Presets)+len(selection.Specs)+len(selection.Formats) > 0
	if n := len(s.wanted(selection)); explicit && n > mostSelected {
		return fmt.Errorf("%w: %d thumbnails of each original, the most are %d", ErrSelection, n, mostSelected)
	}
	if !explicit {
		return nil
	}
	// Of an original that can be anything.
	_, err := s.selected(selection, "a.jpg")
	return err
}

// checkPresetsOfSizes is checkSelection for the layout wordpress of the scheme preset.
func (s *Site) checkPresetsOfSizes(selection admin.Selection) error {
	if len(selection.Specs)+len(selection.Formats) > 0 {
		return fmt.Errorf("%w: the site %s has layout = \"wordpress\", so it has only the sizes of presets, in the original's format", ErrSelection, s.Thumb.Name)
	}
	for _, name := range selection.Presets {
		if _, ok := s.Thumb.Presets[name]; !ok {
			return fmt.Errorf("%w: %w: the site %s has no preset %q", ErrSelection, thumb.ErrUnknownPreset, s.Thumb.Name, name)
		}
	}
	return nil
}

// selected returns the thumbnails of an original that selection says, with the
// variants that nginx negotiates, each once. The sizes of the layout wordpress are not
// among them: see missingSizes.
func (s *Site) selected(selection admin.Selection, original string) ([]Request, error) {
	if s.Thumb.Scheme == thumb.InPlace {
		t, err := s.Thumb.New(thumb.Wanted{Original: original})
		return s.ask(t), err
	}
	if s.Thumb.Layout == thumb.WordPressLayout {
		return nil, nil
	}
	var list []Request
	for _, w := range s.wanted(selection) {
		w.Original = original
		t, err := s.Thumb.New(w)
		if err != nil {
			return nil, err
		}
		list = append(list, s.ask(t)...)
	}
	return unique(list), nil
}

// wanted returns the thumbnails of each original that selection selects. If selection has
// no formats, they are in the original's own format, and in the formats of each preset.
func (s *Site) wanted(selection admin.Selection) []thumb.Wanted {
	presets := selection.Presets
	if len(presets) == 0 && len(selection.Specs) == 0 {
		presets = s.Thumb.PresetNames()
	}
	var list []thumb.Wanted
	add := func(w thumb.Wanted, formats []string) {
		if len(selection.Formats) > 0 {
			formats = selection.Formats
		}
		for _, w.Ext = range formats {
			list = append(list, w)
		}
	}
	for _, preset := range presets {
		for _, name := range s.Thumb.Expand(preset) {
			add(thumb.Wanted{Preset: name}, s.Thumb.Extensions(name))
		}
	}
	for _, spec := range selection.Specs {
		size, method, _ := strings.Cut(spec, "_")
		add(thumb.Wanted{Size: size, Method: method}, []string{""})
	}
	return list
}

// unique leaves out an entry if its name came before.
func unique(list []Request) []Request {
	seen := make(map[string]bool, len(list))
	return slices.DeleteFunc(list, func(a Request) bool {
		before := seen[a.Name]
		seen[a.Name] = true
		return before
	})
}

// ask returns the thumbnails that clients can get by t's URI: t, signed, and the variants
// that nginx negotiates in its place.
func (s *Site) ask(t thumb.Thumb) []Request {
	if t.Site.Scheme.HasKeys() {
		t.Signature = sign.Sign(t, t.Site.Keys[0])
	}
	uri := t.URI()
	var list []Request
	if s.Thumb.Scheme != thumb.InPlace {
		list = append(list, Request{Site: s, thumb: t, transform: t.Transform(), URI: uri, Name: uri})
	}
	for _, f := range s.Thumb.Negotiate {
		a := Request{Site: s, thumb: t, transform: t.WithFormat(f), URI: uri, Name: uri + "." + f.String()}
		if s.Thumb.Negotiates(uri, f) && t.Site.CheckName(a.Name) == nil {
			list = append(list, a)
		}
	}
	return list
}

// original returns the name of an original that a list may have as its path.
func (s *Site) original(name string) string {
	if _, ok := s.Originals.(originals.Lister); !ok {
		return name
	}
	if below, ok := strings.CutPrefix(name, strings.TrimSuffix(s.Originals.Path(""), "/")+"/"); ok {
		return below
	}
	return strings.TrimPrefix(name, "./")
}

// isSince reports whether an original was changed at a time or later. If its time is not
// known, isSince reports true.
func (s *Site) isSince(original string, since time.Time) bool {
	teller, ok := s.Originals.(originals.Teller)
	if !ok || since.IsZero() {
		return true
	}
	info, err := teller.Stat(original)
	return err != nil || !info.Written().Before(since)
}
