// SPDX-License-Identifier: MIT

package engine

import (
	"thumbd/internal/engine/png"
	"thumbd/internal/thumb"
)

// loadPNG decodes a PNG by package png, or returns none if libvips is to decode it. It
// is whole then. The caller closes it.
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
