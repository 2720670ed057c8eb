// SPDX-License-Identifier: MIT

package config

import (
	"errors"
	"maps"
	"slices"

	"thumbd/internal/thumb"
)

// watermarks reads and checks the watermarks of a site.
func (r *reader) watermarks(d *draft) {
	all, ok := r.table(d.table, "watermark")
	if ok && d.Thumb.Scheme == thumb.RestThumbnails {
		r.mistake(all.key, "URLs of the scheme restthumbnails name no watermark; remove it")
		return
	}
	d.WatermarkImages = make(map[string]string)
	for _, name := range slices.Sorted(maps.Keys(all.values)) {
		t, ok := r.table(all, name)
		if !ok {
			continue
		}
		if checkName(name) != nil {
			r.mistake(t.key, "%s", nameRule)
		}
		w := thumb.Watermark{Name: name, Opacity: 100, Position: thumb.SouthEast}
		var image string
		r.read(t, watermarkFields(&w, &image))
		r.missing(t, "image", `"/etc/thumbd/logo.png"`)
		d.Thumb.Watermarks[name], d.WatermarkImages[name] = w, image
	}
}

func watermarkFields(w *thumb.Watermark, image *string) fields {
	return fields{
		"image":    folder(image),
		"opacity":  decimal(&w.Opacity, 0, 100),
		"position": word(&w.Position),
		"scale":    decimal(&w.Scale, 0, 100),
	}
}

// has reports whether d has a watermark of this name. If d's watermarks are not known
// because of a mistake, has reports true.
func (r *reader) has(d *draft, name string) bool {
	_, ok := d.Thumb.Watermarks[name]
	return ok || r.bad[d.table.at("watermark")] || d.Thumb.Scheme == thumb.RestThumbnails
}

func checkName(s string) error {
	if !namePattern.MatchString(s) {
		return errors.New(nameRule)
	}
	return nil
}
