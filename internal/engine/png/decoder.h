/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_PNG_DECODER_H
#define THUMBD_PNG_DECODER_H

#include "decode.h"

#include <sys/types.h>

/* The types of colors, PNG 11.2.2. */
enum { GRAY = 0, RGB = 2, PALETTE = 3, GRAY_ALPHA = 4, RGBA = 6 };

/* A file that is read in pieces. */
typedef struct {
	int file;
	off_t next; /* the place of the piece that is read next */
	size_t at, have;
	uint8_t piece[1 << 16];
} Input;

/* The chunk that is read. */
typedef struct {
	size_t left; /* bytes of its data */
	uint32_t sum;
	char name[5];
} Chunk;

/* The contents of a file's chunks. The zero value is not open. */
typedef struct {
	int width, height;
	int depth, type;
	int colors;              /* of the palette; of gray below 8 bits, its levels */
	uint8_t palette[256][4]; /* red, green, blue (or gray alone) and alpha */
	int alphas;              /* of the palette, in tRNS */
	Chunk chunk;
	Input input;
} Chunks;

/* Each of these returns NULL, or the reason for which the file is left to libvips.
 *
 * chunks_open reads the chunks before the pixels. chunks_pixels then reads n bytes of the
 * chunks of pixels; if *got is fewer, there are no more. After them chunks_close reads the
 * chunks up to IEND. */
const char *chunks_open(Chunks *c, int file);
const char *chunks_pixels(Chunks *c, uint8_t *to, size_t n, size_t *got);
const char *chunks_close(Chunks *c);

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
