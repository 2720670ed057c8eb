// SPDX-License-Identifier: MIT

package engine

// #cgo pkg-config: vips
// #include <stdlib.h>
// #include "vips.h"
import "C"

import (
	"errors"
	"image"
	"os"
	"strings"
	"unsafe"

	"thumbd/internal/engine/probe"
	"thumbd/internal/geometry"
	"thumbd/internal/thumb"
)

var codes = map[thumb.Format]C.ThumbdFormat{
	thumb.JPEG: C.THUMBD_JPEG,
	thumb.PNG:  C.THUMBD_PNG,
	thumb.WebP: C.THUMBD_WEBP,
	thumb.AVIF: C.THUMBD_AVIF,
	thumb.GIF:  C.THUMBD_GIF,
	thumb.HEIC: C.THUMBD_HEIC,
	thumb.TIFF: C.THUMBD_TIFF,
}

func settings() { C.thumbd_settings() }

// lastError takes what libvips left in its error buffer.
func lastError() error {
	text := strings.TrimSpace(C.GoString(C.vips_error_buffer()))
	C.vips_error_clear()
	if text == "" {
		text = "libvips gives no reason"
	}
	return errors.New(text)
}

// source is an open file that libvips reads. Its owner closes it.
type source struct{ p *C.VipsSource }

func newSource(f *os.File) (source, error) {
	if p := C.vips_source_new_from_descriptor(C.int(f.Fd())); p != nil {
		return source{p}, nil
	}
	return source{}, lastError()
}

func (s source) close() { C.g_object_unref(C.gpointer(s.p)) }

// picture is an image of libvips, perhaps still to be decoded. Its owner
// closes it.
type picture struct{ p *C.VipsImage }

// load opens a file. The header is read, the pixels are not.
func (s source) load(f thumb.Format, shrink int, scale float64) (picture, error) {
	var out picture
	return out, result(C.thumbd_load(s.p, codes[f], C.int(shrink), C.double(scale), &out.p))
}

func (p picture) close() {
	if p.p != nil {
		C.g_object_unref(C.gpointer(p.p))
	}
}

func (p picture) size() image.Point { return image.Pt(int(p.p.Xsize), int(p.p.Ysize)) }

// bytes returns the memory that the decoded picture takes.
func (p picture) bytes() int64 { return int64(C.thumbd_bytes(p.p)) }

func (p picture) bands() int { return int(p.p.Bands) }

func (p picture) alpha() bool { return C.vips_image_hasalpha(p.p) != 0 }

// space returns the color space of p as a color profile names it.
func (p picture) space() string {
	switch {
	case p.p.Type == C.VIPS_INTERPRETATION_CMYK:
		return "CMYK"
	case p.bands() < 3:
		return "GRAY"
	}
	return "RGB "
}

// orientation returns EXIF's, 1 to 8.
func (p picture) orientation() int { return int(C.vips_image_get_orientation(p.p)) }

// profile returns the embedded color profile, or nil.
func (p picture) profile() []byte { return p.blob("icc-profile-data") }

// exif returns the EXIF block, or nil.
func (p picture) exif() []byte { return p.blob("exif-data") }

func (p picture) blob(name string) []byte {
	field := C.CString(name)
	defer C.free(unsafe.Pointer(field))
	var data unsafe.Pointer
	var length C.size_t
	if C.thumbd_blob(p.p, field, &data, &length) != 0 {
		C.vips_error_clear()
		return nil
	}
	return C.GoBytes(data, C.int(length))
}

// reduce returns the picture that plan, for the picture as it is stored, makes
// of the loaded p. It is in memory.
func (p picture) reduce(plan geometry.Plan) (picture, error) {
	c := C.ThumbdPlan{
		source: rect(plan.Source),
		width:  C.int(plan.Size.X), height: C.int(plan.Size.Y),
		cut: rect(plan.Cut),
	}
	var out picture
	return out, result(C.thumbd_reduce(p.p, &c, &out.p))
}

// normalize returns p upright, in sRGB or gray of 8 bits.
func (p picture) normalize(profile profileUse) (picture, error) {
	var out picture
	return out, result(C.thumbd_normalize(p.p, C.ThumbdProfile(profile), &out.p))
}

// seek returns the part of p of the given size that m prefers.
func (p picture) seek(size image.Point, m thumb.Method) (picture, error) {
	interesting := C.VipsInteresting(C.VIPS_INTERESTING_ENTROPY)
	if m == thumb.Attention {
		interesting = C.VIPS_INTERESTING_ATTENTION
	}
	var out picture
	return out, result(C.thumbd_seek(p.p, C.int(size.X), C.int(size.Y), interesting, &out.p))
}

// drain decodes what is left of p.
func (p picture) drain() error { return result(C.thumbd_drain(p.p)) }

// encode calls write with p as a file of t's format.
func (p picture) encode(t thumb.Transform, write func([]byte) error) error {
	e := C.ThumbdEncoding{
		format:   codes[t.Format],
		metadata: C.ThumbdMetadata(t.Metadata),
		quality:  C.int(t.Quality),
	}
	if t.Metadata == thumb.CopyrightMetadata {
		artist, copyright := probe.Rights(p.exif())
		e.artist, e.copyright = optional(artist), optional(copyright)
		defer C.free(unsafe.Pointer(e.artist))
		defer C.free(unsafe.Pointer(e.copyright))
	}
	var data unsafe.Pointer
	var length C.size_t
	if err := result(C.thumbd_encode(p.p, &e, &data, &length)); err != nil {
		return err
	}
	defer C.g_free(C.gpointer(data))
	file := unsafe.Slice((*byte)(data), length)
	if t.Format == thumb.WebP && t.Metadata == thumb.NoMetadata {
		file = stripWebP(file)
	}
	return write(file)
}

// room reports whether n more bytes of memory can be had.
func room(n int64) bool { return C.thumbd_room(C.size_t(max(n, 1))) != 0 }

// optional returns s for C, which frees it, or NULL for nothing.
func optional(s string) *C.char {
	if s == "" {
		return nil
	}
	return C.CString(s)
}

func rect(r image.Rectangle) C.ThumbdRect {
	return C.ThumbdRect{
		left: C.int(r.Min.X), top: C.int(r.Min.Y),
		width: C.int(r.Dx()), height: C.int(r.Dy()),
	}
}

func result(code C.int) error {
	if code == 0 {
		return nil
	}
	return lastError()
}
