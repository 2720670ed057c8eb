// SPDX-License-Identifier: MIT

// Package geometry computes, from an original's size and a transform, the part of
// the original that is resized, the size after that, and the part of the resized
// picture that is the thumbnail. It counts in whole pixels and exact ratios, never
// in floating point, so no thumbnail is a pixel short.
//
// For example, an original of 4000x3000 and crop to 400x400: all of it is resized
// to 533x400, and the 400x400 in the middle are cut out.
package geometry

import (
	"errors"
	"image"

	"thumbd/internal/thumb"
)

// ErrTooLarge says that a free dimension of the thumbnail is over the limit. It follows
// from the original's ratio.
var ErrTooLarge = errors.New("the thumbnail would be too large")

// Plan is the way from an upright original to a thumbnail: Source is resized to
// Size, and the part Cut of the resized picture is laid on Canvas, the thumbnail.
type Plan struct {
	// Source is the needed part of the original: all of it, unless the original
	// is enlarged and then cut. So no picture on the way is larger than the
	// original and the thumbnail by more than a few pixels of the original.
	Source image.Rectangle
	Size   image.Point
	Cut    image.Rectangle
	// Canvas is as large as Cut, unless the picture is padded.
	Canvas image.Point
	// Seek is Smart or Attention if the picture's content decides the place of the
	// kept part, and 0 otherwise. If the original is enlarged, this is the place
	// of Source in the original, else of Cut in the resized picture. The sizes
	// are final.
	Seek thumb.Method
}

// New plans t for an original of the given size, as it is seen: turned. Neither
// dimension of the thumbnail is over limit's. The transform has a box.
func New(original image.Point, t thumb.Transform, limit image.Point) (Plan, error) {
	w, h := t.Box()
	box := image.Pt(w, h)
	var p Plan
	switch {
	case box.X == 0 || box.Y == 0:
		p = whole(original, along(original, box, t.Enlarge))
	case t.Method == thumb.Scale:
		p = whole(original, cover(original, box, t.Enlarge))
	case t.Method == thumb.Fit:
		p = whole(original, within(original, box, t.Enlarge))
	case t.Method == thumb.Pad:
		p = whole(original, within(original, box, t.Enlarge))
		p.Canvas = box
	case t.Method == thumb.Stretch:
		p = whole(original, box)
	default:
		p = cut(original, box, t)
	}
	if p.Canvas.X > limit.X || p.Canvas.Y > limit.Y {
		return Plan{}, ErrTooLarge
	}
	return p, nil
}

// Place returns the picture's place on Canvas: the middle.
func (p Plan) Place() image.Point { return place(thumb.Center, p.Canvas, p.Cut.Size()).Min }

// Enlarges reports whether a dimension of the original grows.
func (p Plan) Enlarges() bool {
	from := p.Source.Size()
	return p.Size.X > from.X || p.Size.Y > from.Y
}

func whole(original, size image.Point) Plan {
	return Plan{
		Source: image.Rectangle{Max: original},
		Size:   size,
		Cut:    image.Rectangle{Max: size},
		Canvas: size,
	}
}

// along returns the size with the one dimension that box states.
func along(original, box image.Point, enlarge bool) image.Point {
	if !enlarge {
		box.X, box.Y = min(box.X, original.X), min(box.Y, original.Y)
	}
	if box.Y == 0 {
		return byWidth(original, box.X)
	}
	return byHeight(original, box.Y)
}

// cover returns the smallest size that covers box.
func cover(original, box image.Point, enlarge bool) image.Point {
	if !enlarge && (original.X < box.X || original.Y < box.Y) {
		return original
	}
	if wider(box, original) {
		return byWidth(original, box.X)
	}
	return byHeight(original, box.Y)
}

// within returns the largest size that fits into box.
func within(original, box image.Point, enlarge bool) image.Point {
	if !enlarge && original.X <= box.X && original.Y <= box.Y {
		return original
	}
	if wider(box, original) {
		return byHeight(original, box.Y)
	}
	return byWidth(original, box.X)
}

// cut plans a picture of exactly the box, or of a smaller box with the same ratio
// if the original does not cover the box.
func cut(original, box image.Point, t thumb.Transform) Plan {
	if !t.Enlarge && (original.X < box.X || original.Y < box.Y) {
		box = covered(box, original, t.Uncovered)
	}
	size := cover(original, box, true)
	p := whole(original, size)
	p.Canvas = box
	p.Cut = place(t.Gravity, size, box)
	if t.Focus != (thumb.Focus{}) {
		p.Cut = around(t.Focus, size, box)
	}
	if t.Method == thumb.Smart || t.Method == thumb.Attention {
		p.Seek = t.Method
		p.Cut = place(thumb.Center, size, box)
	}
	if p.Enlarges() {
		p.trim()
	}
	return p
}

// covered returns the box that an original covers, of one that it does not.
func covered(box, original image.Point, u thumb.Uncovered) image.Point {
	if u == thumb.Axes {
		return image.Pt(min(box.X, original.X), min(box.Y, original.Y))
	}
	return within(box, original, false)
}

// trim limits Source to the pixels of Cut.
func (p *Plan) trim() {
	x0, x1, w := span(p.Source.Max.X, p.Size.X, &p.Cut.Min.X, &p.Cut.Max.X)
	y0, y1, h := span(p.Source.Max.Y, p.Size.Y, &p.Cut.Min.Y, &p.Cut.Max.Y)
	p.Source = image.Rect(x0, y0, x1, y1)
	p.Size = image.Pt(w, h)
}

// span returns the pixels from and to of an axis of length original that cover
// the part from lo to hi of the axis resized, and their resized length. It
// moves lo and hi to be counted from the resized start.
func span(original, resized int, lo, hi *int) (from, to, length int) {
	from = *lo * original / resized
	to = min((*hi*original+resized-1)/resized, original)
	length = max(scale(to-from, resized, original), *hi-*lo)
	start := min(max(*lo-scale(from, resized, original), 0), length-(*hi-*lo))
	*lo, *hi = start, start+*hi-*lo
	return from, to, length
}

// Overlay returns the place of a watermark of size of on a thumbnail of the given
// size. The watermark is no larger than the thumbnail.
func Overlay(thumbnail, of image.Point, w thumb.Watermark) image.Rectangle {
	box := within(of, thumbnail, false)
	if w.Scale != 0 {
		width := max(scale(thumbnail.X, int(w.Scale), 100), 1)
		box = within(byWidth(of, width), image.Pt(width, thumbnail.Y), false)
	}
	return place(w.Position, thumbnail, box)
}

// place returns the place of a box in a picture by gravity g. An odd pixel is left
// over to the right or below.
func place(g thumb.Gravity, size, box image.Point) image.Rectangle {
	room := size.Sub(box)
	at := room.Div(2)
	switch g {
	case thumb.NorthWest, thumb.West, thumb.SouthWest:
		at.X = 0
	case thumb.NorthEast, thumb.East, thumb.SouthEast:
		at.X = room.X
	}
	switch g {
	case thumb.NorthWest, thumb.North, thumb.NorthEast:
		at.Y = 0
	case thumb.SouthWest, thumb.South, thumb.SouthEast:
		at.Y = room.Y
	}
	return image.Rectangle{Min: at, Max: at.Add(box)}
}

// around returns the place of a box in a picture that has the focus as near to its
// middle as possible.
func around(f thumb.Focus, size, box image.Point) image.Rectangle {
	x, y := f.Point()
	at := image.Pt(start(int(x), size.X, box.X), start(int(y), size.Y, box.Y))
	return image.Rectangle{Min: at, Max: at.Add(box)}
}

// start returns the start of a part of length part on an axis of length size, so
// that its middle is near to focus, in hundredths of a percent.
func start(focus, size, part int) int {
	return min(max(2*size*focus-10_000*part, 0)/20_000, size-part)
}

// wider reports whether a is at least as wide as b for its height.
func wider(a, b image.Point) bool { return a.X*b.Y >= b.X*a.Y }

func byWidth(size image.Point, width int) image.Point {
	return image.Pt(width, max(scale(size.Y, width, size.X), 1))
}

func byHeight(size image.Point, height int) image.Point {
	return image.Pt(max(scale(size.X, height, size.Y), 1), height)
}

// scale returns n x to / from, rounded half up.
func scale(n, to, from int) int { return (2*n*to + from) / (2 * from) }
