// SPDX-License-Identifier: MIT

// Package png decodes PNGs through libdeflate, in half of libpng's time.
//
// libdeflate inflates a whole picture at once, so the file and the filtered lines must be
// in memory; libpng and zlib go line by line. The filters are undone in the memory of
// the pixels.
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
//	unfilter.c        the lines, and
//	unfilter_sse41.c  the same by SSE4.1
//	decode.c          a file to pixels
//
// No input can lead the decoder out of its memory: a chunk's length is compared with the
// rest of the file, libdeflate is told the length of its output, and the lines and their
// places follow from the size that the caller has checked.
//
// It is larger than other packages because cgo compiles the C code of one folder only:
// the three steps share the memory of one decoder.
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
)

// Picture is the header of a PNG, checked by the caller. If the file has another header,
// it is left to libvips before any pixel is made.
type Picture struct {
	Size   image.Point
	Bands  int   // 1: gray, 2: with alpha, 3: RGB, 4: with alpha
	Length int64 // of the file, in bytes
}

// ErrLeft says why a file was left to libvips.
var ErrLeft = errors.New("left to libvips")

func (p Picture) c() C.PngPicture {
	return C.PngPicture{
		width: C.int(p.Size.X), height: C.int(p.Size.Y), bands: C.int(p.Bands), length: C.size_t(p.Length),
	}
}

// Room returns the memory in bytes that Decode takes at its target.
func (p Picture) Room() int64 {
	c := p.c()
	return int64(C.png_room(&c))
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
