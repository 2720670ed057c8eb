// SPDX-License-Identifier: MIT

package recipe

import "thumbd/internal/thumb"

// The types of this file are settings.json. Their names and the order of their fields are
// the file's: a change of one is a change of every recipe, and purges every tree. They are
// converted to the types of package thumb and back by conversions that the compiler checks:
// if a field of thumb.Transform is added or renamed, this file no longer compiles, and the
// names in the JSON stay as they are.

// text is Settings in JSON. A field that an older version did not write is
// zero: its thumbnails were made with that value.
type text struct {
	Prefix     string               `json:"prefix"`
	Scheme     string               `json:"scheme"`
	Layout     thumb.Layout         `json:"layout,omitzero"`
	Presets    map[string]preset    `json:"presets"`
	Watermarks map[string]watermark `json:"watermarks"`
	Marks      map[string]string    `json:"marks"`
	Factors    []int                `json:"factors,omitempty"`
	Enlarge    bool                 `json:"enlarge"`
	Quality    map[thumb.Format]int `json:"quality"`
	Metadata   thumb.Metadata       `json:"metadata"`
	FramesOver thumb.FramesOver     `json:"frames_over,omitzero"`
	Variants   variants             `json:"variants,omitzero"`
	Mtime      int                  `json:"mtime,omitempty"`
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

// transformOf is a thumb.Transform with another type of watermark.
type transformOf[W any] struct {
	Width      int              `json:"width,omitempty"`
	Height     int              `json:"height,omitempty"`
	Method     thumb.Method     `json:"method"`
	Gravity    thumb.Gravity    `json:"gravity,omitzero"`
	Focus      thumb.Focus      `json:"focus,omitzero"`
	Uncovered  thumb.Uncovered  `json:"uncovered,omitzero"`
	DPR        int              `json:"dpr,omitempty"`
	Quality    int              `json:"quality,omitempty"`
	MaxBytes   int64            `json:"max_bytes,omitempty"`
	Format     thumb.Format     `json:"format"`
	Background thumb.Color      `json:"background,omitzero"`
	Blur       thumb.Decimal    `json:"blur,omitempty"`
	Sharpen    thumb.Decimal    `json:"sharpen,omitempty"`
	Gray       bool             `json:"gray,omitempty"`
	Frames     int              `json:"frames,omitempty"`
	Watermark  W                `json:"watermark,omitzero"`
	Enlarge    bool             `json:"enlarge,omitempty"`
	Metadata   thumb.Metadata   `json:"metadata,omitzero"`
	FramesOver thumb.FramesOver `json:"frames_over,omitzero"`
	Variant    bool             `json:"variant,omitempty"`
	MinSaving  thumb.Decimal    `json:"min_saving,omitempty"`
	Measure    bool             `json:"measure,omitempty"`
	Info       bool             `json:"info,omitempty"`
}

type (
	preset    = presetOf[transform]
	transform = transformOf[watermark]
)

type watermark struct {
	Name     string        `json:"name"`
	Opacity  thumb.Decimal `json:"opacity"`
	Position thumb.Gravity `json:"position,omitzero"`
	Scale    thumb.Decimal `json:"scale,omitempty"`
}

type variants struct {
	MaxWidth  int           `json:"max_width,omitempty"`
	MaxHeight int           `json:"max_height,omitempty"`
	MinSaving thumb.Decimal `json:"min_saving,omitempty"`
}

func presetWith[T, U any](p presetOf[T], t U) presetOf[U] {
	return presetOf[U]{t, p.DPR, p.Widths, p.Formats, p.Enlarge, p.Rank}
}

func transformWith[W, V any](t transformOf[W], w V) transformOf[V] {
	return transformOf[V]{
		t.Width, t.Height, t.Method, t.Gravity, t.Focus, t.Uncovered, t.DPR, t.Quality, t.MaxBytes, t.Format, t.Background, t.Blur,
		t.Sharpen, t.Gray, t.Frames, w, t.Enlarge, t.Metadata, t.FramesOver, t.Variant, t.MinSaving, t.Measure, t.Info,
	}
}

// writtenPreset returns p as settings.json has it.
func writtenPreset(p thumb.Preset) preset {
	x := presetOf[thumb.Transform](p)
	t := transformOf[thumb.Watermark](x.Transform)
	return presetWith(x, transformWith(t, watermark(t.Watermark)))
}

// readPreset is the reverse of writtenPreset.
func readPreset(p preset) thumb.Preset {
	t := transformWith(p.Transform, thumb.Watermark(p.Transform.Watermark))
	return thumb.Preset(presetWith(p, thumb.Transform(t)))
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
