/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_PNG_DECODE_H
#define THUMBD_PNG_DECODE_H

#include <stddef.h>
#include <stdint.h>

/* The header of a picture, checked by the caller. If the file has another header, it is
 * left to libvips before any pixel is made. */
typedef struct {
	int width, height;
	int bands;     /* of a pixel: 1 gray, 2 with alpha, 3 colors, 4 with alpha */
	size_t length; /* of the file, in bytes */
} PngPicture;

/* The number of bytes that decoding takes at out: the pixels come first, and behind
 * them are the inflated lines, until they are pixels, too. */
size_t png_room(const PngPicture *p);

/* Writes the pixels of the PNG in the descriptor file, from its first byte on, to the
 * png_room(p) bytes at out: line by line, with nothing between two lines. Returns NULL;
 * or, if the file is of another kind or not perfectly in order, the reason for which it
 * is left to libvips.
 *
 * The decoder trusts no byte of the file. */
const char *png_decode(int file, const PngPicture *p, uint8_t *out);

#endif
