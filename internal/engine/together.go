// SPDX-License-Identifier: MIT

package engine

import (
	"image"

	"thumbd/internal/geometry"
	"thumbd/internal/thumb"
)

// maxBase is the most memory in bytes that a decoded original may take for
// several outputs to be made of it. Larger ones are decoded for each.
const maxBase = 192 << 20

// together returns the outputs in groups that are made of the same pixels.
func together(outputs []*output) [][]*output {
	var stills, films, copies []*output
	for _, out := range outputs {
		switch {
		case out.Method == thumb.Original:
			copies = append(copies, out)
		case out.animated:
			films = append(films, out)
		default:
			stills = append(stills, out)
		}
	}
	return [][]*output{stills, films, copies}
}

// gather decodes the original for group once, at the scale that the largest of
// its outputs needs. Where it does not, each output decodes for itself, with
// the same errors. An SVG is drawn anew for each.
func (o *original) gather(group []*output) {
	var size image.Point
	wanted := 0
	for _, out := range group {
		if out.err == nil && out.Method != thumb.Original {
			need := o.need(out.plan)
			size = image.Pt(max(size.X, need.X), max(size.Y, need.Y))
			wanted++
		}
	}
	if wanted < 2 || o.format == thumb.SVG {
		return
	}
	animated := group[0].animated
	all, err := o.load(size, animated)
	if err != nil {
		return
	}
	defer all.close()
	n := 1
	if !animated {
		n = geometry.Mean(all.size(), size)
	}
	if all.bytes()/int64(n*n) > maxBase {
		return
	}
	if base, err := all.shrink(n); err == nil {
		o.base = base
	}
}

// release lets go of what gather has decoded.
func (o *original) release() {
	o.base.close()
	o.base = loaded{}
}
