// SPDX-License-Identifier: MIT

package engine

import (
	"image"
	"slices"

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
// the same errors. An SVG is drawn anew for each. It returns group in the order
// in which it is to be made: from large to small.
func (o *original) gather(group []*output) []*output {
	sorted := slices.SortedStableFunc(slices.Values(group), func(a, b *output) int {
		x, y := o.need(a.plan), o.need(b.plan)
		return y.X*y.Y - x.X*x.Y
	})
	var size image.Point
	wanted := 0
	for _, out := range sorted {
		if out.err == nil && out.Method != thumb.Original {
			need := o.need(out.plan)
			size = image.Pt(max(size.X, need.X), max(size.Y, need.Y))
			wanted++
		}
	}
	if wanted < 2 || o.format == thumb.SVG {
		return sorted
	}
	all, err := o.load(size, sorted[0].animated)
	if err != nil {
		return sorted
	}
	defer all.close()
	n := 1
	if !sorted[0].animated {
		n = geometry.Mean(all.size(), size)
	}
	if all.bytes()/int64(n*n) > maxBase {
		return sorted
	}
	if base, err := all.shrink(n); err == nil {
		o.base = base
	}
	return sorted
}

// narrow makes what gather has decoded smaller, as far as out and all that
// come after it allow: rest, from large to small. Means of means are means, so
// it is no step away from the original.
func (o *original) narrow(rest []*output) {
	if o.base.p == nil || rest[0].animated {
		return
	}
	var size image.Point
	for _, out := range rest {
		need := o.need(out.plan)
		size = image.Pt(max(size.X, need.X), max(size.Y, need.Y))
	}
	n := geometry.Mean(o.base.size(), size)
	if n == 1 {
		return
	}
	if smaller, err := o.base.shrink(n); err == nil {
		o.base.close()
		o.base = smaller
	}
}

// release lets go of what gather has decoded.
func (o *original) release() {
	o.base.close()
	o.base = loaded{}
}
