// SPDX-License-Identifier: MIT

package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"thumbd/internal/thumb"
)

var (
	thumbnailFormats = []thumb.Format{thumb.JPEG, thumb.PNG, thumb.WebP, thumb.AVIF, thumb.GIF}
	originalFormats  = append(slices.Clip(thumbnailFormats), thumb.HEIC, thumb.TIFF, thumb.SVG, thumb.JXL)
)

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

const nameRule = "want a name of at most 63 letters a to z, digits and -, beginning with a letter"

// draft is a site that is being read and checked.
type draft struct {
	Site
	table table
	keys  []string
	// Resolved, where they could be; empty where they are missing or wrong.
	tree, originals string
}

// sites reads and checks all sites into c.
func (r *reader) sites(c *Config, top table) {
	all, ok := r.table(top, "site")
	if len(all.values) == 0 {
		if ok || !top.has("site") {
			r.mistake("", "no [site.NAME] section; add one, e.g. [site.gallery]")
		}
		return
	}
	var drafts []*draft
	for _, name := range slices.Sorted(maps.Keys(all.values)) {
		if t, ok := r.table(all, name); ok {
			drafts = append(drafts, r.site(c, t, name))
		}
	}
	slices.SortStableFunc(drafts, func(a, b *draft) int {
		return r.lines[a.table.key] - r.lines[b.table.key]
	})
	r.compare(drafts)
	slices.SortFunc(drafts, func(a, b *draft) int {
		return strings.Compare(a.Thumb.Name, b.Thumb.Name)
	})
	for _, d := range drafts {
		c.Sites = append(c.Sites, d.Site)
	}
}

// site reads one site and checks what depends on no other.
func (r *reader) site(c *Config, t table, name string) *draft {
	d := &draft{table: t, Site: Site{
		OriginalFormats: []thumb.Format{
			thumb.JPEG, thumb.PNG, thumb.WebP, thumb.AVIF, thumb.GIF, thumb.HEIC, thumb.TIFF,
		},
		Thumb: thumb.Site{
			Name:      name,
			Formats:   slices.Clone(thumbnailFormats),
			Quality:   map[thumb.Format]int{thumb.JPEG: 82, thumb.WebP: 80, thumb.AVIF: 55},
			Presets:   make(map[string]thumb.Preset),
			MaxWidth:  c.ThumbnailWidth,
			MaxHeight: c.ThumbnailHeight,
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
	r.missing(t, "document_root", `"/var/cache/thumbd/`+name+`"`)
	r.missing(t, "originals", `"/srv/`+name+`/media"`)
	r.missing(t, "scheme", `"signed"`)
	r.checkFormats(d)
	r.checkKeys(d)
	if !d.isScheme(thumb.PresetScheme) && len(d.Thumb.Factors) > 0 {
		r.mistake(t.at("factors"), "is for the scheme preset; remove it")
	}
	r.presets(d)
	r.resolve(d)
	return d
}

func siteFields(d *draft) fields {
	s := &d.Thumb
	return fields{
		"prefix":           text(&s.Prefix, checkPrefix),
		"hosts":            list(&s.Hosts, host),
		"document_root":    folder(&s.DocumentRoot),
		"originals":        folder(&d.Originals),
		"scheme":           word(&s.Scheme),
		"keys":             list(&d.keys, keyName),
		"enlarge":          truth(&s.Enlarge),
		"original_formats": list(&d.OriginalFormats, format(originalFormats)),
		"formats":          list(&s.Formats, format(thumbnailFormats)),
		"quality":          nil,
		"metadata":         word(&s.Metadata),
		"negotiate":        list(&d.Negotiate, format(thumbnailFormats)),
		"factors":          list(&s.Factors, number(1, 400)),
		"preset":           nil,
	}
}

// qualityFields are the formats that have a quality.
func qualityFields(dst map[thumb.Format]int) fields {
	known := make(fields)
	for f := range dst {
		known[f.String()] = func(v any) error {
			n, err := number(1, 100)(v)
			if err == nil {
				dst[f] = n
			}
			return err
		}
	}
	return known
}

// isScheme reports whether a site has a scheme, or could have it: nothing is
// known of a scheme that is missing or wrong.
func (d *draft) isScheme(s thumb.Scheme) bool {
	return d.Thumb.Scheme == s || d.Thumb.Scheme == 0
}

// presets reads and checks the presets of a site.
func (r *reader) presets(d *draft) {
	all, ok := r.table(d.table, "preset")
	if ok && d.Thumb.Scheme == thumb.RestThumbnails {
		r.mistake(all.key, "URLs of the scheme restthumbnails name no preset; remove it")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(all.values)) {
		t, ok := r.table(all, name)
		if !ok {
			continue
		}
		if !namePattern.MatchString(name) {
			r.mistake(t.key, "%s", nameRule)
		}
		p := thumb.Preset{}
		r.read(t, presetFields(&p))
		d.Thumb.Presets[name] = p
		r.checkPreset(d, t, name)
	}
	if len(all.values) == 0 && d.Thumb.Scheme == thumb.PresetScheme {
		d.Thumb.Presets = thumb.DefaultPresets()
		r.checkDefaultPresets(d)
	}
}

func presetFields(p *thumb.Preset) fields {
	t := &p.Transform
	return fields{
		"size":    box(&t.Width, &t.Height),
		"method":  word(&t.Method),
		"dpr":     list(&p.DPR, number(2, 4)),
		"quality": whole(&t.Quality, 1, 100),
		"gravity": word(&t.Gravity),
		"formats": list(&p.Formats, format(thumbnailFormats)),
	}
}

// checkPreset checks what a preset says, and that none of its thumbnails is
// larger than the limits.
func (r *reader) checkPreset(d *draft, t table, name string) {
	p := d.Thumb.Presets[name]
	r.missing(t, "method", `"crop"`)
	if p.Transform.Method == thumb.Original {
		r.checkOriginal(d, t)
		return
	}
	r.missing(t, "size", `"400x300"`)
	if p.Transform.Gravity != thumb.Center && p.Transform.Method != thumb.Crop && r.sound(t, "method") {
		r.mistake(t.at("gravity"), `is for the method crop; remove it, or choose method = "crop"`)
	}
	if len(p.Formats) > 0 && !d.isScheme(thumb.PresetScheme) {
		r.mistake(t.at("formats"), "is for the scheme preset; remove it: the URL says the format")
	}
	if w, h := largest(&d.Thumb, name); w > d.Thumb.MaxWidth || h > d.Thumb.MaxHeight {
		r.mistake(t.at("size"), "is up to %dx%d, over thumbnail_width x thumbnail_height, %dx%d; lower it, or raise those in [limits]",
			w, h, d.Thumb.MaxWidth, d.Thumb.MaxHeight)
	}
}

// checkOriginal checks a preset whose thumbnails are the originals' bytes.
func (r *reader) checkOriginal(d *draft, t table) {
	if !d.isScheme(thumb.PresetScheme) {
		r.mistake(t.at("method"), "original is for the scheme preset; choose another")
	}
	if len(d.Negotiate) > 0 {
		r.mistake(t.at("method"), "original has no other format to negotiate; choose another, or remove the site's negotiate")
	}
	for _, name := range []string{"size", "dpr", "quality", "gravity", "formats"} {
		if t.has(name) {
			r.mistake(t.at(name), `has no effect with method = "original"; remove it`)
		}
	}
}

func (r *reader) checkDefaultPresets(d *draft) {
	for _, name := range slices.Sorted(maps.Keys(d.Thumb.Presets)) {
		if w, h := largest(&d.Thumb, name); w > d.Thumb.MaxWidth || h > d.Thumb.MaxHeight {
			r.mistake(d.table.key, "its default preset %s is up to %dx%d, over thumbnail_width x thumbnail_height, %dx%d; name presets, or raise those in [limits]",
				name, w, h, d.Thumb.MaxWidth, d.Thumb.MaxHeight)
		}
	}
}

// largest returns the largest width and height that a URI can ask for by the
// name of a preset, which its DPRs and the site's factors multiply.
func largest(s *thumb.Site, name string) (width, height int) {
	for _, dpr := range slices.Concat([]int{1}, s.Presets[name].DPR) {
		for _, factor := range slices.Concat([]int{100}, s.Factors) {
			t := thumb.Thumb{Site: s, Preset: name, Spec: thumb.Transform{DPR: dpr}, Factor: factor}
			w, h := t.Transform().Box()
			width, height = max(width, w), max(height, h)
		}
	}
	return width, height
}
