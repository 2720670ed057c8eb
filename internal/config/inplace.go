// SPDX-License-Identifier: MIT

package config

import (
	"slices"

	"thumbd/internal/thumb"
)

// inPlace reads and checks the keys for the scheme inplace.
func (r *reader) inPlace(c *Config, d *draft) {
	t, ok := r.table(d.table, "inplace")
	if d.Thumb.Scheme == thumb.PresetScheme && d.Thumb.Layout == thumb.WordPressLayout && d.table.has("access") {
		r.mistake(d.table.at("access"), `is for scheme = "inplace" with layout = "wordpress"; choose that, or remove this`)
	}
	if d.Thumb.Scheme != thumb.InPlace {
		if ok && d.Thumb.Scheme != 0 {
			r.mistake(t.key, "is for the scheme inplace; remove it")
		}
		return
	}
	rules := &d.Thumb.Variants
	*rules = thumb.VariantRules{MaxWidth: 2560, MaxHeight: 2560, MinSaving: 10}
	if ok {
		r.read(t, inPlaceFields(rules, &d.Wait))
	}
	if !d.table.has("negotiate") {
		d.Thumb.Negotiate = thumb.Variants()
	}
	if !d.table.has("watch") && d.Local() {
		d.Watch = true
	}
	if slices.Contains([]string{"inplace", "original", "tree"}, d.Thumb.Name) {
		r.mistake(d.table.key, "snippets/thumbd-inplace.conf has the location @thumbd_%s; choose another name for the site", d.Thumb.Name)
	}
	for _, name := range []string{"enlarge", "formats", "frames_over", "placeholder", "preset", "render_together", "watermark"} {
		if name == "preset" && d.Thumb.Layout == thumb.WordPressLayout {
			continue
		}
		if d.table.has(name) {
			r.mistake(d.table.at(name), "has no effect on the variants of the scheme inplace; remove it")
		}
	}
	if r.sound(d.table, "negotiate") && len(d.Thumb.Negotiate) == 0 {
		r.mistake(d.table.at("negotiate"), "is empty; want %s", negotiationsText())
	}
	if !d.Local() {
		r.mistake(d.table.at("originals"), "want a folder: in the scheme inplace nginx itself serves the originals")
	}
	if c.Accel != "nginx" {
		r.mistake(d.table.at("scheme"), `inplace is for nginx, and accel is %q`, c.Accel)
	}
	if rules.MaxWidth > c.ThumbnailWidth || rules.MaxHeight > c.ThumbnailHeight {
		r.mistake(d.table.at("inplace"), "max_width x max_height, %dx%d, is over thumbnail_width x thumbnail_height, %dx%d; lower it, or raise those in [limits]",
			rules.MaxWidth, rules.MaxHeight, c.ThumbnailWidth, c.ThumbnailHeight)
	}
}

func inPlaceFields(rules *thumb.VariantRules, wait *bool) fields {
	return fields{
		"max_width":  whole(&rules.MaxWidth, 0, 16383),
		"max_height": whole(&rules.MaxHeight, 0, 16383),
		"min_saving": decimal(&rules.MinSaving, 0, 99),
		"wait":       truth(wait),
	}
}
