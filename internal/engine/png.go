// SPDX-License-Identifier: MIT

package engine

import (
	"thumbd/internal/engine/png"
	"thumbd/internal/thumb"
)

// loadPNG decodes a PNG by package png. If it succeeds, the PNG is whole. If libvips
// should decode the PNG, it returns none. The caller closes the picture.
func (o *original) loadPNG() loaded {
	if o.format != thumb.PNG || o.left {
		return loaded{}
	}
	o.left = true
	if o.keepHeader() != nil {
		return loaded{}
	}
	p := png.Picture{Size: o.stored, Bands: o.header.bands(), Length: o.length}
	bytes := pixels(o.stored) * int64(p.Bands)
	if o.length+p.Room() > maxBase || o.header.bytes() != bytes {
		return loaded{}
	}
	out, memory, _, err := o.header.blank(o.stored, p.Room())
	if err != nil {
		return loaded{}
	}
	if png.Decode(o.file, p, memory) != nil {
		out.close()
		return loaded{}
	}
	o.left, o.isRead = false, true
	return out.whole()
}
