// SPDX-License-Identifier: MIT

package engine

import (
	"image"

	"thumbd/internal/engine/png"
	"thumbd/internal/thumb"
)

// loadPNG decodes a PNG by package png, and shrinks it by n.X across and n.Y down
// meanwhile. If it succeeds, the PNG is whole. If libvips should decode the PNG, it
// returns none. The caller closes the picture.
func (o *original) loadPNG(n image.Point) loaded {
	if o.format != thumb.PNG || o.left {
		return loaded{}
	}
	o.left = true
	if o.keepHeader() != nil {
		return loaded{}
	}
	p := png.Picture{Size: o.stored, Bands: o.header.bands(), Shrink: n}
	if p.Memory() > maxBase || o.header.bytes() != pixels(o.stored)*int64(p.Bands) {
		return loaded{}
	}
	out, memory, _, err := o.header.blank(p.Shrunk(), p.Room())
	if err != nil {
		return loaded{}
	}
	if png.Decode(o.file, p, memory) != nil {
		out.close()
		return loaded{}
	}
	o.left, o.isRead = false, true
	return loaded{
		picture: out,
		across:  float64(o.stored.X) / float64(n.X), down: float64(o.stored.Y) / float64(n.Y),
	}
}
