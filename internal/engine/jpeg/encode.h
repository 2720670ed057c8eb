/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_JPEG_ENCODE_H
#define THUMBD_JPEG_ENCODE_H

#include "../plane/plane.h"

typedef struct {
	int quality; /* 1 to 100 */
	int progressive;
} JpegEncoding;

/* Encodes planes, of which chroma has as many samples as luma or half as many
 * across and down, by libjpeg. Beyond the end of each line, it may repeat the
 * last sample up to stride. Returns 0, and the file in *out, to be freed with
 * free; or -1, and libjpeg's words, at most 200 bytes, in error. */
int jpeg_encode(Planes *planes, const JpegEncoding *e, uint8_t **out,
	size_t *length, char *error);

#endif
