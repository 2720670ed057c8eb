// SPDX-License-Identifier: MIT

package plane

// #include "resize.h"
// #include "turn.h"
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

// New returns a picture of a size with samples of any value. Chroma is of half of
// it, rounded up, if it is halved. Its owner closes it.
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

// plainPasses are those of plain C, for tests.
func plainPasses() *C.Passes { return &C.passes_plain }

// pixels returns what Pixels writes, for tests.
func (p Picture) pixels() []byte {
	size, bands := p.Size(), p.Bands()
	memory := C.malloc(C.size_t(size.X * size.Y * bands))
	defer C.free(memory)
	p.Pixels(memory, size.X*bands)
	return C.GoBytes(memory, C.int(size.X*size.Y*bands))
}
