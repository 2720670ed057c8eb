// SPDX-License-Identifier: MIT

package geometry

import (
	"image"

	"thumbd/internal/thumb"
)

// scaledBox is the box of WordPress' NAME-scaled.EXT.
var scaledBox = image.Pt(2560, 2560)

// WordPress returns the size that WordPress gives an original for a registered size
// with that box, and false if it makes none: the original is smaller, or as large but
// for a pixel. One side of box may be 0, free. For example, 3000x2000 in 300x300 is
// 300x200, and cropped 300x300.
func WordPress(original, box image.Point, crop bool) (image.Point, bool) {
	smaller := (box.X == 0 || original.X < box.X) && (box.Y == 0 || original.Y < box.Y)
	if smaller || box == (image.Point{}) {
		return image.Point{}, false
	}
	size := wordPressFit(original, box)
	if crop {
		size = wordPressCrop(original, box)
	}
	change := original.Sub(size)
	return size, (change.X > 1 || change.Y > 1) && size.X > 0 && size.Y > 0
}

// wordPressFit differs from within by up to one pixel: it takes the larger of the two
// ratios if both sides still fit after rounding, and turns a side that falls short
// of the box by one pixel into the box's.
func wordPressFit(original, box image.Point) image.Point {
	across, down := ratioOf(original.X, box.X), ratioOf(original.Y, box.Y)
	larger, smaller := across, down
	if larger.less(smaller) {
		larger, smaller = smaller, larger
	}
	size := larger.of(original)
	if size.X > box.X || size.Y > box.Y {
		size = smaller.of(original)
	}
	if across.reduces() && size.X == box.X-1 {
		size.X = box.X
	}
	if down.reduces() && size.Y == box.Y-1 {
		size.Y = box.Y
	}
	return size
}

// wordPressCrop shrinks each side on its own to the original's.
func wordPressCrop(original, box image.Point) image.Point {
	size := image.Pt(min(box.X, original.X), min(box.Y, original.Y))
	if size.X == 0 {
		size.X = scale(original.X, size.Y, original.Y)
	}
	if size.Y == 0 {
		size.Y = scale(original.Y, size.X, original.X)
	}
	return size
}

// ratio is to / from, at most 1.
type ratio struct{ to, from int }

// ratioOf returns the ratio that reduces a side to a box's, if it is larger than
// that and the box's is not free.
func ratioOf(side, box int) ratio {
	if box == 0 || side <= box {
		return ratio{1, 1}
	}
	return ratio{box, side}
}

func (r ratio) reduces() bool { return r.to < r.from }

func (r ratio) less(than ratio) bool { return r.to*than.from < than.to*r.from }

func (r ratio) of(size image.Point) image.Point {
	return image.Pt(max(scale(size.X, r.to, r.from), 1), max(scale(size.Y, r.to, r.from), 1))
}

// Resolve returns t as the thumbnail of a preset. t is of the layout wordpress, and its
// URI names only a size. original is the size of its original as it is seen. If several
// presets give t's size for this original, the last one wins, as in WordPress. If none
// does, ok is false.
func Resolve(t thumb.Thumb, original image.Point) (_ thumb.Thumb, ok bool) {
	if t.Size == thumb.ScaledSize {
		size, ok := WordPress(original, scaledBox, false)
		return t.As("", size.X, size.Y), ok && size.X <= t.Site.MaxWidth && size.Y <= t.Site.MaxHeight
	}
	want := image.Pt(t.Spec.Width, t.Spec.Height)
	for _, name := range t.Site.Candidates(t) {
		p := t.Site.Presets[name].Transform
		size, ok := WordPress(original, image.Pt(p.Width, p.Height), p.Method != thumb.Fit)
		if ok && size == want {
			return t.As(name, size.X, size.Y), true
		}
	}
	return thumb.Thumb{}, false
}
