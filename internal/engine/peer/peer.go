// SPDX-License-Identifier: MIT

// Package peer makes thumbnails by vips_thumbnail alone, as vipsthumbnail(1)
// does, for tests and benchmarks to compare with. The library must be started.
package peer

// #cgo pkg-config: vips
// #include <stdlib.h>
// #include <vips/vips.h>
//
// static int
// thumbnail(void *data, size_t length, int width, int height, int quality,
//	void **buffer, size_t *size)
// {
//	VipsImage *t;
//	int result;
//
//	if (vips_thumbnail_buffer(data, length, &t, width, "height", height,
//			"size", VIPS_SIZE_DOWN, "export_profile", "srgb", NULL))
//		return -1;
//	result = quality > 0
//		? vips_jpegsave_buffer(t, buffer, size, "Q", quality, "strip", TRUE,
//			"optimize_coding", TRUE, NULL)
//		: vips_pngsave_buffer(t, buffer, size, "compression", 1, "strip", TRUE, NULL);
//	g_object_unref(t);
//	return result;
// }
import "C"

import (
	"errors"
	"unsafe"
)

// Fit returns original, reduced until it fits into width x height, as a JPEG of
// a quality, or with 0 as a PNG.
func Fit(original []byte, width, height, quality int) ([]byte, error) {
	var buffer unsafe.Pointer
	var size C.size_t
	if C.thumbnail(unsafe.Pointer(&original[0]), C.size_t(len(original)), C.int(width), C.int(height),
		C.int(quality), &buffer, &size) != 0 {
		err := errors.New(C.GoString(C.vips_error_buffer()))
		C.vips_error_clear()
		return nil, err
	}
	defer C.g_free(C.gpointer(buffer))
	return C.GoBytes(buffer, C.int(size)), nil
}
