// SPDX-License-Identifier: MIT

package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"thumbd/internal/thumb"
)

// presets reads and checks the presets of a site.
func (r *reader) presets(d *draft) {
	all, ok := r.table(d.table, "preset")
	if d.Thumb.Scheme == thumb.InPlace && d.Thumb.Layout != thumb.WordPressLayout {
		return
	}
	if ok && d.Thumb.Scheme == thumb.RestThumbnails {
		r.mistake(all.key, "URLs of the scheme restthumbnails name no preset; remove it")
		return
	}
	for _, name := range slices.Sorted(maps.Keys(all.values)) {
		t, ok := r.table(all, name)
		if !ok {
			continue
		}
		r.checkPresetName(d, t, name)
		p := thumb.Preset{}
		r.read(t, presetFields(&p))
		d.Thumb.Presets[name] = p
		r.checkPreset(d, t, name)
	}
	if d.Thumb.Layout == thumb.WordPressLayout {
		r.checkSizes(d, all)
		return
	}
	if len(all.values) == 0 && d.Thumb.Scheme == thumb.PresetScheme {
		d.Thumb.Presets = thumb.DefaultPresets()
		r.checkDefaultPresets(d)
	}
}

// info adds the preset of the descriptions of originals, if the site wants it.
func (r *reader) info(d *draft) {
	key := d.table.at("info")
	_, taken := d.Thumb.Presets[thumb.InfoName]
	switch {
	case !d.info:
		return
	case !d.isScheme(thumb.Signed) && !d.isScheme(thumb.PresetScheme) || d.Thumb.Layout == thumb.WordPressLayout:
		r.mistake(key, `is for the schemes signed and preset, and not for layout = "wordpress"; remove it`)
	case taken:
		r.mistake(d.table.key+".preset."+thumb.InfoName, "begins the URLs that info = true allows; choose another name, or remove info")
	case d.Thumb.MaxWidth < thumb.InfoSide || d.Thumb.MaxHeight < thumb.InfoSide:
		r.mistake(key, "needs thumbnail_width and thumbnail_height of %d; raise them in [limits], or remove this", thumb.InfoSide)
	default:
		d.Thumb.Presets[thumb.InfoName] = thumb.InfoPreset()
	}
}

// PresetName returns an error if a preset of the scheme preset can't have this name.
func PresetName(name string) error {
	switch {
	case !presetPattern.MatchString(name):
		return errors.New(presetRule)
	case widthName.MatchString(name):
		return errors.New(widthRule)
	}
	return nil
}

// checkPresetName checks that URIs of the site can have a preset's name.
func (r *reader) checkPresetName(d *draft, t table, name string) {
	pattern, rule := namePattern, nameRule
	if d.isScheme(thumb.PresetScheme) || d.Thumb.Layout == thumb.WordPressLayout {
		pattern, rule = presetPattern, presetRule
	}
	if !pattern.MatchString(name) {
		r.mistake(t.key, "%s", rule)
	}
	if widthName.MatchString(name) {
		r.mistake(t.key, widthRule)
	}
	if d.Thumb.Layout == thumb.LiipLayout && name == thumb.LiipResolve {
		r.mistake(t.key, "begins the URLs of layout = \"liip\" that are redirected; choose another name")
	}
}

// widthName matches the names that presets have at their widths: hero-320w.
var widthName = regexp.MustCompile(`-[0-9]+w$`)

const widthRule = "ends as the widths of a preset do (hero-320w is hero at that width); choose another name, or give a preset these widths"

// presetFields has the keys of a preset: these, and those of the options of URLs.
func presetFields(p *thumb.Preset) fields {
	t := &p.Transform
	all := fields{
		"size":    box(&t.Width, &t.Height),
		"method":  word(&t.Method),
		"dpr":     list(&p.DPR, number(2, 4)),
		"enlarge": enlarging(&p.Enlarge),
		"widths":  list(&p.Widths, number(1, 16383)),
		"formats": list(&p.Formats, format(thumbnailFormats)),

		"max_bytes": size(&t.MaxBytes, 1, 1<<40),
		"uncovered": word(&t.Uncovered),
	}
	for key, v := range t.PresetOptions() {
		all[key] = option(v)
	}
	return all
}

// option sets the value of an option of URLs.
func option(v thumb.Value) setter {
	switch v := v.(type) {
	case thumb.Whole:
		return whole(v.To, v.Least, v.Most)
	case thumb.Number:
		return decimal(v.To, v.Least, v.Most)
	case thumb.Truth:
		return truth(v.To)
	case thumb.Word:
		return word(v.To)
	case thumb.QualityValue:
		return quality(func(q int) { *v.To = q })
	case thumb.OneFrame:
		return firstFrame(v.To)
	case thumb.WatermarkName:
		return text(v.To, checkName)
	}
	panic(fmt.Sprintf("a preset can't have an option of the kind %T", v))
}

// checkPreset checks the keys of a preset, and that none of its thumbnails is larger than
// the limits.
func (r *reader) checkPreset(d *draft, t table, name string) {
	p := d.Thumb.Presets[name]
	r.missing(t, "method", `"crop"`)
	if p.Transform.Method == thumb.Original {
		r.checkOriginal(d, t)
		return
	}
	r.missing(t, "size", `"400x300"`)
	for _, name := range []string{"gravity", "focus"} {
		if r.sound(t, name, "method") && p.Transform.Method != thumb.Crop {
			r.mistake(t.at(name), `is for the method crop; remove it, or choose method = "crop"`)
		}
	}
	cuts := slices.Contains([]thumb.Method{thumb.Crop, thumb.Smart, thumb.Attention}, p.Transform.Method)
	if r.sound(t, "uncovered", "method") && !cuts {
		r.mistake(t.at("uncovered"), "is for the methods crop, smart and attention; remove it, or choose one of these")
	}
	if r.sound(t, "gravity", "focus") {
		r.mistake(t.at("focus"), "says where crop cuts, as gravity does; remove one of them")
	}
	if name := p.Transform.Watermark.Name; r.sound(t, "watermark") && !r.has(d, name) {
		r.mistake(t.at("watermark"), "there is no [%s.watermark.%s]; add it, or remove this", d.table.key, name)
	}
	r.checkWidths(d, t, p)
	r.checkMaxBytes(d, t, p)
	// A size of WordPress is never larger than the original, and its box is: 1024x9999.
	bounded := d.Thumb.Layout == thumb.WordPressLayout
	if w, h := largest(&d.Thumb, name); !bounded && (w > d.Thumb.MaxWidth || h > d.Thumb.MaxHeight) {
		r.mistake(t.at("size"), "is up to %dx%d, over thumbnail_width x thumbnail_height, %dx%d; lower it, or raise those in [limits]",
			w, h, d.Thumb.MaxWidth, d.Thumb.MaxHeight)
	}
}

// checkMaxBytes checks the most bytes of a preset's thumbnails.
func (r *reader) checkMaxBytes(d *draft, t table, p thumb.Preset) {
	if most := p.Transform.MaxBytes; most > d.thumbnailBytes {
		r.mistake(t.at("max_bytes"), "is %s, over thumbnail_bytes, %s; lower it, or raise that in [limits]", sizeText(most), sizeText(d.thumbnailBytes))
	}
}

// maxWidths is the most widths of a preset.
const maxWidths = 32

// checkWidths checks the widths of a preset, and its formats.
func (r *reader) checkWidths(d *draft, t table, p thumb.Preset) {
	if r.sound(t, "widths", "size") && p.Transform.Width == 0 && len(p.Widths) > 0 {
		r.mistake(t.at("widths"), `needs a size with a width, e.g. size = "1600x900" or size = "1600x"`)
	}
	if len(p.Widths) > maxWidths {
		r.mistake(t.at("widths"), "is more than %d widths; remove some", maxWidths)
	}
	for _, f := range p.Formats {
		if d.Thumb.Scheme == thumb.Signed && !slices.Contains(d.Thumb.Formats, f) {
			r.mistake(t.at("formats"), "the site's formats lack %v; add it there, or remove it here", f)
		}
	}
}

// checkSizes checks the presets of the layout wordpress, and ranks them as the file
// has them.
func (r *reader) checkSizes(d *draft, all table) {
	names := slices.SortedFunc(maps.Keys(d.Thumb.Presets), func(a, b string) int {
		return cmp.Or(r.places[all.at(a)].compare(r.places[all.at(b)]), strings.Compare(a, b))
	})
	if len(names) == 0 {
		r.mistake(d.table.at("layout"), "want a [%s.preset.NAME] for each size that WordPress has registered; thumbd init --from writes them", d.table.key)
	}
	for i, name := range names {
		t, ok := r.table(all, name)
		p := d.Thumb.Presets[name]
		p.Rank = i
		d.Thumb.Presets[name] = p
		if !ok {
			continue
		}
		if m := p.Transform.Method; r.sound(t, "method") && !slices.Contains([]thumb.Method{thumb.Fit, thumb.Crop, thumb.Smart, thumb.Attention}, m) {
			r.mistake(t.at("method"), `WordPress has fit and crop; choose one of these, smart or attention`)
		}
		for _, name := range []string{"dpr", "enlarge", "formats", "frames", "uncovered", "watermark", "widths"} {
			if t.has(name) {
				r.mistake(t.at(name), `has no effect with layout = "wordpress"; remove it`)
			}
		}
	}
}

// checkOriginal checks a preset with the method original.
func (r *reader) checkOriginal(d *draft, t table) {
	if !d.isScheme(thumb.PresetScheme) {
		r.mistake(t.at("method"), "original is for the scheme preset; choose another")
	}
	if len(d.Thumb.Negotiate) > 0 {
		r.mistake(t.at("method"), "original has no other format to negotiate; choose another, or remove the site's negotiate")
	}
	for _, name := range slices.Sorted(maps.Keys(presetFields(&thumb.Preset{}))) {
		if name != "method" && t.has(name) {
			r.mistake(t.at(name), `has no effect with method = "original"; remove it`)
		}
	}
}

// enlarging sets enlarge of a preset. It overrules the site's.
func enlarging(dst *thumb.Enlarge) setter {
	return func(v any) error {
		var on bool
		if err := truth(&on)(v); err != nil {
			return err
		}
		*dst = thumb.Never
		if on {
			*dst = thumb.Always
		}
		return nil
	}
}

func presetName(v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf(`want a preset's name such as "card", "card@2x" or "hero-*", have %s`, have(v))
	}
	return s, nil
}

// checkTogether checks the presets that are rendered together.
func (r *reader) checkTogether(d *draft) {
	key := d.table.at("render_together")
	if d.Thumb.Scheme == thumb.InPlace || !r.sound(d.table, "render_together") || r.bad[d.table.at("preset")] {
		return
	}
	if d.Thumb.Scheme == thumb.RestThumbnails {
		r.mistake(key, "URLs of the scheme restthumbnails name no preset; remove it")
		return
	}
	d.Thumb.Together = expand(&d.Thumb)
	outputs := 0
	for _, name := range d.Thumb.Together {
		outputs += len(d.Thumb.Extensions(name))
		if preset, ok := strings.CutSuffix(name, "-*"); ok {
			r.mistake(key, "there is no preset %q with widths; add widths to it, or remove %q here", preset, name)
		} else if !d.Thumb.HasPreset(name) {
			r.mistake(key, "there is no preset %q; add it (%s@2x needs dpr = [2]), or remove it here", name, strings.SplitN(name, "@", 2)[0])
		}
	}
	if outputs == 1 {
		r.mistake(key, "is one preset; name others, or remove it")
	}
	if outputs > maxTogether {
		r.mistake(key, "is %d thumbnails of each original, with the presets' formats, and the most are %d; remove some", outputs, maxTogether)
	}
}

// expand returns the presets of a site's render_together, each once: "hero-*" is all
// widths of hero.
func expand(s *thumb.Site) []string {
	var names []string
	for _, name := range s.Together {
		for _, one := range s.Expand(name) {
			if !slices.Contains(names, one) {
				names = append(names, one)
			}
		}
	}
	return names
}

// maxTogether is the most outputs of one job of a worker.
const maxTogether = 32

func (r *reader) checkDefaultPresets(d *draft) {
	for _, name := range slices.Sorted(maps.Keys(d.Thumb.Presets)) {
		if w, h := largest(&d.Thumb, name); w > d.Thumb.MaxWidth || h > d.Thumb.MaxHeight {
			r.mistake(d.table.key, "its default preset %s is up to %dx%d, over thumbnail_width x thumbnail_height, %dx%d; name presets, or raise those in [limits]",
				name, w, h, d.Thumb.MaxWidth, d.Thumb.MaxHeight)
		}
	}
}

// largest returns the largest width and height that a URI can ask for by the name of a
// preset: at its DPRs and widths, multiplied by the site's factors.
func largest(s *thumb.Site, name string) (width, height int) {
	specs := []thumb.Transform{{}}
	for _, n := range s.Presets[name].DPR {
		specs = append(specs, thumb.Transform{DPR: n})
	}
	if s.Presets[name].Transform.Width > 0 {
		for _, n := range s.Presets[name].Widths {
			specs = append(specs, thumb.Transform{Width: n})
		}
	}
	for _, spec := range specs {
		for _, factor := range slices.Concat([]int{100}, s.Factors) {
			t := thumb.Thumb{Site: s, Preset: name, Spec: spec, Factor: factor}
			w, h := t.Transform().Box()
			width, height = max(width, w), max(height, h)
		}
	}
	return width, height
}
