/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_SHRINK_H
#define THUMBD_SHRINK_H

#include <stddef.h>
#include <stdint.h>

/* The most lines that become one line: the sum of a column's colors, each multiplied by
 * alpha, must fit into 32 bits. */
#define SHRINK_MOST (1 << 15)

/* Shrinks a picture of bytes line by line: a new pixel is the mean of nx x ny pixels, or of
 * fewer at the right and at the bottom. If the last band is alpha, colors count as much
 * as their alpha. */
typedef struct {
	int width, bands, alpha;
	int nx, ny;
	int lines;      /* that were added since the last new line */
	int parts;      /* of them, the lines that are in part */
	uint32_t *sums; /* colors multiplied by alpha, if there is alpha */
	uint16_t *part; /* sums of lines that are opaque, or have no alpha */
} Shrink;

/* Begins with width, bands, alpha, nx and ny. Returns 0, or -1 if there is no memory.
 * The caller calls shrink_clear in both cases. */
int shrink_init(Shrink *s);
void shrink_clear(Shrink *s);

/* Adds a line. There are at most ny between two calls of shrink_take. */
void shrink_add(Shrink *s, const uint8_t *line);

/* Makes a new line of the lines that were added. It has (width + nx - 1) / nx pixels. */
void shrink_take(Shrink *s, uint8_t *out);

#endif
