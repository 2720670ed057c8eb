// SPDX-License-Identifier: MIT

// Package recipe finds the published thumbnails that another configuration would
// render differently, and reports whether a published file is the thumbnail of the
// present version of an original.
//
// A thumbnail's picture depends on its original, on its name, and on its site's
// settings. The settings are kept once for a tree, in .thumbd/settings.json;
// nothing is kept for a single file.
package recipe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"thumbd/internal/route"
	"thumbd/internal/stamp"
	"thumbd/internal/thumb"
	"thumbd/internal/thumb/thumbjson"
)

// Settings are the settings of a site on which its pictures depend, for example its
// presets. They are immutable. The zero Settings belong to no site.
type Settings struct {
	site  *thumb.Site
	marks map[string]string
	// mtime is the kind of modification time that the tree's thumbnails have: stamped,
	// or 0 if an older thumbd may have given some of them the original's own.
	mtime int
}

// stamped are the modification times of package stamp.
const stamped = 2

// Of returns the settings of a site. marks has, for the name of each watermark,
// text that identifies the content of its image, for example a hash.
//
// The settings are for a tree that may have thumbnails with the modification time of
// their original. If it has none, call Stamped.
func Of(s *thumb.Site, marks map[string]string) Settings {
	return Settings{site: stripped(s), marks: marks}
}

// Stamped returns s for a tree if each thumbnail has the modification time of package
// stamp, because no older thumbd has published into the tree.
func (s Settings) Stamped() Settings {
	s.mtime = stamped
	return s
}

// After returns s for the tree that before has made: its thumbnails stay.
func (s Settings) After(before Settings) Settings {
	s.mtime = before.mtime
	return s
}

// Mark returns the text that identifies the content of a watermark's image, or ""
// if the content is not known.
func (s Settings) Mark(watermark string) string { return s.marks[watermark] }

// stripped returns a copy of s with only the fields on which pictures depend. If a format
// is added or removed, or a limit changes, no picture changes.
func stripped(s *thumb.Site) *thumb.Site {
	c := &thumb.Site{
		Route: route.Route{Prefix: s.Prefix}, Scheme: s.Scheme, Layout: s.Layout, Factors: s.Factors, Watermarks: s.Watermarks,
		Enlarge: s.Enlarge, Quality: s.Quality, Metadata: s.Metadata, FramesOver: s.FramesOver, Variants: s.Variants,
		Formats: formats, MaxWidth: math.MaxInt, MaxHeight: math.MaxInt,
		Presets: make(map[string]thumb.Preset),
	}
	for name, p := range s.Presets {
		p.Formats = formats
		// Any format does: the text needs one, and the name decides.
		p.Transform.Format = thumb.JPEG
		c.Presets[name] = p
	}
	return c
}

var formats = thumb.ThumbnailFormats()

// MarshalJSON implements json.Marshaler.
func (s Settings) MarshalJSON() ([]byte, error) {
	c := s.site
	return json.Marshal(text{
		c.Prefix, c.Scheme.String(), c.Layout, each(c.Presets, writtenPreset),
		each(c.Watermarks, func(w thumb.Watermark) thumbjson.Watermark { return thumbjson.Watermark(w) }), s.marks,
		c.Factors, c.Enlarge, c.Quality, c.Metadata, c.FramesOver, variants(c.Variants), s.mtime,
	})
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *Settings) UnmarshalJSON(b []byte) error {
	var t text
	if err := json.Unmarshal(b, &t); err != nil {
		return err
	}
	site := thumb.Site{
		Route: route.Route{Prefix: t.Prefix}, Layout: t.Layout, Presets: each(t.Presets, readPreset),
		Watermarks: each(t.Watermarks, func(w thumbjson.Watermark) thumb.Watermark { return thumb.Watermark(w) }), Factors: t.Factors,
		Enlarge: t.Enlarge, Quality: t.Quality, Metadata: t.Metadata, FramesOver: t.FramesOver, Variants: thumb.VariantRules(t.Variants),
	}
	if err := site.Scheme.UnmarshalText([]byte(t.Scheme)); err != nil {
		return fmt.Errorf("scheme: %w", err)
	}
	*s = Of(&site, t.Marks)
	s.mtime = t.Mtime
	return nil
}

// recipe has everything on which a picture depends except its original, for example the
// transform. It is comparable.
type recipe struct {
	original  string
	transform thumb.Transform
	mark      string
	sizes     string // of the presets that can give the size of the layout wordpress
}

// of returns the recipe of the published file of that name. ok is false if these
// settings publish no such file.
func (s Settings) of(name string) (recipe, bool) {
	t, err := s.site.Published(name)
	if err != nil {
		return recipe{}, false
	}
	var sizes string
	for _, reading := range t.Readings() {
		if reading.Sized() {
			sizes = reading.SizesOf()
		}
	}
	return recipe{t.Original, s.plain(t), s.marks[t.Transform().Watermark.Name], sizes}, true
}

// publishes reports whether these settings publish a file of that name.
func (s Settings) publishes(name string) bool {
	_, ok := s.of(name)
	return ok
}

// text is equal for equal recipes of one original alone, for example
//
//	400x300_crop_q=82.webp enlarge=false metadata=none
//
// It is part of published modification times: another text for the same recipe
// would have every thumbnail rendered again.
func (r recipe) text() string {
	t := r.transform
	text := fmt.Sprintf("%s enlarge=%t metadata=%s", t, t.Enlarge, t.Metadata)
	if t.FramesOver != thumb.RefuseFrames {
		text += fmt.Sprintf(" frames_over=%s", t.FramesOver)
	}
	if t.MaxBytes != 0 {
		text += fmt.Sprintf(" max_bytes=%d", t.MaxBytes)
	}
	if t.Uncovered != thumb.Ratio {
		text += fmt.Sprintf(" uncovered=%s", t.Uncovered)
	}
	if t.Variant {
		text += " variant"
	}
	if t.Info {
		text += " info"
	}
	if r.sizes != "" {
		text += " sizes=" + r.sizes
	}
	if t.MinSaving != 0 {
		text += fmt.Sprintf(" min_saving=%s", t.MinSaving)
	}
	if w := t.Watermark; w.Name != "" {
		text += fmt.Sprintf(" opacity=%d position=%s scale=%d image=%s", w.Opacity, w.Position, w.Scale, r.mark)
	}
	return text
}

// Mtime returns the modification time of the published file of this name if it is made
// from o.
func (s Settings) Mtime(name string, o stamp.Original) time.Time {
	r, _ := s.of(name)
	return stamp.Of(o, r.text())
}

// Marker returns the modification time of the marker that says: o has no thumbnail of
// this name. limits is text: if two configurations and their workers refuse the same
// originals, it is equal.
func (s Settings) Marker(name string, o stamp.Original, limits string) time.Time {
	r, _ := s.of(name)
	return stamp.Of(o, r.text()+"\n"+limits)
}

// plain returns t's transform without the fields that have no effect on it.
func (s Settings) plain(t thumb.Thumb) thumb.Transform {
	tr := t.Transform()
	if tr.Method == thumb.Original {
		tr.Enlarge, tr.Metadata = false, thumb.NoMetadata
	}
	if tr.Method == thumb.Original || tr.Frames == 1 || !tr.Format.Animates() {
		tr.FramesOver = thumb.RefuseFrames
	}
	return tr
}

// Change is the change from the settings that have made a tree, of one
// configuration or several, to the present settings.
type Change struct {
	from []Settings
	to   Settings
}

// NewChange returns the change from each of from to to.
func NewChange(from []Settings, to Settings) Change { return Change{from, to} }

// Of reports whether the present settings render the published file of that name
// differently, or no longer publish it.
func (c Change) Of(name string) bool {
	now, can := c.to.of(name)
	for _, s := range c.from {
		if before, could := s.of(name); could != can || before != now {
			return true
		}
	}
	return false
}

// Fresh reports whether a published file of that name and modification time is
// the one that the new settings give for o.
func (c Change) Fresh(name string, mtime time.Time, o stamp.Original) bool {
	if stamp.Same(mtime, c.to.Mtime(name, o)) {
		return true
	}
	return c.to.mtime != stamped && stamp.Same(mtime, o.Mtime) && !c.Of(name)
}

// Any reports whether Of may be true for some file. A new preset is no change,
// because it has no published file.
func (c Change) Any() bool {
	return slices.ContainsFunc(c.from, func(s Settings) bool { return s.changed(c.to) })
}

func (s Settings) changed(to Settings) bool {
	if s.site == nil || to.site == nil {
		return false
	}
	a, b := s.site, to.site
	if a.Prefix != b.Prefix || a.Scheme != b.Scheme || a.Layout != b.Layout || a.Enlarge != b.Enlarge || a.Metadata != b.Metadata ||
		a.FramesOver != b.FramesOver || a.Variants != b.Variants ||
		!maps.Equal(a.Quality, b.Quality) {
		return true
	}
	// There, a new preset can give the size of a published file.
	if a.Layout == thumb.WordPressLayout && !maps.EqualFunc(a.Presets, b.Presets, func(x, y thumb.Preset) bool { return !differ(x, y) && x.Rank == y.Rank }) {
		return true
	}
	for name, w := range a.Watermarks {
		if now, ok := b.Watermarks[name]; !ok || now != w || s.marks[name] != to.marks[name] {
			return true
		}
	}
	for name, p := range a.Presets {
		if now, ok := b.Presets[name]; !ok || differ(p, now) {
			return true
		}
	}
	return lacks(b.Factors, a.Factors) || len(a.Factors) == 0 && len(b.Factors) > 0
}

// Presets returns the sorted names of the presets of the old settings that the new
// settings lack or render differently.
func (c Change) Presets() []string {
	changed := make(map[string]bool)
	for _, s := range c.from {
		if s.site == nil || c.to.site == nil {
			continue
		}
		for name, p := range s.site.Presets {
			if now, ok := c.to.site.Presets[name]; !ok || differ(p, now) {
				changed[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(changed))
}

// differ reports whether now gives another picture than before, or lacks one.
func differ(before, now thumb.Preset) bool {
	return before.Transform != now.Transform || before.Enlarge != now.Enlarge ||
		lacks(now.DPR, before.DPR) || lacks(now.Widths, before.Widths)
}

// lacks reports whether an element of before is missing in now.
func lacks(now, before []int) bool {
	return slices.ContainsFunc(before, func(n int) bool { return !slices.Contains(now, n) })
}

// Folder is the folder of a preset in a tree of the preset scheme.
type Folder struct {
	Name  string // in the tree
	Whole bool   // whether all that is in it would be made otherwise
}

// Folders returns the folders that have files for which Of is true. If the folders of the
// scheme are originals and not presets, ok is false.
func (c Change) Folders() (folders []Folder, ok bool) {
	for _, s := range append(slices.Clip(c.from), c.to) {
		if s.site.Scheme != thumb.PresetScheme || s.site.Layout == thumb.WordPressLayout {
			return nil, false
		}
	}
	seen := make(map[string]bool)
	for _, s := range c.from {
		for name := range s.site.Presets {
			for _, head := range s.site.Sizes(name) {
				seen[head] = true
			}
		}
	}
	for _, head := range slices.Sorted(maps.Keys(seen)) {
		name := strings.TrimSuffix(c.to.site.Prefix, "/") + "/" + head
		if some, all := c.share(name); some {
			folders = append(folders, Folder{name, all})
		}
	}
	return folders, true
}

// share reports whether Of is true for some, or for all, files that can be in a
// preset's folder. It tries one name for each factor and format.
func (c Change) share(folder string) (some, all bool) {
	all = true
	for _, s := range c.from {
		samples := samples(folder+s.site.Layout.Inner(), s.site.Factors)
		for _, name := range samples {
			switch {
			case c.Of(name):
				some = true
			case s.publishes(name):
				all = false
			}
		}
	}
	return some, all
}

func samples(folder string, factors []int) []string {
	heads := []string{folder}
	if len(factors) > 0 {
		heads = nil
		for _, n := range factors {
			heads = append(heads, fmt.Sprintf("%s/%d", folder, n))
		}
	}
	var names []string
	for _, head := range heads {
		for _, f := range formats {
			names = append(names, head+"/a."+f.String())
		}
		names = append(names, head+"/a.jpg."+thumb.JSON.String())
	}
	return names
}

// Equal reports whether a and b are the same settings.
func Equal(a, b Settings) bool {
	before, err := json.Marshal(a)
	now, nerr := json.Marshal(b)
	return err == nil && nerr == nil && bytes.Equal(before, now)
}
