/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_JPEG_ENCODE_H
#define THUMBD_JPEG_ENCODE_H

#include "../plane/plane.h"

typedef struct {
	int quality; /* 1 to 100 */
	int progressive;
	int halved; /* of pixels: half as many samples of chroma, across and down */
} JpegEncoding;

/* Pixels of one byte, gray, or of three, red, green and blue, side by side. */
typedef struct {
	const uint8_t *data;
	int width, height, bands;
	ptrdiff_t stride; /* from one line to the next */
} JpegPixels;

/* The functions below encode by libjpeg. They return 0, with the file in *out, or -1,
 * with libjpeg's message, at most 200 bytes, in error. The caller frees the file with
 * free. */

/* Of planes, chroma has as many samples as luma or half as many across and down.
 * Beyond the end of each line, the last sample may be repeated up to stride. */
int jpeg_encode(Planes *planes, const JpegEncoding *e, uint8_t **out,
	size_t *length, char *error);

int jpeg_encode_pixels(const JpegPixels *pixels, const JpegEncoding *e,
	uint8_t **out, size_t *length, char *error);

#endif
