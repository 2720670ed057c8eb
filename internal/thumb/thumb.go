// SPDX-License-Identifier: MIT

// Package thumb turns a request's URI into the thumbnail that it names, site,
// original and transform, and back, without I/O.
//
// It is larger than other packages because parsing and formatting are inverse to each
// other for every scheme and layout, and share their tables of formats and options.
package thumb

import (
	"errors"
	"slices"
	"strings"

	"thumbd/internal/route"
)

// Faults of a URI. If a URI has several, the first one here is answered.
var (
	ErrNoSite        = errors.New("no site serves this URI")
	ErrName          = errors.New("no published file can have this name")
	ErrExtension     = errors.New("the extension is none of the site's formats")
	ErrNoSignature   = errors.New("the signature is missing")
	ErrMalformed     = errors.New("the transform is malformed")
	ErrTooLarge      = errors.New("the size is over the site's limit")
	ErrUnknownPreset = errors.New("the preset is unknown")
	ErrNoOriginal    = errors.New("the URI names no original")
)

// Preset is a transform that the configuration has given a name.
type Preset struct {
	Transform Transform // without Format, and DPR 0
	DPR       []int     // the N of NAME@Nx that exist too, each 2 to 4
	// Widths are the N of NAME-Nw that exist too: hero-320w is hero with a width of
	// 320 pixels and the ratio of its box. Only presets with a Width have some.
	Widths []int
	// Formats are wanted beside the original's own. In the preset scheme URIs may
	// name them after the original.
	Formats []Format
	Enlarge Enlarge
	// Rank is the place in the configuration, from 0, in the layout wordpress.
	Rank int
}

// InfoSide is the longest side, in pixels, of the picture from which the description of
// an original is made. Its hashes need no more.
const InfoSide = 100

// InfoName is the name of the preset InfoPreset in URIs.
const InfoName = "info"

// InfoPreset is the preset of the descriptions of originals, for a site that has them.
// Its thumbnails are files of package info, in the format JSON and no other.
func InfoPreset() Preset {
	return Preset{Transform: Transform{Width: InfoSide, Height: InfoSide, Method: Fit, Frames: 1, Info: true}}
}

// HasInfo reports whether URIs of s can ask for the description of an original.
func (s *Site) HasInfo() bool { return s.isInfo(InfoName) }

// isInfo reports whether the preset of a name is InfoPreset.
func (s *Site) isInfo(preset string) bool { return s.Presets[preset].Transform.Info }

// at returns the preset's transform with the box at another width. The box keeps
// its ratio: 1600x900 at 320 is 320x180.
func (p Preset) at(width int) Transform {
	t := p.Transform
	t.Height = proportion(t.Height, width, t.Width)
	t.Width = width
	return t
}

// Enlarge is whether the thumbnails of a preset may be larger than their original.
type Enlarge uint8

// AsSite is the default: as Site.Enlarge says.
const (
	AsSite Enlarge = iota
	Never
	Always
)

// of returns whether a site's thumbnails may be larger if the site says so in
// general.
func (e Enlarge) of(site bool) bool { return e == Always || e == AsSite && site }

// DefaultPresets are those of a site of the preset scheme that names none.
func DefaultPresets() map[string]Preset {
	presets := make(map[string]Preset)
	for name, side := range map[string]int{
		"icon": 16, "small": 50, "thumb": 100, "medium": 300, "large": 500, "xlarge": 800,
	} {
		presets[name] = Preset{Transform: Transform{Width: side, Height: side, Method: Fit}}
	}
	return presets
}

// VariantRules are the settings of the thumbnails of the scheme inplace.
type VariantRules struct {
	MaxWidth  int // in pixels; 0: as wide as the original
	MaxHeight int
	MinSaving Decimal
}

// largestSide is the most that a side of a WebP can have.
const largestSide = 16383

// of returns t, which has a format, as the transform of a variant.
func (v VariantRules) of(t Transform) Transform {
	t.Method, t.Variant, t.MinSaving = Fit, true, v.MinSaving
	t.Width, t.Height = v.MaxWidth, v.MaxHeight
	if t.Width == 0 && t.Height == 0 {
		t.Width, t.Height = largestSide, largestSide
	}
	return t
}

// Site has the settings on which the URIs of a site depend. It is not changed after its
// first use.
type Site struct {
	route.Route
	DocumentRoot string // absolute; document root + URI is the file
	Scheme       Scheme
	Layout       Layout   // schemes preset and inplace
	Keys         [][]byte // the first signs, all verify
	Formats      []Format // of thumbnails
	Negotiate    []Format // empty, WebP, or AVIF and WebP; all are in Formats
	Presets      map[string]Preset
	Watermarks   map[string]Watermark
	Together     []string     // presets, NAME, NAME@Nx or NAME-Nw, of which one brings the others
	Factors      []int        // preset scheme: wsgithumb's percentages; none: no factor in URIs
	Variants     VariantRules // scheme inplace
	Enlarge      bool
	Quality      map[Format]int
	Metadata     Metadata
	FramesOver   FramesOver
	MaxWidth     int // of a thumbnail, DPR included
	MaxHeight    int
}

// Thumb is the thumbnail that a URI names. Its exported fields hold the text of the URI and
// nothing else, so that the method URI returns the same URI to the letter.
type Thumb struct {
	Site     *Site
	Original string // below the site's originals, segments joined by /
	Preset   string // its name, or "" where Spec says it all
	// Spec is the transform as written: in the scheme inplace nothing, or the Format of
	// a variant; in the others Format and, where Preset is empty, all
	// but Enlarge, Metadata, FramesOver and of Watermark more than its Name;
	// where it is not, at most DPR of NAME@Nx or Width of NAME-Nw.
	Spec      Transform
	Version   string // of v=, without effect
	Factor    int    // percent, where the site has factors
	Size      string // restthumbnails and layout wordpress: SIZE as written
	Ext       string // the thumbnail's extension as written, without dot
	Appended  bool   // preset scheme: Ext follows the original's name
	Signature string // as written
}

// Transform returns the whole transform: Spec, completed by the settings of the preset and
// of the site.
func (t Thumb) Transform() Transform {
	r := t.Spec
	var enlarge Enlarge
	switch {
	case t.Sized():
		r = t.sizedTransform()
	case t.Site.isInfo(t.Preset):
		r = t.Site.Presets[t.Preset].Transform
		r.Format = JSON
		return r
	case t.Preset != "":
		p := t.Site.Presets[t.Preset]
		r, enlarge = p.Transform, p.Enlarge
		if t.Spec.Width != 0 {
			r = p.at(t.Spec.Width)
		}
		r.DPR, r.Format = t.Spec.DPR, t.Spec.Format
	}
	if t.Site.Scheme == InPlace && !t.Sized() {
		r = t.Site.Variants.of(r)
	}
	if t.Factor != 0 {
		r.Width, r.Height = proportion(r.Width, t.Factor, 100), proportion(r.Height, t.Factor, 100)
	}
	if r.Quality == 0 {
		r.Quality = t.Site.Quality[r.Format]
	}
	if r.Format.Quality() == 0 || r.Method == Original {
		r.Quality, r.MaxBytes = 0, 0
	}
	if name := r.Watermark.Name; name != "" {
		r.Watermark = t.Site.Watermarks[name]
	}
	r.Enlarge, r.Metadata, r.FramesOver = enlarge.of(t.Site.Enlarge), t.Site.Metadata, t.Site.FramesOver
	return r
}

// proportion returns dimension x to / from, rounded half up and at least 1. A free
// dimension stays free.
func proportion(dimension, to, from int) int {
	if dimension == 0 {
		return 0
	}
	return max((2*dimension*to+from)/(2*from), 1)
}

// WithFormat returns t's transform in another format: that of a negotiated
// sibling, whose name is the URI and the format's extension.
func (t Thumb) WithFormat(f Format) Transform {
	t.Spec.Format = f
	return t.Transform()
}

// Siblings returns the thumbnails that are made together with t: if t is of a preset in
// Site.Together, those of all presets there, of the same original, in t's format and
// in the formats of their presets. They are not signed.
func (t Thumb) Siblings() []Thumb {
	if t.Preset == "" || !slices.Contains(t.Site.Together, t.presetText()) {
		return nil
	}
	t.Signature = ""
	all := []Thumb{t}
	for _, name := range t.Site.Together {
		for _, s := range t.inPreset(name) {
			if !slices.ContainsFunc(all, func(x Thumb) bool { return x.URI() == s.URI() }) {
				all = append(all, s)
			}
		}
	}
	return all[1:]
}

// inPreset returns the thumbnails of t's original in another preset: in t's format,
// and in the formats that the preset wants.
func (t Thumb) inPreset(name string) []Thumb {
	if t.Site.isInfo(t.Preset) || t.Site.isInfo(name) {
		return t.besideInfo(name)
	}
	s := t
	s.Spec.DPR, s.Spec.Width = 0, 0
	if s.parsePresetName(name) != nil {
		return nil
	}
	var list []Thumb
	// Another preset may read the same name as that of another original.
	read, err := t.Site.Parse(s.URI())
	if t.Site.Scheme != PresetScheme || err == nil && read == s {
		list = append(list, s)
	}
	if t.Factor != 0 {
		name += "/" + formatWhole(t.Factor)
	}
	for _, ext := range t.Site.Extensions(name) {
		if s, err := t.Site.New(Wanted{Original: t.Original, Preset: name, Ext: ext}); err == nil && len(s.Site.Presets[s.Preset].Formats) > 0 {
			list = append(list, s)
		}
	}
	return list
}

// besideInfo is inPreset if t or the other preset is InfoPreset's: these have no
// format in common.
func (t Thumb) besideInfo(name string) (list []Thumb) {
	for _, ext := range t.Site.Extensions(name) {
		if s, err := t.Site.New(Wanted{Original: t.Original, Preset: name, Ext: ext}); err == nil {
			list = append(list, s)
		}
	}
	return list
}

// Extensions returns the extensions that thumbnails of a preset are wanted with, for
// Wanted: "" for the original's own format, and the preset's formats. The name is
// one of PresetNames.
func (s *Site) Extensions(name string) []string {
	name, _, _ = strings.Cut(name, "/")
	t := Thumb{Site: s}
	if t.parsePresetName(name) != nil {
		return []string{""}
	}
	list := []string{""}
	for _, f := range s.Presets[t.Preset].Formats {
		list = append(list, f.String())
	}
	return list
}

// HasPreset reports whether URIs can name a preset as NAME, NAME@Nx or NAME-Nw.
func (s *Site) HasPreset(text string) bool {
	t := Thumb{Site: s}
	return t.parsePresetName(text) == nil
}

// tooLarge reports whether a stated dimension, DPR included, is over the
// site's limits.
func (s *Site) tooLarge(t Transform) bool {
	w, h := t.Box()
	return w > s.MaxWidth || h > s.MaxHeight
}

// hasFormat reports whether URIs of s can have a format without regard to presets' own.
func (s *Site) hasFormat(f Format) bool {
	return slices.Contains(s.Formats, f) || f == JSON && s.HasInfo()
}

// Negotiates reports whether nginx may serve another file in place of that of
// a URI: its name and the extension of f. The maps in conf.d/thumbd.conf tell
// which URIs that is for.
func (s *Site) Negotiates(uri string, f Format) bool {
	return slices.Contains(s.Negotiate, f) && negotiable(uri, f)
}
