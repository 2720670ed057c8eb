/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_PIXELS_H
#define THUMBD_PIXELS_H

#include "resize.h"

/* A picture of bytes whose bands lie side by side, for example RGBRGB. It is in
 * memory, or its lines come one after the other. */
typedef struct {
	int width, height, bands;
	int alpha; /* whether the last band is alpha by which colors must be multiplied */
	const uint8_t *pixels; /* or NULL */
	ptrdiff_t stride;
	/* Returns line y, of which all above were asked for, or NULL if it can't be
	 * read. It stays until the next call. */
	const uint8_t *(*line)(void *from, int y);
	void *from;
} Pixels;

/* Resizes in along x and y, whose parts are 1, to out, whose lines are stride apart.
 * Every line of in is read. Returns 0; or -1 if there is no memory, or a line can't
 * be read. */
int pixels_resize(const Pixels *in, const Span *x, const Span *y, uint8_t *out,
	ptrdiff_t stride, const Passes *passes);

#endif
