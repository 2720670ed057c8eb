/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_PIXELS_H
#define THUMBD_PIXELS_H

#include "resize.h"

/* A picture of bytes with its bands side by side, for example RGBRGB. The picture is in
 * memory, or its lines come one after the other. */
typedef struct {
	int width, height, bands;
	int alpha; /* the last band is alpha, and colors must be multiplied by it */
	const uint8_t *pixels; /* or NULL */
	ptrdiff_t stride;
	/* Returns line y, or NULL if the line can't be read. The lines are asked for from
	 * top to bottom. A line stays until the next call. */
	const uint8_t *(*line)(void *from, int y);
	void *from;
} Pixels;

/* Resizes in along x and y to out. The parts of x and y are 1. A line of out begins
 * stride bytes after the line above. Every line of in is read. Returns 0; or -1 if a line
 * can't be read, or PIXELS_NO_MEMORY. */
#define PIXELS_NO_MEMORY (-2)
int pixels_resize(const Pixels *in, const Span *x, const Span *y, uint8_t *out,
	ptrdiff_t stride, const Passes *passes);

#endif
