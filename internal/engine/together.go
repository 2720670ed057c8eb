// SPDX-License-Identifier: MIT

package engine

import (
	"image"
	"slices"

	"thumbd/internal/geometry"
	"thumbd/internal/thumb"
)

// maxBase is a limit of memory in bytes. If a decoded original takes more, it is
// decoded once for each output, and not kept for several. If package png would take more
// for a PNG, libvips decodes it.
const maxBase = 192 << 20

// group is the state that outputs share if they are made of the same pixels. The zero
// group has none.
type group struct {
	// base is the decoded picture if several outputs are made of it, otherwise none.
	base loaded
	// resized is base after it was resized for an output and before it was cut, or none.
	// Later outputs may be made of it.
	resized loaded
	// rest is the size that the later outputs need, or 0x0.
	rest image.Point
}

// keep makes l the picture of which later outputs may be made. The group closes it.
func (g *group) keep(l loaded) {
	g.resized.close()
	g.resized = l
}

// isBase reports whether the outputs that follow can be made of l as plan resizes
// it. g.rest is the size that they need.
func (g *group) isBase(l loaded, plan geometry.Plan) bool {
	size := l.size()
	return g.rest != (image.Point{}) && plan.Size.X < size.X && plan.Size.Y < size.Y &&
		(g.resized.none() || geometry.Fine(plan.Size, g.rest))
}

func (g *group) close() {
	g.base.close()
	g.resized.close()
	*g = group{}
}

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

// gather decodes the original once for outputs, at the scale that the largest output
// needs. If gather can't do this, each output decodes for itself, with the same
// errors. An SVG is drawn anew for each output. gather returns the outputs in the order of
// rendering, from large to small.
func (o *original) gather(outputs []*output) []*output {
	sorted := slices.SortedStableFunc(slices.Values(outputs), func(a, b *output) int {
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
	n := geometry.Shrink(o.stored, size)
	if base := o.loadPNG(image.Pt(n, n)); !base.none() {
		o.group.base = base
		return sorted
	}
	all, err := o.load(size, sorted[0])
	if err != nil {
		return sorted
	}
	if !all.planes.None() {
		o.group.base = all
		return sorted
	}
	defer all.close()
	n = 1
	if !sorted[0].animated {
		n = geometry.Shrink(all.size(), size)
	}
	if all.bytes()/int64(n*n) > maxBase {
		return sorted
	}
	if base, err := all.shrink(n); err == nil {
		if o.check(all, false) != nil {
			base.close()
			return sorted
		}
		o.group.base = base
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

// shrinkBase makes the base of the group smaller if the outputs of rest (the ones that
// are not made yet, from large to small) allow it. The new base is the picture that was
// resized for a larger output, or the old base shrunk.
func (o *original) shrinkBase(rest []*output) {
	g := &o.group
	if g.base.none() || rest[0].animated {
		return
	}
	size := o.needs(rest)
	g.rest = o.needs(rest[1:])
	if !g.resized.none() && geometry.Fine(g.resized.size(), size) {
		g.base.close()
		g.base, g.resized = g.resized, loaded{}
	}
	if !g.base.planes.None() {
		return
	}
	n := geometry.Shrink(g.base.size(), size)
	if n == 1 {
		return
	}
	if smaller, err := g.base.shrink(n); err == nil {
		g.base.close()
		g.base = smaller
	}
}
