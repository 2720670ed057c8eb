// SPDX-License-Identifier: MIT

// Package thumbjson has the JSON of a transform, for settings.json and for the protocol of the
// workers. An example: {"width":400,"height":300,"method":"crop","format":"webp"}.
//
// The names and the order of the fields are those of settings.json: a change of one is a
// change of every recipe, and purges every tree. So they are apart from package thumb. The
// compiler checks the conversions: if a field of thumb.Transform is added or renamed, this
// package no longer compiles, and the names in the JSON stay as they are. A change here also
// changes wire.Version, which is computed from these fields.
package thumbjson

import "thumbd/internal/thumb"

// Transform is a thumb.Transform in JSON.
type Transform = transformOf[Watermark]

// Of returns the JSON of a transform.
func Of(t thumb.Transform) Transform {
	x := transformOf[thumb.Watermark](t)
	return transformWith(x, Watermark(x.Watermark))
}

// Read is the reverse of Of.
func Read(t Transform) thumb.Transform {
	return thumb.Transform(transformWith(t, thumb.Watermark(t.Watermark)))
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

// Watermark is a thumb.Watermark in JSON.
type Watermark struct {
	Name     string        `json:"name"`
	Opacity  thumb.Decimal `json:"opacity"`
	Position thumb.Gravity `json:"position,omitzero"`
	Scale    thumb.Decimal `json:"scale,omitempty"`
}

func transformWith[W, V any](t transformOf[W], w V) transformOf[V] {
	return transformOf[V]{
		t.Width, t.Height, t.Method, t.Gravity, t.Focus, t.Uncovered, t.DPR, t.Quality, t.MaxBytes, t.Format, t.Background, t.Blur,
		t.Sharpen, t.Gray, t.Frames, w, t.Enlarge, t.Metadata, t.FramesOver, t.Variant, t.MinSaving, t.Measure, t.Info,
	}
}
