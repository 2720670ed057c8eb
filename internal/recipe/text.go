// SPDX-License-Identifier: MIT

package recipe

import (
	"thumbd/internal/thumb"
	"thumbd/internal/thumb/thumbjson"
)

// The types of this file are settings.json. Their names and the order of their fields are
// the file's: a change of one is a change of every recipe, and purges every tree. They are
// converted to the types of package thumb and back by conversions that the compiler checks:
// if a field of thumb.Preset is added or renamed, this file no longer compiles, and the
// names in the JSON stay as they are.

// text is Settings in JSON. A field that an older version did not write is
// zero: its thumbnails were made with that value.
type text struct {
	Prefix     string                         `json:"prefix"`
	Scheme     string                         `json:"scheme"`
	Layout     thumb.Layout                   `json:"layout,omitzero"`
	Presets    map[string]preset              `json:"presets"`
	Watermarks map[string]thumbjson.Watermark `json:"watermarks"`
	Marks      map[string]string              `json:"marks"`
	Factors    []int                          `json:"factors,omitempty"`
	Enlarge    bool                           `json:"enlarge"`
	Quality    map[thumb.Format]int           `json:"quality"`
	Metadata   thumb.Metadata                 `json:"metadata"`
	FramesOver thumb.FramesOver               `json:"frames_over,omitzero"`
	Variants   variants                       `json:"variants,omitzero"`
	Mtime      int                            `json:"mtime,omitempty"`
}

// presetOf is a thumb.Preset with another type of transform.
type presetOf[T any] struct {
	Transform T              `json:"Transform"`
	DPR       []int          `json:"DPR"`
	Widths    []int          `json:"Widths,omitempty"`
	Formats   []thumb.Format `json:"Formats"`
	Enlarge   thumb.Enlarge  `json:"enlarge,omitzero"`
	Rank      int            `json:"rank,omitempty"`
}

type preset = presetOf[thumbjson.Transform]

type variants struct {
	MaxWidth  int           `json:"max_width,omitempty"`
	MaxHeight int           `json:"max_height,omitempty"`
	MinSaving thumb.Decimal `json:"min_saving,omitempty"`
}

func presetWith[T, U any](p presetOf[T], t U) presetOf[U] {
	return presetOf[U]{t, p.DPR, p.Widths, p.Formats, p.Enlarge, p.Rank}
}

// writtenPreset returns p as settings.json has it.
func writtenPreset(p thumb.Preset) preset {
	x := presetOf[thumb.Transform](p)
	return presetWith(x, thumbjson.Of(x.Transform))
}

// readPreset is the reverse of writtenPreset.
func readPreset(p preset) thumb.Preset {
	return thumb.Preset(presetWith(p, thumbjson.Read(p.Transform)))
}

// each returns m with each value converted. If m is nil, it returns nil, which is another
// text than that of an empty map.
func each[A, B any](m map[string]A, convert func(A) B) map[string]B {
	if m == nil {
		return nil
	}
	to := make(map[string]B, len(m))
	for name, v := range m {
		to[name] = convert(v)
	}
	return to
}
