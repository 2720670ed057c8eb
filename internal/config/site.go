// SPDX-License-Identifier: MIT

package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"thumbd/internal/route"
	"thumbd/internal/systemd"
	"thumbd/internal/thumb"
)

var (
	thumbnailFormats = thumb.ThumbnailFormats()
	originalFormats  = thumb.Formats()
)

// Names, for example "gallery", and names of presets in the scheme preset: Drupal's may be
// 166 characters long and begin with a digit, and Liip's have capitals.
var (
	namePattern   = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)
	presetPattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]{0,165}$`)
)

const (
	nameRule   = "want a name of at most 63 letters a to z, digits and -, beginning with a letter"
	presetRule = "want a name of at most 166 letters, digits, _ and -, not beginning with -"
)

// draft is a site that is being read and checked.
type draft struct {
	Site
	table table
	keys  []string
	// Resolved paths; empty if they are missing or wrong.
	tree, originals       string
	accessKeys, tokenKeys []string
	uses                  []keyUse
	distant               *distant // the kind of originals on another machine; nil: a folder
	store                 *store   // nil: originals are in no bucket
	info                  bool
	thumbnailBytes        int64
}

func defaultQuality() map[thumb.Format]int {
	quality := make(map[thumb.Format]int)
	for _, f := range thumbnailFormats {
		if q := f.Quality(); q > 0 {
			quality[f] = q
		}
	}
	return quality
}

// sites reads and checks all sites into c.
func (r *reader) sites(c *Config, tops []table) {
	all := r.merge(tops, "site")
	files := slices.ContainsFunc(tops, func(t table) bool { return t.has("files") })
	if len(all.values) == 0 && !files && !r.bad["site"] {
		r.mistake("", "%v", ErrNoSite)
	}
	var drafts []*draft
	for _, name := range slices.Sorted(maps.Keys(all.values)) {
		if t, ok := r.table(all, name); ok {
			drafts = append(drafts, r.site(c, t, name))
		}
	}
	slices.SortStableFunc(drafts, func(a, b *draft) int {
		return r.byPlace(a.table, b.table)
	})
	r.compare(drafts)
	r.checkSpool(c, drafts)
	r.nodes(c, tops[0], drafts)
	r.sections(c, tops, drafts)
	slices.SortFunc(drafts, func(a, b *draft) int {
		return strings.Compare(a.Thumb.Name, b.Thumb.Name)
	})
	for _, d := range drafts {
		c.Sites = append(c.Sites, d.Site)
	}
	r.checkFront(c)
}

// site reads one site and checks everything that depends on no other site.
func (r *reader) site(c *Config, t table, name string) *draft {
	d := &draft{table: t, thumbnailBytes: c.ThumbnailBytes, Site: Site{
		OriginalFormats:   thumb.DefaultFormats(),
		PlaceholderStatus: 404,
		Thumb: thumb.Site{
			Route:      route.Route{Name: name},
			Formats:    slices.Clone(thumbnailFormats),
			Quality:    defaultQuality(),
			Presets:    make(map[string]thumb.Preset),
			Watermarks: make(map[string]thumb.Watermark),
			MaxWidth:   c.ThumbnailWidth,
			MaxHeight:  c.ThumbnailHeight,
		},
	}}
	if !namePattern.MatchString(name) {
		r.mistake(t.key, "%s", nameRule)
	}
	r.read(t, siteFields(d))
	if !t.has("enlarge") {
		d.Thumb.Enlarge = d.Thumb.Scheme == thumb.RestThumbnails
	}
	if q, ok := r.table(t, "quality"); ok {
		r.read(q, qualityFields(d.Thumb.Quality))
	}
	r.missing(t, "prefix", `"/thumbs/"`)
	r.missing(t, "document_root", `"`+systemd.Cache+`/`+name+`"`)
	r.missing(t, "originals", `"/srv/`+name+`/media"`)
	r.missing(t, "scheme", `"signed"`)
	r.checkFormats(d)
	r.checkKeys(d)
	r.checkLayout(d)
	r.checkPlaceholder(d)
	r.watermarks(d)
	r.presets(d)
	r.info(d)
	r.checkTogether(d)
	r.access(d)
	r.cache(d)
	if d.Watch && c.IdleExit > 0 {
		r.warn(t.at("watch"), `as long as this is true thumbd does not end after idle_exit, because it must see changes; say so with idle_exit = "0"`)
	}
	r.inPlace(c, d)
	r.distant(c, d)
	r.resolve(d)
	return d
}

func siteFields(d *draft) fields {
	s := &d.Thumb
	known := fields{
		"prefix":             text(&s.Prefix, checkPrefix),
		"hosts":              list(&s.Hosts, host),
		"document_root":      folder(&s.DocumentRoot),
		"originals":          d.setOriginals,
		"scheme":             word(&s.Scheme),
		"layout":             word(&s.Layout),
		"keys":               list(&d.keys, keyName),
		"enlarge":            truth(&s.Enlarge),
		"original_formats":   list(&d.OriginalFormats, format(originalFormats)),
		"formats":            list(&s.Formats, format(thumbnailFormats)),
		"quality":            nil,
		"metadata":           word(&s.Metadata),
		"frames_over":        word(&s.FramesOver),
		"negotiate":          list(&d.Thumb.Negotiate, format(thumbnailFormats)),
		"info":               truth(&d.info),
		"factors":            list(&s.Factors, number(1, 400)),
		"render_together":    list(&s.Together, presetName),
		"watch":              truth(&d.Watch),
		"placeholder":        folder(&d.Placeholder),
		"placeholder_status": oneStatus(&d.PlaceholderStatus),
		"preset":             nil,
		"watermark":          nil,
		"access":             nil,
		"cache":              nil,
		"inplace":            nil,
	}
	maps.Copy(known, distantFields())
	return known
}

// qualityFields are the formats that have a quality.
func qualityFields(dst map[thumb.Format]int) fields {
	known := make(fields)
	for f := range dst {
		known[f.String()] = quality(func(q int) { dst[f] = q })
	}
	return known
}

// checkLayout checks the keys that are only for the scheme preset, or only for one layout.
func (r *reader) checkLayout(d *draft) {
	factors, layout := len(d.Thumb.Factors) > 0, d.Thumb.Layout != thumb.PresetLayout
	const alone = "is for the scheme preset; remove it"
	if !d.isScheme(thumb.PresetScheme) && factors {
		r.mistake(d.table.at("factors"), alone)
	}
	sizes := d.Thumb.Layout == thumb.WordPressLayout
	inPlace := d.Thumb.Scheme == thumb.InPlace
	switch {
	case inPlace && sizes:
	case !d.isScheme(thumb.PresetScheme) && layout:
		r.mistake(d.table.at("layout"), alone)
	case sizes && len(d.Thumb.Negotiate) > 0:
		r.mistake(d.table.at("negotiate"), `has no effect with layout = "wordpress"; choose scheme = "inplace", or remove this`)
	}
	if sizes && len(d.Thumb.Together) > 0 {
		r.mistake(d.table.at("render_together"), `has no effect with layout = "wordpress"; remove it`)
	}
	if sizes && !inPlace && !d.Local() {
		r.mistake(d.table.at("originals"), `want a folder with layout = "wordpress": nginx itself serves what is in it`)
	}
	if factors && layout {
		r.mistake(d.table.at("factors"), `is for layout = "preset"; remove one of them`)
	}
}

// checkPlaceholder refuses a status without a placeholder.
func (r *reader) checkPlaceholder(d *draft) {
	if d.table.has("placeholder_status") && !d.table.has("placeholder") {
		r.mistake(d.table.at("placeholder_status"), "is for placeholder; add that, or remove this")
	}
}

// isScheme reports whether a site has a scheme, or could have it: nothing is
// known of a scheme that is missing or wrong.
func (d *draft) isScheme(s thumb.Scheme) bool {
	return d.Thumb.Scheme == s || d.Thumb.Scheme == 0
}
