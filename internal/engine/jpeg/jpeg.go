// SPDX-License-Identifier: MIT

// Package jpeg decodes JPEGs at 1/8 to 4/8 of their size, or at all of it, into the
// planes that they hold, gray or YCbCr, and encodes planes or pixels as JPEG.
//
// The decoder is the project's own, and the encoder is libjpeg's. At such a scale
// libjpeg reads every coefficient of a file and drops most of them. If the file is
// progressive, it keeps all of them: 88 MB for 14.7 megapixels with whole chroma. This decoder skips the
// coefficients that a scale does not need, several at a time, and whole scans. It takes
// at most 0.45 of libjpeg-turbo's time at 1/8 of a baseline file, 0.7 at 4/8, and 0.04 to
// 0.15 if the file is progressive.
//
// At 8/8 nothing can be skipped, and libjpeg is called for planes without its
// conversion to pixels. If libjpeg would warn and go on, the file is left to libvips,
// too. libjpeg does not warn of a few bytes too many behind a scan, because it has
// read more than it needs.
//
// The decoder knows baseline, extended and progressive Huffman files of 8 bits, gray or
// YCbCr, with sampling factors of 1 and 2, and restart intervals. It leaves all other
// files to libvips, and every file that is not in order:
//
//   - each decoded scan has all of its MCUs, and its next marker directly after
//     the last one, with not a byte too many or too few
//   - restart markers are in order, also in skipped scans
//   - the scans of a progressive file make every coefficient complete
//   - there is an end marker
//
// So this package does not report damage. libvips decodes the other files in full, and
// finds their damage. If the damage is inside a skipped scan, it is noticed only if it
// breaks a marker.
//
// It is one package, of more than 500 lines, because its stages share the state of one
// file (decoder.h): apart, each would have to check again what the one before has checked.
//
// A stage is a file, and names the sections of ITU-T T.81 that it follows:
//
//	input.c        the file in pieces
//	bits.c         the bits of entropy-coded data
//	huffman.c      Huffman tables, with entries for the next bits of the input
//	markers.c      segments
//	sequential.c   the scan of a baseline file
//	progressive.c  the scans of a progressive file
//	sets.h         sets of coefficients, for these scans
//	blocks.c       coefficients to samples
//	idct.c         the inverse DCT of 1 to 4 samples
//	whole.c        the call of libjpeg at 8/8
//	decode.c       a file from its first marker to its last
//	encode.c       the call of libjpeg's encoder
//
// No input can lead the decoder out of its memory: a coefficient's place is looked up by
// its number, and every loop compares this number with 64 or the scan's end. A
// coefficient that the scale does not need has a place, too. Before any arithmetic,
// values are cut to a range that no picture exceeds.
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
	// Size is the size of the picture, checked by the caller. If the file has another
	// size, it is left alone before any memory is taken for it.
	Size image.Point
	// Eighths is the size of luma's plane in eighths of the picture's, 1 to 4 or 8.
	Eighths int
	// Halved says that the thumbnail will have half as many samples of chroma,
	// across and down, as of luma. If it is false and the file's chroma is halved, the
	// file is decoded at 1/8 and 2/8 alone: there chroma can have luma's size.
	Halved bool
	// Exact has the lowest bits of a progressive file's coefficients decoded
	// even if they are too little to be seen.
	Exact bool
	// Plain uses no instructions but those of every processor of this kind. The planes
	// are the same.
	Plain bool
}

// ErrLeft says why a file was left to libjpeg.
var ErrLeft = errors.New("left to libjpeg")

// Decode returns the planes of a file. The file is read from its first byte on. The
// caller closes the planes.
func Decode(file *os.File, s Scale) (plane.Picture, error) {
	scale := C.JpegScale{
		width: C.int(s.Size.X), height: C.int(s.Size.Y),
		eighths: C.int(s.Eighths), halved: number(s.Halved), exact: number(s.Exact),
		plain: number(s.Plain),
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
