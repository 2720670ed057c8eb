// SPDX-License-Identifier: MIT

package plane

// #include "pixels.h"
// #include "resize.h"
// #include "turn.h"
//
// static const uint8_t *
// line(void *from, int y)
// {
//	const Pixels *in = from;
//
//	return in->pixels + y * in->stride;
// }
//
// /* pixels_resize of a picture whose lines come one after the other. */
// static int
// resize_by_lines(const Pixels *in, const Span *x, const Span *y, uint8_t *out,
//	ptrdiff_t stride, const Passes *passes)
// {
//	Pixels lines = *in;
//
//	lines.pixels = NULL;
//	lines.line = line;
//	lines.from = (void *) in;
//	return pixels_resize(&lines, x, y, out, stride, passes);
// }
import "C"

import (
	"image"
	"unsafe"
)

// Band is one plane of a picture.
type Band struct {
	Width, Height, Stride int
	Across, Down          float64 // samples that are all of the picture
	// Samples are lines of Stride bytes each. They are p's.
	Samples []byte
}

// Band returns plane i of p.
func (p Picture) Band(i int) Band {
	q := &p.p.plane[i]
	return Band{
		Width: int(q.width), Height: int(q.height), Stride: int(q.stride),
		Across: float64(q.across), Down: float64(q.down),
		Samples: unsafe.Slice((*byte)(q.data), int(q.stride)*int(q.height)),
	}
}

// New returns a picture of a size with samples of any value. If halved is set, chroma
// has half of the size, rounded up. The caller closes the picture.
func New(size image.Point, bands int, halved bool) (Picture, error) {
	var half C.int
	if halved {
		half = 1
	}
	p := C.planes_new(C.int(bands), C.int(size.X), C.int(size.Y), half)
	if p == nil {
		return Picture{}, ErrMemory
	}
	return Picture{p}, nil
}

// plainPasses are the loops in plain C, for tests.
func plainPasses() *C.Passes { return &C.passes_plain }

// pixels returns the bytes that Pixels writes, for tests.
func (p Picture) pixels() []byte {
	size, bands := p.Size(), p.Bands()
	memory := C.malloc(C.size_t(size.X * size.Y * bands))
	defer C.free(memory)
	p.Pixels(memory, size.X*bands)
	return C.GoBytes(memory, C.int(size.X*size.Y*bands))
}

// resized returns pixels resized to the size to, for tests. The bands of pixels lie side
// by side. If inMemory is not set, each line is handed over by itself.
func resized(pixels []byte, from image.Point, bands int, alpha, inMemory bool, to image.Point, passes *C.Passes) []byte {
	memory := C.CBytes(pixels)
	defer C.free(memory)
	out := C.malloc(C.size_t(to.X * to.Y * bands))
	defer C.free(out)
	in := C.Pixels{
		width: C.int(from.X), height: C.int(from.Y), bands: C.int(bands),
		pixels: (*C.uint8_t)(memory), stride: C.ptrdiff_t(from.X * bands),
	}
	if alpha {
		in.alpha = 1
	}
	x, y := span(float64(from.X), to.X, 0, to.X, false, false), span(float64(from.Y), to.Y, 0, to.Y, false, false)
	var code C.int
	if inMemory {
		code = C.pixels_resize(&in, &x, &y, (*C.uint8_t)(out), C.ptrdiff_t(to.X*bands), passes)
	} else {
		code = C.resize_by_lines(&in, &x, &y, (*C.uint8_t)(out), C.ptrdiff_t(to.X*bands), passes)
	}
	if code != 0 {
		return nil
	}
	return C.GoBytes(out, C.int(to.X*to.Y*bands))
}
