// SPDX-License-Identifier: MIT

// Package vips makes thumbnails by vips_thumbnail alone, as vipsthumbnail(1)
// does, and takes single steps of that, for tests and benchmarks to compare
// with. The library must be started.
package vips

// /* The engine's decoder. The files are links: so changes to them are seen. */
// #cgo pkg-config: vips libwebp
// #cgo CFLAGS: -Dthumbd_webp=plain_webp
// #cgo LDFLAGS: -lm
// #include <stdlib.h>
// #include "vips.h"
//
// /* With the engine's settings, so that only what comes before differs. */
// static int
// save(VipsImage *in, int quality, void **buffer, size_t *size)
// {
//	if (!quality)
//		return vips_pngsave_buffer(in, buffer, size, "compression", 1, NULL);
//	return vips_jpegsave_buffer(in, buffer, size, "Q", quality, "strip", TRUE,
//		"optimize_coding", TRUE, "interlace",
//		(gint64) in->Xsize * in->Ysize >= THUMBD_PROGRESSIVE, NULL);
// }
//
// static int
// thumbnail(const char *path, int width, int height, const char *profile,
//	int quality, void **buffer, size_t *size)
// {
//	VipsImage *t;
//	int result;
//
//	if (vips_thumbnail(path, &t, width, "height", height,
//			"size", VIPS_SIZE_DOWN, "export_profile", profile, NULL))
//		return -1;
//	result = save(t, quality, buffer, size);
//	g_object_unref(t);
//	return result;
// }
//
// static int
// load_profile(const char *name, VipsBlob **out)
// {
//	return vips_profile_load(name, out, NULL);
// }
//
// static int
// decode(void *data, size_t length, int shrink, VipsImage **out)
// {
//	VipsImage *t;
//
//	if (vips_jpegload_buffer(data, length, &t, "shrink", shrink,
//			"access", VIPS_ACCESS_SEQUENTIAL, NULL))
//		return -1;
//	*out = vips_image_copy_memory(t);
//	g_object_unref(t);
//	return *out ? 0 : -1;
// }
//
// static int
// decode_webp(void *data, size_t length, double scale, gboolean own, VipsImage **out)
// {
//	VipsSource *source = vips_source_new_from_memory(data, length);
//	VipsImage *t;
//	int result = -1;
//
//	if (!vips_webpload_source(source, &t, "scale", scale,
//			"access", VIPS_ACCESS_SEQUENTIAL, NULL)) {
//		if (own)
//			result = thumbd_webp(source, t, out);
//		else if ((*out = vips_image_copy_memory(t)))
//			result = 0;
//		g_object_unref(t);
//	}
//	g_object_unref(source);
//	return result;
// }
import "C"

import (
	"errors"
	"unsafe"
)

// Thumbnail describes the result: a JPEG or PNG that fits into a box.
type Thumbnail struct {
	Width, Height int // of the box
	Quality       int // or 0: a PNG
	// SRGB converts to that by color profiles. Of a picture without one
	// vips_thumbnail says that it is in sRGB, and converts that, too.
	SRGB bool
}

// Make returns a thumbnail of a file. It is encoded as the engine does.
func Make(path string, t Thumbnail) ([]byte, error) {
	var buffer unsafe.Pointer
	var size C.size_t
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var profile *C.char
	if t.SRGB {
		profile = C.CString("srgb")
		defer C.free(unsafe.Pointer(profile))
	}
	code := C.thumbnail(name, C.int(t.Width), C.int(t.Height), profile, C.int(t.Quality), &buffer, &size)
	return taken(code, buffer, size)
}

// Picture is decoded and in memory. Its owner closes it.
type Picture struct{ p *C.VipsImage }

// Decode returns the pixels of a JPEG. The decoder scales it to 1/shrink: shrink is 1, 2,
// 4 or 8.
func Decode(original []byte, shrink int) (Picture, error) {
	var p Picture
	if C.decode(unsafe.Pointer(&original[0]), C.size_t(len(original)), C.int(shrink), &p.p) != 0 {
		return p, lastError()
	}
	return p, nil
}

// DecodeWebP returns the pixels of a WebP, scaled by WebP's decoder. libvips calls the
// decoder, or, if asEngine is set, the engine's own code does.
func DecodeWebP(original []byte, scale float64, asEngine bool) (Picture, error) {
	var p Picture
	var own C.gboolean
	if asEngine {
		own = 1
	}
	if C.decode_webp(unsafe.Pointer(&original[0]), C.size_t(len(original)), C.double(scale), own, &p.p) != 0 {
		return p, lastError()
	}
	return p, nil
}

// Encode returns p as a JPEG of a quality, as the engine does.
func (p Picture) Encode(quality int) ([]byte, error) {
	var buffer unsafe.Pointer
	var size C.size_t
	code := C.save(p.p, C.int(quality), &buffer, &size)
	return taken(code, buffer, size)
}

// Close lets go of p.
func (p Picture) Close() { C.g_object_unref(C.gpointer(p.p)) }

// Profile returns one of libvips' own color profiles, for example "p3".
func Profile(name string) ([]byte, error) {
	var blob *C.VipsBlob
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	if C.load_profile(text, &blob) != 0 {
		return nil, lastError()
	}
	defer C.vips_area_unref((*C.VipsArea)(unsafe.Pointer(blob)))
	var size C.size_t
	data := C.vips_blob_get(blob, &size)
	return C.GoBytes(unsafe.Pointer(data), C.int(size)), nil
}

// taken returns a copy of libvips' buffer, and frees the buffer.
func taken(code C.int, buffer unsafe.Pointer, size C.size_t) ([]byte, error) {
	if code != 0 {
		return nil, lastError()
	}
	defer C.g_free(C.gpointer(buffer))
	return C.GoBytes(buffer, C.int(size)), nil
}

func lastError() error {
	defer C.vips_error_clear()
	return errors.New(C.GoString(C.vips_error_buffer()))
}
