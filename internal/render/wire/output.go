// SPDX-License-Identifier: MIT

package wire

import (
	"bytes"
	"encoding/json"

	"thumbd/internal/thumb"
)

// Outputs are the outputs of a job in the order of their memfds. In a message, an output
// is the JSON of its transform, for example {"width":400,"height":300,"method":"crop","format":"webp"}.
type Outputs []thumb.Transform

// MarshalJSON implements json.Marshaler.
func (o Outputs) MarshalJSON() ([]byte, error) {
	list := make([]transform, len(o))
	for i, t := range o {
		x := transformOf[thumb.Watermark](t)
		list[i] = transformWith(x, watermark(x.Watermark))
	}
	return json.Marshal(list)
}

// UnmarshalJSON implements json.Unmarshaler. It refuses unknown fields.
func (o *Outputs) UnmarshalJSON(b []byte) error {
	var list []transform
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil {
		return err
	}
	*o = nil
	for _, x := range list {
		*o = append(*o, thumb.Transform(transformWith(x, thumb.Watermark(x.Watermark))))
	}
	return nil
}

type transform = transformOf[watermark]

// transformOf is a thumb.Transform with another type of watermark, and with the protocol's
// names. If a field of thumb.Transform is added or renamed, its conversion does not
// compile: raise Version with a change of this type.
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

type watermark struct {
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
