// SPDX-License-Identifier: MIT

package migrate

import (
	"cmp"
	"slices"
	"strconv"

	"thumbd/internal/thumb"
)

// drupalQuality is the default quality of Drupal's GD toolkit.
const drupalQuality = 75

// drupal translates an image style, as "drush config:export" writes it:
//
//	name: large
//	effects:
//	    ddd73aa7-…:
//	        id: image_scale
//	        weight: 0
//	        data: { width: 480, height: 480, upscale: false }
func (r *reader) drupal(root *value) {
	r.Layout, r.Prefix = thumb.DrupalLayout, "/sites/default/files/styles/"
	r.Quality = map[string]int{"jpg": drupalQuality}
	name := root.get("name")
	d := &style{draft: r.draft("style", name.text, name.line)}
	// Drupal shows the first frame alone.
	d.Frames = 1
	effects := slices.Clone(root.get("effects").fields)
	weights := make(map[*value]int, len(effects))
	for _, e := range effects {
		n, err := strconv.Atoi(e.get("weight").string())
		if err != nil {
			d.no(e.line, "an effect without a weight has no equal")
		}
		weights[e] = n
	}
	slices.SortStableFunc(effects, func(a, b *value) int { return cmp.Compare(weights[a], weights[b]) })
	for _, e := range effects {
		d.effect(e)
	}
	d.end(name.line)
}

type style struct{ *draft }

// string returns the text of a scalar, and "" if it is missing.
func (v *value) string() string {
	if v == nil {
		return ""
	}
	return v.text
}

// effect takes one effect of a style.
func (d *style) effect(e *value) {
	data := e.get("data")
	if data == nil {
		data = &value{line: e.line}
	}
	v := &value{name: e.get("id").string(), line: e.line, fields: data.fields}
	w, okWidth := v.get("width").whole(mostSide)
	h, okHeight := v.get("height").whole(mostSide)
	if !okWidth || !okHeight {
		d.no(v.line, "%s: want width and height in pixels", v.name)
		return
	}
	switch v.name {
	case "image_scale":
		d.only(v, "width", "height", "upscale")
		d.box(v, "fit", w, h, w > 0 || h > 0)
		d.Enlarge = v.get("upscale").truth()
	case "image_scale_and_crop":
		d.only(v, "width", "height", "anchor")
		d.box(v, "crop", w, h, w > 0 && h > 0)
		d.Enlarge = true
		d.anchor(v)
	case "image_resize":
		d.only(v, "width", "height")
		d.box(v, "stretch", w, h, w > 0 && h > 0)
	case "image_desaturate":
		d.Gray = true
	case "image_convert":
		d.convert(v)
	case "image_convert_avif":
		d.convert(v)
		d.Formats = append([]string{"avif"}, d.Formats...)
	case "image_style_quality":
		d.only(v, "quality")
		n, ok := v.get("quality").whole(100)
		if !ok || n == 0 {
			d.no(v.line, "%s: want a quality from 1 to 100", v.name)
		}
		d.Quality = n
	default:
		d.no(v.line, "%q has no equal", v.name)
	}
}

func (d *style) box(v *value, method string, w, h int, ok bool) {
	if !ok {
		d.no(v.line, "%s without a size has no equal", v.name)
		return
	}
	d.size(v, method, w, h)
}

// anchors are the gravities of Drupal's anchors.
var anchors = map[string]string{
	"": "", "center-center": "", "center-top": "north", "center-bottom": "south", "left-center": "west", "right-center": "east",
	"left-top": "northwest", "left-bottom": "southwest", "right-top": "northeast", "right-bottom": "southeast",
}

func (d *style) anchor(v *value) {
	anchor := v.get("anchor").string()
	gravity, ok := anchors[anchor]
	if !ok {
		d.no(v.line, "the anchor %q has no equal", anchor)
	}
	d.Gravity = gravity
}

func (d *style) convert(v *value) {
	d.only(v, "extension")
	ext := v.get("extension").string()
	f, ok := thumb.FormatOfName("a." + ext)
	if !ok || !f.Thumbnail() {
		d.no(v.line, "%s to %q has no equal", v.name, ext)
		return
	}
	if len(d.Formats) > 0 {
		d.no(v.line, "a second format has no equal")
		return
	}
	d.Formats = []string{f.String()}
}
