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
// save_as(VipsImage *in, const char *format, int quality, void **buffer, size_t *size)
// {
//	if (g_str_equal(format, "jpg"))
//		return save(in, quality, buffer, size);
//	if (g_str_equal(format, "png"))
//		return vips_pngsave_buffer(in, buffer, size, THUMBD_STRIP(TRUE),
//			"compression", 3, "filter", VIPS_FOREIGN_PNG_FILTER_ALL, NULL);
//	return vips_webpsave_buffer(in, buffer, size, THUMBD_STRIP(TRUE),
//		"Q", quality, "effort", 4, NULL);
// }
//
// /* The picture in with another size, in memory. Colors are multiplied by alpha
//  * meanwhile. */
// static VipsImage *
// resized(VipsImage *in, int width, int height)
// {
//	VipsObject *scope = VIPS_OBJECT(vips_image_new());
//	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 5);
//	gboolean alpha = vips_image_hasalpha(in);
//	VipsImage *last = NULL;
//
//	if (!(alpha ? vips_premultiply(in, &t[0], NULL) : vips_copy(in, &t[0], NULL)) &&
//		!vips_resize(t[0], &t[1], (double) width / in->Xsize,
//			"vscale", (double) height / in->Ysize, NULL) &&
//		!(alpha ? vips_unpremultiply(t[1], &t[2], NULL) : vips_copy(t[1], &t[2], NULL)) &&
//		!(alpha ? vips_rint(t[2], &t[3], NULL) : vips_copy(t[2], &t[3], NULL)) &&
//		!vips_cast_uchar(t[3], &t[4], NULL))
//		last = vips_image_copy_memory(t[4]);
//	g_object_unref(scope);
//	return last;
// }
//
// /* Some encoders write metadata although they are told not to. */
// static void
// forget(VipsImage *own)
// {
//	char **fields = vips_image_get_fields(own);
//	int i;
//
//	for (i = 0; fields[i]; i++)
//		vips_image_remove(own, fields[i]);
//	g_strfreev(fields);
// }
//
// static int
// to_srgb(VipsImage *in, VipsImage **out)
// {
//	return vips_image_get_typeof(in, VIPS_META_ICC_NAME)
//		? vips_icc_transform(in, out, "srgb", "embedded", TRUE,
//			  "intent", VIPS_INTENT_RELATIVE, "black_point_compensation", TRUE, NULL)
//		: vips_copy(in, out, NULL);
// }
//
// static int
// whole(VipsImage *in, int width, int height, const char *format, int quality,
//	void **buffer, size_t *size)
// {
//	VipsObject *scope = VIPS_OBJECT(vips_image_new());
//	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 5);
//	gboolean flat = g_str_equal(format, "jpg") && vips_image_hasalpha(in);
//	VipsArrayDouble *white = vips_array_double_newv(1, 255.0);
//	int result = -1;
//
//	if ((t[0] = resized(in, width, height)) &&
//		!to_srgb(t[0], &t[1]) &&
//		!(flat ? vips_flatten(t[1], &t[2], "background", white, NULL)
//			   : vips_copy(t[1], &t[2], NULL)) &&
//		!vips_autorot(t[2], &t[3], NULL) &&
//		!vips_copy(t[3], &t[4], NULL)) {
//		forget(t[4]);
//		result = save_as(t[4], format, quality, buffer, size);
//	}
//	vips_area_unref(VIPS_AREA(white));
//	g_object_unref(scope);
//	return result;
// }
//
// static VipsImage *
// open_at(const char *path, int shrink)
// {
//	VipsImage *t;
//
//	if (shrink == 1)
//		return vips_image_new_from_file(path, "access", VIPS_ACCESS_SEQUENTIAL, NULL);
//	return vips_jpegload(path, &t, "shrink", shrink, "access", VIPS_ACCESS_SEQUENTIAL, NULL)
//		? NULL : t;
// }
//
// /* A file's pixels, as RGB or RGBA, in memory. */
// static VipsImage *
// upright(const char *path)
// {
//	VipsObject *scope = VIPS_OBJECT(vips_image_new());
//	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 3);
//	VipsImage *last = NULL;
//
//	if ((t[0] = vips_image_new_from_file(path, NULL)) &&
//		!to_srgb(t[0], &t[1]) && !vips_autorot(t[1], &t[2], NULL))
//		last = vips_image_copy_memory(t[2]);
//	g_object_unref(scope);
//	return last;
// }
//
// static const VipsPel *
// pixels_of(VipsImage *in)
// {
//	return VIPS_IMAGE_ADDR(in, 0, 0);
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
	"fmt"
	"image"
	"strings"
	"unsafe"

	"thumbd/internal/geometry"
	"thumbd/internal/thumb"
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

// Whole returns a thumbnail of a size, upright and in sRGB, as JPEG, PNG or WebP. libvips
// alone makes it, as thumbd did before it had decoders and encoders of its own: a JPEG
// is loaded at 1/1 to 1/8 and leaves at least 5/3 to Lanczos3, and the encoders have
// thumbd's settings of then.
func Whole(path string, size image.Point, format thumb.Format, quality int) ([]byte, error) {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	in := C.open_at(name, 1)
	if in == nil {
		return nil, lastError()
	}
	defer func() { C.g_object_unref(C.gpointer(in)) }()
	if C.vips_image_get_orientation(in) > 4 {
		size.X, size.Y = size.Y, size.X
	}
	shrink := geometry.Divisor(image.Pt(int(in.Xsize), int(in.Ysize)), size)
	if strings.HasSuffix(path, ".jpg") && shrink > 1 {
		smaller := C.open_at(name, C.int(shrink))
		if smaller == nil {
			return nil, lastError()
		}
		C.g_object_unref(C.gpointer(in))
		in = smaller
	}
	extension := C.CString(format.String())
	defer C.free(unsafe.Pointer(extension))
	var buffer unsafe.Pointer
	var length C.size_t
	code := C.whole(in, C.int(size.X), C.int(size.Y), extension, C.int(quality), &buffer, &length)
	return taken(code, buffer, length)
}

// Upright returns the pixels of a file with three bands of 8 bits, or with a fourth of
// alpha: all of them, turned as EXIF tells, in sRGB.
func Upright(path string) (*image.NRGBA, error) {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	in := C.upright(name)
	if in == nil {
		return nil, lastError()
	}
	defer func() { C.g_object_unref(C.gpointer(in)) }()
	bands := int(in.Bands)
	if in.BandFmt != C.VIPS_FORMAT_UCHAR || bands < 3 || bands > 4 {
		return nil, fmt.Errorf("%s: has not 3 or 4 bands of 8 bits", path)
	}
	m := image.NewNRGBA(image.Rect(0, 0, int(in.Xsize), int(in.Ysize)))
	pixels := unsafe.Slice((*byte)(C.pixels_of(in)), bands*m.Rect.Dx()*m.Rect.Dy())
	for i := range len(m.Pix) / 4 {
		m.Pix[4*i+3] = 255
		copy(m.Pix[4*i:], pixels[bands*i:][:bands])
	}
	return m, nil
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
