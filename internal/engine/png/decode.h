/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_PNG_DECODE_H
#define THUMBD_PNG_DECODE_H

#include <stddef.h>
#include <stdint.h>

/* The header of a picture, checked by the caller, and the factors by which it is shrunk. If
 * the file has another header, it is left to libvips before any pixel is made. */
typedef struct {
	int width, height;
	int bands;  /* of a pixel: 1 gray, 2 with alpha, 3 colors, 4 with alpha */
	int nx, ny; /* 1: not shrunk; ny is at most SHRINK_MOST */
} PngPicture;

/* The number of bytes that decoding takes at out: the pixels come first. */
size_t png_room(const PngPicture *p);

/* The memory in bytes that decoding takes at once, at out and elsewhere. */
size_t png_memory(const PngPicture *p);

/* Writes the pixels of the PNG in the descriptor file, from its first byte on, to the
 * png_room(p) bytes at out: line by line, with nothing between two lines. A pixel is the
 * mean of nx x ny pixels of the file, by package plane's Shrink. Returns NULL;
 * or, if the file is of another kind or not perfectly in order, the reason for which it
 * is left to libvips.
 *
 * The decoder trusts no byte of the file. */
const char *png_decode(int file, const PngPicture *p, uint8_t *out);

#endif
