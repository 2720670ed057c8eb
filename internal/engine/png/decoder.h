/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_PNG_DECODER_H
#define THUMBD_PNG_DECODER_H

#include "decode.h"

/* The types of colors, PNG 11.2.2. */
enum { GRAY = 0, RGB = 2, PALETTE = 3, GRAY_ALPHA = 4, RGBA = 6 };

/* The contents of a file's chunks. */
typedef struct {
	int width, height;
	int depth, type;
	int colors;              /* of the palette; of gray below 8 bits, its levels */
	uint8_t palette[256][4]; /* red, green, blue (or gray alone) and alpha */
	int alphas;              /* of the palette, in tRNS */
	uint8_t *file;           /* the whole file, with the data of IDAT moved together */
	size_t data, packed;     /* the place of this data, and its length */
} Chunks;

/* Walks the chunks of c->file, a file of length bytes, from the signature to IEND.
 * Returns NULL, or the reason for which the file is left to libvips. */
const char *chunks_walk(Chunks *c, size_t length);

/* The bytes of a pixel, for example 3 for RGB, or 1 if a byte holds several pixels; and
 * the bytes of a line, without the byte that names its filter. */
int chunks_bpp(const Chunks *c);
size_t chunks_line(const Chunks *c);

/* Whether pixels are numbers of colors. */
static inline int
chunks_indexed(const Chunks *c)
{
	return c->type == PALETTE || c->depth < 8;
}

#endif
