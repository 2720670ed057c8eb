// SPDX-License-Identifier: MIT

package engine

import (
	"image"
	"slices"

	"thumbd/internal/geometry"
	"thumbd/internal/thumb"
)

// maxBase is a limit of memory in bytes. If a decoded original takes more, it is
// decoded once for each output, and not kept for several. If a PNG with its file
// takes more, it is decoded line by line, and not at once.
const maxBase = 192 << 20

// together returns the outputs in groups that are made of the same pixels. If the
// original is a JPEG, the outputs that show all of its chroma are a group of their own.
func (o *original) together(outputs []*output) [][]*output {
	var stills, colorful, films, copies []*output
	for _, out := range outputs {
		switch {
		case out.Method == thumb.Original:
			copies = append(copies, out)
		case out.animated:
			films = append(films, out)
		case o.format == thumb.JPEG && !out.halves():
			colorful = append(colorful, out)
		default:
			stills = append(stills, out)
		}
	}
	return [][]*output{stills, colorful, films, copies}
}

// gather decodes the original once for group, at the scale that the largest output
// needs. If gather can't do this, each output decodes for itself, with the same
// errors. An SVG is drawn anew for each output. gather returns group in the order of
// rendering, from large to small.
func (o *original) gather(group []*output) []*output {
	sorted := slices.SortedStableFunc(slices.Values(group), func(a, b *output) int {
		x, y := o.need(a.plan), o.need(b.plan)
		return y.X*y.Y - x.X*x.Y
	})
	wanted := 0
	for _, out := range sorted {
		if out.err == nil && out.Method != thumb.Original {
			wanted++
		}
	}
	size := o.needs(sorted)
	if wanted < 2 || o.format == thumb.SVG {
		return sorted
	}
	all, err := o.load(size, sorted[0])
	if err != nil {
		return sorted
	}
	if !all.planes.None() {
		o.base = all
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
		if o.check(all, false) != nil {
			base.close()
			return sorted
		}
		o.base = base
	}
	return sorted
}

// needs returns the size that is enough for each of outputs.
func (o *original) needs(outputs []*output) (size image.Point) {
	for _, out := range outputs {
		if out.err == nil && out.Method != thumb.Original {
			need := o.need(out.plan)
			size = image.Pt(max(size.X, need.X), max(size.Y, need.Y))
		}
	}
	return size
}

// narrow makes the picture that gather has decoded smaller if the outputs of rest
// (the ones that are not made yet, from large to small) allow it. It takes the
// picture that was resized for a larger output, or the mean of pixels.
func (o *original) narrow(rest []*output) {
	if o.base.none() || rest[0].animated {
		return
	}
	size := o.needs(rest)
	o.rest = o.needs(rest[1:])
	if !o.step.none() && geometry.Fine(o.step.size(), size) {
		o.base.close()
		o.base, o.step = o.step, loaded{}
	}
	if !o.base.planes.None() {
		return
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

// release closes the picture that gather has decoded.
func (o *original) release() {
	o.base.close()
	o.step.close()
	o.base, o.step, o.rest = loaded{}, loaded{}, image.Point{}
}
