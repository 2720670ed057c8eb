// SPDX-License-Identifier: MIT

// Package jpeg decodes JPEGs at 1/8 to 4/8 of their size, or at all of it, into the
// planes that they hold, gray or YCbCr, and encodes planes or pixels as JPEG.
//
// The decoder is the project's own, and libjpeg's the encoder. libjpeg reads
// every coefficient of a file and gives most of them away at such a scale, and
// of a progressive file it keeps all of them: 88 MB for one of 14.7 megapixels.
// This decoder passes over the coefficients that a scale does not need, several
// at a time, and over whole scans. It takes 0.45 of libjpeg-turbo's time at 1/8
// of a baseline file, 0.7 at 4/8, and 0.04 to 0.15 of a progressive one.
//
// At 8/8 nothing can be passed over, and libjpeg is called for planes without its
// conversion to pixels. A file with which it would go on after a warning is left
// alone, too. It says nothing of a few bytes too many behind a scan, of which it has
// read more than it needs.
//
// It knows baseline, extended and progressive Huffman files of 8 bits, gray or
// YCbCr, with sampling factors of 1 and 2, and restart intervals. Others it
// leaves alone, as it does with every file in which anything is out of order:
//
//   - each decoded scan has all of its MCUs, and its next marker directly after
//     the last one, with not a byte too many or too few
//   - restart markers are in order, in scans that are passed over, too
//   - the scans of a progressive file make every coefficient complete
//   - there is an end marker
//
// So it has no notion of a damaged file. What it leaves alone libvips decodes in
// full, and libvips says what is wrong. Damage inside scans that are passed over
// is not seen unless it breaks a marker.
//
// A stage is a file, and names the sections of ITU-T T.81 that it follows:
//
//	input.c        the file in pieces
//	bits.c         the bits of entropy-coded data
//	huffman.c      Huffman tables, and what is looked up by the next bits
//	markers.c      segments
//	sequential.c   the scan of a baseline file
//	progressive.c  the scans of a progressive file
//	blocks.c       coefficients to samples
//	idct.c         the inverse DCT of 1 to 4 samples
//	whole.c        the call of libjpeg at 8/8
//	decode.c       a file from its first marker to its last
//	encode.c       the call of libjpeg's encoder
//
// No input can lead it out of its memory: a coefficient's place is looked up by
// its number, which every loop compares with 64 or the scan's end, and what a
// scale does not need has a place, too. Values are cut to what no picture
// exceeds before any arithmetic with them.
package jpeg

// #cgo pkg-config: libjpeg
// #cgo CFLAGS: -std=gnu11 -O3 -Wall -Wextra
// #include "decode.h"
// #include "encode.h"
import "C"

import (
	"errors"
	"fmt"
	"image"
	"os"
	"runtime"
	"unsafe"

	"thumbd/internal/engine/plane"
)

// Scale is the size at which a file is decoded.
type Scale struct {
	// Size is that of the picture, as the caller has checked it. A file of another
	// size is left alone before any memory is taken for it.
	Size image.Point
	// Eighths is the size of luma's plane in eighths of the picture's, 1 to 4 or 8.
	Eighths int
	// Halved says that the thumbnail will have half as many samples of chroma,
	// across and down, as of luma. Otherwise a file that has no more is decoded at
	// 1/8 and 2/8 alone, at which its chroma can have luma's size.
	Halved bool
	// Exact has the lowest bits of a progressive file's coefficients decoded
	// even if they are too little to be seen.
	Exact bool
}

// ErrLeft says why a file was left to libjpeg.
var ErrLeft = errors.New("left to libjpeg")

// Decode returns the planes of a file, which is read from its first byte on. The
// caller closes them.
func Decode(file *os.File, s Scale) (plane.Picture, error) {
	scale := C.JpegScale{
		width: C.int(s.Size.X), height: C.int(s.Size.Y),
		eighths: C.int(s.Eighths), halved: number(s.Halved), exact: number(s.Exact),
	}
	var why *C.char
	p := C.jpeg_decode(C.int(file.Fd()), &scale, &why)
	runtime.KeepAlive(file)
	if p == nil {
		return plane.Picture{}, fmt.Errorf("%w: %s", ErrLeft, C.GoString(why))
	}
	return plane.Take(unsafe.Pointer(p)), nil
}

// Encoding is how a picture is encoded.
type Encoding struct {
	Quality     int // 1 to 100
	Progressive bool
	Halved      bool // of pixels: half as many samples of chroma, across and down
}

// Encode calls write with p as a file, without metadata. Chroma is subsampled if
// p's is. The file is valid until write returns.
func Encode(p plane.Picture, e Encoding, write func([]byte) error) error {
	return encode(e, write, func(e *C.JpegEncoding, out **C.uint8_t, length *C.size_t, text *C.char) C.int {
		return C.jpeg_encode((*C.Planes)(p.Pointer()), e, out, length, text)
	})
}

// Pixels are a picture in memory of C: one byte for gray, or three for red, green
// and blue.
type Pixels struct {
	Data   unsafe.Pointer
	Size   image.Point
	Bands  int
	Stride int // bytes from one line to the next
}

// EncodePixels calls write with p as a file, as Encode does.
func EncodePixels(p Pixels, e Encoding, write func([]byte) error) error {
	pixels := C.JpegPixels{
		data: (*C.uint8_t)(p.Data), width: C.int(p.Size.X), height: C.int(p.Size.Y),
		bands: C.int(p.Bands), stride: C.ptrdiff_t(p.Stride),
	}
	return encode(e, write, func(e *C.JpegEncoding, out **C.uint8_t, length *C.size_t, text *C.char) C.int {
		return C.jpeg_encode_pixels(&pixels, e, out, length, text)
	})
}

// encode calls write with the file that a function of encode.h makes.
func encode(e Encoding, write func([]byte) error, function func(*C.JpegEncoding, **C.uint8_t, *C.size_t, *C.char) C.int) error {
	const longest = 200 // JMSG_LENGTH_MAX
	encoding := C.JpegEncoding{quality: C.int(e.Quality), progressive: number(e.Progressive), halved: number(e.Halved)}
	var out *C.uint8_t
	var length C.size_t
	var text [longest]C.char
	if function(&encoding, &out, &length, &text[0]) != 0 {
		return fmt.Errorf("encode a JPEG: libjpeg: %s", C.GoString(&text[0]))
	}
	defer C.free(unsafe.Pointer(out))
	return write(unsafe.Slice((*byte)(unsafe.Pointer(out)), int(length)))
}

func number(on bool) C.int {
	if on {
		return 1
	}
	return 0
}
