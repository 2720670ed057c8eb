/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_PNG_DECODE_H
#define THUMBD_PNG_DECODE_H

#include <stddef.h>
#include <stdint.h>

/* A picture as the caller has checked it. A file that holds another one is
 * left before any of its pixels is made. */
typedef struct {
	int width, height;
	int bands;     /* of a pixel: 1 gray, 2 with alpha, 3 colors, 4 with alpha */
	size_t length; /* of the file, in bytes */
} PngPicture;

/* How many bytes decoding takes at out: the pixels, which come first, and behind
 * them what is inflated, as long as it is needed. */
size_t png_room(const PngPicture *p);

/* Writes the pixels of the PNG that the descriptor file has from its first byte on
 * to out, which has png_room(p) bytes: line by line, with nothing between two lines.
 * Returns NULL, or the reason for which a file is left to libvips: it is of
 * another kind, or not perfectly in order.
 *
 * What is read of the file is trusted in nothing. */
const char *png_decode(int file, const PngPicture *p, uint8_t *out);

#endif
