// SPDX-License-Identifier: MIT

// Package png decodes PNGs through libdeflate, in half of libpng's time.
//
// libdeflate inflates all of a picture at once, of which the file and the filtered
// lines have to be in memory; libpng and zlib go line by line. The filters are
// undone in the memory that the pixels are wanted in.
//
// It knows gray of 1 to 8 bits, RGB, both with alpha, of 8 bits, and palettes with
// or without alpha. It leaves alone what is interlaced, has 16 bits or names one
// color as transparent, and every file in which anything is out of order:
//
//   - each chunk has a right checksum and a name that is known or need not be
//   - the chunks of pixels follow each other
//   - they hold one zlib stream, with a right checksum, of exactly so many bytes as
//     the picture has, and nothing behind it
//   - each line has a filter that there is, each pixel a color that there is
//   - there is an end chunk
//
// So it has no notion of a damaged file, as package jpeg. libvips decodes what it
// leaves alone, and says what is wrong.
//
//	chunks.c          the chunks of a file
//	unfilter.c        the lines, and
//	unfilter_sse41.c  the same by SSE4.1
//	decode.c          a file to pixels
//
// No input can lead it out of its memory: a chunk is compared with what is left of
// the file, libdeflate is told the length of what it may write, and the lines and
// their places follow from the size that the caller has checked.
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

// Picture is a PNG as its caller has checked it. A file that holds another one is
// left alone before any of its pixels is made.
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

// Decode writes the pixels of a file, which is read from its first byte on, to
// memory of C at to, which has p.Room() bytes. The pixels come first, line by line,
// with nothing between two lines.
func Decode(file *os.File, p Picture, to unsafe.Pointer) error {
	c := p.c()
	why := C.png_decode(C.int(file.Fd()), &c, (*C.uint8_t)(to))
	runtime.KeepAlive(file)
	if why != nil {
		return fmt.Errorf("%w: %s", ErrLeft, C.GoString(why))
	}
	return nil
}
