// SPDX-License-Identifier: MIT

// Package plane holds pictures as planes of bytes, as JPEG has them: gray, or
// luma and two of chroma. It resizes, cuts and turns them, each plane by itself,
// and makes pixels of them in the end.
//
// A plane of chroma may have half as many samples across and down as luma. A
// sample then lies in the middle of four of luma's, as JFIF says.
//
// Resizing is by Lanczos3, in whole numbers. There is a plain implementation in
// C and one for AVX2 (type Passes in resize.h), which come to the same bytes. The
// weights are computed in floating point, but without the fused additions of some
// processors, which -std=c11 forbids, so they are the same everywhere.
//
// It has more files than other packages because each loop has two: plain C, and the
// processor's vectors.
package plane

// #cgo CFLAGS: -std=c11 -O3 -Wall -Wextra
// #cgo LDFLAGS: -lm
// #include "plane.h"
// #include "resize.h"
// #include "turn.h"
import "C"

import (
	"errors"
	"image"
	"unsafe"
)

// ErrMemory means that the process could not get memory.
var ErrMemory = errors.New("no memory")

// passes are the loops with which this processor resizes. A test takes others.
var passes = C.passes_best()

// Picture is planes in memory of C. Its owner closes it. The zero Picture is
// none.
type Picture struct{ p *C.Planes }

// Take returns the Planes of plane.h at p as a picture. The picture owns them then.
func Take(p unsafe.Pointer) Picture { return Picture{(*C.Planes)(p)} }

// Pointer returns p's Planes of plane.h. p still owns them.
func (p Picture) Pointer() unsafe.Pointer { return unsafe.Pointer(p.p) }

// Close frees p. It may be none.
func (p Picture) Close() { C.planes_free(p.p) }

// None reports whether p is no picture.
func (p Picture) None() bool { return p.p == nil }

// Bands returns 1 for gray and 3 for colors.
func (p Picture) Bands() int { return int(p.p.count) }

// Size returns that of luma.
func (p Picture) Size() image.Point {
	return image.Pt(int(p.p.plane[0].width), int(p.p.plane[0].height))
}

// Resizing says how Resize changes a picture.
type Resizing struct {
	// The picture is resized to Size, and Cut is cut from that.
	Size image.Point
	Cut  image.Rectangle
	// Halved makes half as many samples of chroma, across and down.
	Halved bool
	// FromRight and FromBottom say that the picture will be turned so that its
	// right or its lower edge comes first. An odd number of samples leaves one of
	// halved chroma with half of its share of luma: the last one that is seen.
	FromRight, FromBottom bool
}

// maxStep is by how much a filter can reduce.
const maxStep = C.STEP_MAX

// Resize returns p as r resizes and cuts it. The caller closes it.
func (p Picture) Resize(r Resizing) (Picture, error) {
	luma := &p.p.plane[0]
	if float64(luma.across) > maxStep*float64(r.Size.X) || float64(luma.down) > maxStep*float64(r.Size.Y) {
		return p.resizeFar(r)
	}
	var x, y [3]C.Span
	for i := range p.Bands() {
		q := &p.p.plane[i]
		halved := r.Halved && i > 0
		x[i] = span(float64(q.across), r.Size.X, r.Cut.Min.X, r.Cut.Max.X, halved, r.FromRight)
		y[i] = span(float64(q.down), r.Size.Y, r.Cut.Min.Y, r.Cut.Max.Y, halved, r.FromBottom)
	}
	out := C.planes_resize(p.p, &x[0], &y[0], passes)
	if out == nil {
		return Picture{}, ErrMemory
	}
	return Picture{out}, nil
}

// resizeFar is Resize in two steps.
func (p Picture) resizeFar(r Resizing) (Picture, error) {
	const rest = 16
	size := p.Size()
	near := image.Pt(min(r.Size.X*rest, size.X), min(r.Size.Y*rest, size.Y))
	q, err := p.Resize(Resizing{Size: near, Cut: image.Rectangle{Max: near}, Halved: r.Halved})
	if err != nil {
		return Picture{}, err
	}
	defer q.Close()
	return q.Resize(r)
}

// span returns the way along an axis: all old samples become size new ones, and the new
// samples from lo to hi are wanted.
func span(all float64, size, lo, hi int, halved, fromEnd bool) C.Span {
	step := all / float64(size)
	if !halved {
		return C.Span{from: C.double(float64(lo) * step), step: C.double(step), wanted: C.int(hi - lo), parts: 1}
	}
	wanted := (hi - lo + 1) / 2
	if fromEnd {
		lo = hi - 2*wanted
	}
	return C.Span{from: C.double(float64(lo) * step), step: C.double(2 * step), wanted: C.int(wanted), parts: 2}
}

// Turn returns p turned upright, if p is stored with this orientation of EXIF's, 1 to 8.
// The caller closes the result.
func (p Picture) Turn(orientation int) (Picture, error) {
	out := C.planes_turn(p.p, C.int(orientation))
	if out == nil {
		return Picture{}, ErrMemory
	}
	return Picture{out}, nil
}

// Luma returns the first of p's lines of luma, or of gray, which are stride bytes apart.
// They stay p's.
func (p Picture) Luma() (data unsafe.Pointer, stride int) {
	return unsafe.Pointer(p.p.plane[0].data), int(p.p.plane[0].stride)
}

// Pixels writes p's pixels, a byte for gray or three for red, green and blue, to
// memory of C at to. Each line begins stride bytes after the line above.
func (p Picture) Pixels(to unsafe.Pointer, stride int) {
	C.planes_pixels(p.p, (*C.uint8_t)(to), C.size_t(stride))
}
