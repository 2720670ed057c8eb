/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_TILES_H
#define THUMBD_TILES_H

#include <stddef.h>
#include <stdint.h>

/* A picture of bytes is cut into tiles of TILE x TILE pixels, row by row. Beyond its
 * right and lower edge the last pixel of a line, and the last line, go on. All of this
 * is in whole numbers, and so comes to the same on every processor. */
#define TILE 32

/* Pixels of 1 to 4 bands: gray or red, green and blue, perhaps with alpha at the end. */
typedef struct {
	const uint8_t *data;
	int width, height, bands;
	ptrdiff_t stride; /* bytes from one line to the next */
} TilePixels;

/* Writes the luma of a tile on black to the TILE x TILE bytes of to, whose lines are
 * stride apart. Tiles are counted from 0. */
void tile_read(const TilePixels *p, int tile, uint8_t *to, ptrdiff_t stride);

/* How much there is to see in a tile: the sum of the differences of neighbors. */
int tile_activity(const uint8_t *tile, ptrdiff_t stride);

/* A likeness of TILE_SAME means that two tiles are equal. */
#define TILE_SAME 65536

/* The likeness of two tiles: their mean structural similarity, as Wang, Bovik, Sheikh
 * and Simoncelli define it (Image quality assessment: from error visibility to
 * structural similarity, IEEE Transactions on Image Processing 13, 2004), in windows
 * of 8 x 8 pixels that are 4 apart and in which each pixel counts the same. */
int tile_likeness(const uint8_t *a, const uint8_t *b, ptrdiff_t stride);

#endif
