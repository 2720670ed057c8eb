// SPDX-License-Identifier: MIT

package migrate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"

	"thumbd/internal/thumb"
)

// wordpress translates the sizes that WordPress has registered, in their order:
//
//	{"thumbnail":{"width":150,"height":150,"crop":true},
//	 "medium_large":{"width":768,"height":0,"crop":false},
//	 "banner":{"width":1600,"height":400,"crop":["left","top"]}}
func (r *reader) wordpress(text []byte) error {
	r.Layout, r.Prefix = thumb.WordPressLayout, "/wp-content/uploads/"
	d := json.NewDecoder(bytes.NewReader(text))
	wrong := func(err error) error {
		return fmt.Errorf("%w: line %d: %w", ErrSettings, line(text, d.InputOffset()), err)
	}
	if _, err := d.Token(); err != nil {
		return wrong(err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return wrong(err)
		}
		at := line(text, d.InputOffset())
		var s struct{ Width, Height, Crop any }
		if err := d.Decode(&s); err != nil {
			return wrong(err)
		}
		r.registered(fmt.Sprint(name), at, s.Width, s.Height, s.Crop)
	}
	if _, err := d.Token(); err != nil {
		return wrong(err)
	}
	return nil
}

func line(text []byte, offset int64) int { return bytes.Count(text[:offset], []byte("\n")) + 1 }

var (
	notOfPresets = regexp.MustCompile(`[^A-Za-z0-9_-]`)
	// hero-320w would be the preset hero at a width.
	widthOfPreset = regexp.MustCompile(`-([0-9]+w)$`)
)

// registered takes one size.
func (r *reader) registered(name string, at int, width, height, crop any) {
	// The name of a size is not in its URLs, so that it may be another.
	preset := widthOfPreset.ReplaceAllString(notOfPresets.ReplaceAllString(name, "_"), "_$1")
	if preset != "" && preset[0] == '-' {
		preset = "_" + preset
	}
	d := r.draft("size", preset, at)
	d.what = fmt.Sprintf("size %q", name)
	for _, p := range r.Presets {
		if p.Name == preset {
			d.no(at, "another size has the name %q", preset)
		}
	}
	w, okWidth := pixels(width)
	h, okHeight := pixels(height)
	if !okWidth || !okHeight || w == 0 && h == 0 {
		d.no(at, "width %v and height %v have no equal", width, height)
		return
	}
	gravity, cut, ok := cropOf(crop)
	if !ok {
		d.no(at, "crop %v has no equal", crop)
		return
	}
	method := "fit"
	if cut {
		method, d.Gravity = "crop", gravity
	}
	d.size(&value{}, method, w, h)
	d.end(at)
}

// pixels returns a number that may be text in JSON.
func pixels(v any) (int, bool) {
	switch v := v.(type) {
	case nil:
		return 0, true
	case float64:
		n := int(v)
		return n, float64(n) == v && n >= 0 && n <= mostSide
	case string:
		n, err := strconv.Atoi(v)
		return n, err == nil && n >= 0 && n <= mostSide
	}
	return 0, false
}

// cropOf returns the gravity of a crop, and whether there is one: true, "1", or the
// horizontal and the vertical place.
func cropOf(v any) (gravity string, cut, ok bool) {
	switch v := v.(type) {
	case nil:
		return "", false, true
	case bool:
		return "", v, true
	case float64:
		return "", v != 0, true
	case string:
		return "", v != "" && v != "0", true
	case []any:
		if len(v) != 2 {
			return "", false, false
		}
		gravity, ok := anchors[fmt.Sprintf("%v-%v", v[0], v[1])]
		return gravity, true, ok
	}
	return "", false, false
}
