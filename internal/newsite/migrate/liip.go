// SPDX-License-Identifier: MIT

package migrate

import (
	"fmt"
	"strings"

	"thumbd/internal/thumb"
)

// liipQuality is the quality in LiipImagine if a filter set has none.
const liipQuality = 100

// liip translates the filter sets of LiipImagineBundle, in liip_imagine or at the top
// of the file. An example of one:
//
//	my_thumb:
//	    quality: 75
//	    filters:
//	        thumbnail: { size: [120, 90], mode: outbound }
func (r *reader) liip(root *value) error {
	bundle := root
	if in := root.get("liip_imagine"); in != nil {
		bundle = in
	}
	sets := bundle.get("filter_sets")
	if sets.empty() {
		return fmt.Errorf("%w: there is no liip_imagine with filter_sets, and there are no effects of a style", ErrSettings)
	}
	r.Layout, r.Prefix = thumb.LiipLayout, liipPrefix(bundle)
	r.Quality = map[string]int{"jpg": liipQuality}
	l := liipSets{reader: r, defaults: bundle.get("default_filter_set_settings")}
	if webp := bundle.get("webp"); webp.get("generate").truth() {
		l.formats = []string{"webp"}
		r.Quality["webp"] = liipQuality
		if n, ok := webp.get("quality").whole(100); ok && n > 0 {
			r.Quality["webp"] = n
		}
	}
	for _, set := range sets.fields {
		l.set(set)
	}
	for _, f := range root.fields {
		if strings.HasPrefix(f.name, "when@") && f.get("liip_imagine") != nil {
			r.Remarks = append(r.Remarks, fmt.Sprintf("%s:%d: %q is not read", r.file, f.line, f.name))
		}
	}
	return nil
}

// liipPrefix returns the prefix of the URLs: cache_prefix of the default resolver.
func liipPrefix(bundle *value) string {
	prefix := bundle.get("resolvers").get("default").get("web_path").get("cache_prefix")
	if prefix.empty() || strings.Contains(prefix.text, "%") {
		return "/media/cache/"
	}
	return "/" + strings.Trim(prefix.text, "/") + "/"
}

type liipSets struct {
	*reader
	defaults  *value // default_filter_set_settings
	formats   []string
	unrotated bool // a filter set without auto_rotate was seen
}

func (l *liipSets) set(v *value) {
	d := &liipSet{draft: l.draft("filter set", v.name, v.line)}
	if v.name == thumb.LiipResolve {
		d.no(v.line, "its name begins the URLs that are redirected")
	}
	d.Formats = l.formats
	// Liip shows the first frame alone, unless it is told otherwise.
	d.Frames = 1
	d.settings(l.defaults)
	d.settings(v)
	for _, f := range v.get("filters").list() {
		filter, ok := liipFilters[f.name]
		if !ok {
			d.no(f.line, "%s has no equal", f.name)
			continue
		}
		filter(d, f)
	}
	if len(d.Formats) > 0 && d.Quality > 0 && d.Quality != l.Quality["webp"] {
		d.remark(v.line, "WebP is of quality %d, as JPEG is, and not of %d", d.Quality, l.Quality["webp"])
	}
	if !d.rotated && d.sized && !d.lost && !l.unrotated {
		l.unrotated = true
		d.remark(v.line, "it has no auto_rotate, and thumbd turns a picture as its EXIF orientation says; the same holds for all such sets")
	}
	d.end(v.line)
}

// list returns the filters of v, a mapping or a list of mappings.
func (v *value) list() []*value {
	if v == nil {
		return nil
	}
	all := v.fields
	for _, item := range v.items {
		all = append(all, item.fields...)
	}
	return all
}

type liipSet struct {
	*draft
	fit     string // size of the fit before, that background extends
	rotated bool
}

// settings takes the keys beside the filters of a set or of the defaults, for example
// jpeg_quality.
func (d *liipSet) settings(v *value) {
	if v == nil {
		return
	}
	for _, f := range v.fields {
		switch f.name {
		case "quality", "jpeg_quality":
			n, ok := f.whole(100)
			if !ok {
				d.no(f.line, "want a %s from 1 to 100", f.name)
			}
			if n > 0 {
				d.Quality = n
			}
		case "animated":
			d.Frames = 1
			if f.truth() {
				d.Frames = 0
			}
		case "filters":
			if v.name == "default_filter_set_settings" && !f.empty() {
				d.no(f.line, "default filters have no equal")
			}
		case "png_compression_level", "png_compression_filter":
		case "cache", "data_loader":
			if !f.empty() && f.text != "default" {
				d.no(f.line, "%s %q may have other URLs or originals, which have no equal", f.name, f.text)
			}
		default:
			if !f.empty() {
				d.no(f.line, "%q has no equal", f.name)
			}
		}
	}
}

// liipFilters are the filters with an equal.
var liipFilters = map[string]func(d *liipSet, v *value){
	"thumbnail":       (*liipSet).thumbnail,
	"downscale":       (*liipSet).downscale,
	"resize":          (*liipSet).resize,
	"scale":           (*liipSet).scale,
	"relative_resize": (*liipSet).relative,
	"fixed":           (*liipSet).fixed,
	"background":      (*liipSet).background,
	"grayscale":       func(d *liipSet, v *value) { d.only(v); d.Gray = true },
	"strip":           func(d *liipSet, v *value) { d.only(v) },
	"auto_rotate": func(d *liipSet, v *value) {
		d.only(v)
		if d.rotated = true; d.sized {
			d.no(v.line, "auto_rotate after a change of the size has no equal")
		}
	},
	"interlace": func(d *liipSet, v *value) {
		d.remark(v.line, "interlace has no equal: the picture is the same, but is not shown while it loads")
	},
}

// thumbnail has the same size in thumbd, except that Liip rounds down if one side is
// free. allow_upscale has no effect in Liip: its library does not enlarge here.
func (d *liipSet) thumbnail(v *value) {
	d.only(v, "size", "mode", "allow_upscale")
	w, h, ok := v.get("size").box()
	mode := v.get("mode")
	switch {
	case !ok || w == 0 || h == 0:
		d.no(v.line, "thumbnail with a free side has no equal: Liip rounds it down")
	case !mode.empty() && mode.text == "inset":
		d.size(v, "fit", w, h)
		d.fit = d.Size
	case mode.empty() || mode.text == "outbound":
		d.size(v, "crop", w, h)
		d.Uncovered = "axes"
	default:
		d.no(v.line, "thumbnail with the mode %q has no equal", mode.text)
	}
}

func (d *liipSet) downscale(v *value) {
	d.only(v, "max")
	if w, h, ok := d.box(v, "max"); ok {
		d.size(v, "fit", w, h)
		d.fit = d.Size
	}
}

func (d *liipSet) resize(v *value) {
	d.only(v, "size")
	w, h, ok := d.box(v, "size")
	if ok && (w == 0 || h == 0) {
		d.no(v.line, "resize with a free side has no equal")
	} else if ok {
		d.size(v, "stretch", w, h)
	}
}

func (d *liipSet) scale(v *value) {
	d.only(v, "dim")
	if w, h, ok := d.box(v, "dim"); ok {
		d.size(v, "fit", w, h)
		d.Enlarge = true
	}
}

func (d *liipSet) relative(v *value) {
	d.only(v, "widen", "heighten")
	w, okWidth := v.get("widen").whole(mostSide)
	h, okHeight := v.get("heighten").whole(mostSide)
	if !okWidth || !okHeight || (w > 0) == (h > 0) {
		d.no(v.line, "relative_resize but for widen or heighten has no equal")
		return
	}
	d.size(v, "fit", w, h)
	d.Enlarge = true
}

func (d *liipSet) fixed(v *value) {
	d.only(v, "width", "height")
	w, okWidth := v.get("width").whole(mostSide)
	h, okHeight := v.get("height").whole(mostSide)
	if !okWidth || !okHeight || w == 0 || h == 0 {
		d.no(v.line, "fixed without width and height has no equal")
		return
	}
	d.size(v, "crop", w, h)
	d.Enlarge = true
}

// background has an equal behind a fit into the same size.
func (d *liipSet) background(v *value) {
	d.only(v, "size", "color", "position")
	w, h, ok := v.get("size").box()
	color, known := hex(v.get("color"))
	position := v.get("position")
	switch {
	case !ok || d.fit == "" || d.fit != sides(w)+"x"+sides(h) || w == 0 || h == 0:
		d.no(v.line, "background but for the size of the thumbnail or downscale before it has no equal")
	case !position.empty() && position.text != "center":
		d.no(v.line, "background at %q has no equal", position.text)
	case !known:
		d.no(v.line, "background of the color %q has no equal", v.get("color").text)
	default:
		d.Method, d.Background, d.fit = "pad", color, ""
	}
}

// box returns the sides of an option of v, or notes that there is no equal.
func (d *liipSet) box(v *value, option string) (w, h int, ok bool) {
	w, h, ok = v.get(option).box()
	if !ok {
		d.no(v.line, "%s without a %s of two sides has no equal", v.name, option)
	}
	return w, h, ok
}

// hex returns a color as presets have it, "ffffff" for "#FFF". White is the default.
func hex(v *value) (string, bool) {
	if v.empty() {
		return "ffffff", true
	}
	s, ok := strings.CutPrefix(strings.ToLower(v.text), "#")
	if len(s) == 3 {
		s = s[:1] + s[:1] + s[1:2] + s[1:2] + s[2:] + s[2:]
	}
	return s, ok && len(s) == 6 && strings.Trim(s, "0123456789abcdef") == ""
}
