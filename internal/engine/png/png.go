// SPDX-License-Identifier: MIT

// Package png decodes PNGs in less than half of libpng's time.
//
// A picture is read, inflated, freed of its filters and shrunk in pieces, while the
// processor's caches have them. So a small thumbnail of a large picture takes the memory
// of a few lines and of the shrunk picture. libdeflate inflates a whole picture at once, and
// zlib takes twice as long, so inflate.c is the project's own. It takes 0.8 to 0.95 of
// libdeflate's time for a photograph with noise: it gives a literal and the symbol behind it
// by one look-up, and does not guess whether the next symbol is a match. libdeflate computes
// the checksums.
//
// The decoder knows gray of 1 to 8 bits, RGB of 8 bits, both with alpha of 8 bits, and
// palettes with or without alpha. If a file is interlaced, has 16 bits or names one color
// as transparent, the decoder leaves it to libvips, and also every file that is not in
// order:
//
//   - each chunk has a right checksum, and a known name or the name of an optional chunk
//   - the chunks of pixels follow each other
//   - they hold one zlib stream, with a right checksum, of exactly as many bytes as
//     the picture needs, and nothing behind it
//   - each line has a filter that exists, each pixel a color that exists
//   - there is an end chunk
//
// So this package does not report damage, as package jpeg does not. libvips decodes the
// other files, and finds their damage.
//
//	chunks.c          the chunks of a file
//	inflate.c         a deflate stream in pieces
//	lines.c           the chunks of pixels to filtered lines
//	unfilter.c        the lines without filters, and
//	unfilter_sse41.c  the same by SSE4.1
//	decode.c          a file to pixels
//
// No input can lead the decoder out of its memory. Inflating stops at a place with so much
// memory behind it as one turn of its loop can write or read, a match is compared with what
// is inflated, and a table has room for all codes that there can be. The lines and their
// places follow from the size that the caller has checked.
//
// It is larger than other packages because cgo compiles the C code of one folder only:
// the steps share the memory of one decoder.
package png

// #cgo pkg-config: libdeflate
// #cgo CFLAGS: -std=gnu11 -O3 -Wall -Wextra
// #include "decode.h"
import "C"

import (
	"errors"
	"fmt"
	"image"
	"os"
	"runtime"
	"unsafe"

	_ "thumbd/internal/engine/plane" // for shrink.c
)

// Picture is the header of a PNG, checked by the caller. If the file has another header,
// it is left to libvips before any pixel is made.
type Picture struct {
	Size  image.Point
	Bands int // 1: gray, 2: with alpha, 3: RGB, 4: with alpha
	// Shrink has the factors by which Decode shrinks the picture, 1x1 for not at all. The
	// one of the height is at most SHRINK_MOST, as those of package geometry are.
	Shrink image.Point
}

// ErrLeft says why a file was left to libvips.
var ErrLeft = errors.New("left to libvips")

func (p Picture) c() C.PngPicture {
	return C.PngPicture{
		width: C.int(p.Size.X), height: C.int(p.Size.Y), bands: C.int(p.Bands),
		nx: C.int(p.Shrink.X), ny: C.int(p.Shrink.Y),
	}
}

// Shrunk returns the size of the picture that Decode makes.
func (p Picture) Shrunk() image.Point {
	return image.Pt((p.Size.X+p.Shrink.X-1)/p.Shrink.X, (p.Size.Y+p.Shrink.Y-1)/p.Shrink.Y)
}

// Room returns the memory in bytes that Decode takes at its target.
func (p Picture) Room() int64 {
	c := p.c()
	return int64(C.png_room(&c))
}

// Memory returns the memory in bytes that Decode takes at once, its target included.
func (p Picture) Memory() int64 {
	c := p.c()
	return int64(C.png_memory(&c))
}

// Decode writes the pixels of a file to p.Room() bytes of C's memory at to. The file is
// read from its first byte on. The pixels come first, line by line, with nothing between
// two lines.
func Decode(file *os.File, p Picture, to unsafe.Pointer) error {
	c := p.c()
	why := C.png_decode(C.int(file.Fd()), &c, (*C.uint8_t)(to))
	runtime.KeepAlive(file)
	if why != nil {
		return fmt.Errorf("%w: %s", ErrLeft, C.GoString(why))
	}
	return nil
}
