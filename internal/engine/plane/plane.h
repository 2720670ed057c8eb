/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_PLANE_H
#define THUMBD_PLANE_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* One component of a picture: bytes, line by line. stride is a multiple of PLANE_ALIGN,
 * and a loop over a line may write up to stride bytes. */
typedef struct {
	uint8_t *data;
	int width, height;
	ptrdiff_t stride;
	/* How many samples are all of the picture. At an eighth of its size, a
	 * picture of 100 pixels has 12.5 samples across in a plane that is 13 wide. */
	double across, down;
} Plane;

/* A picture in one plane (gray) or three (Y, Cb, Cr). */
typedef struct {
	int count;
	Plane plane[3];
} Planes;

#define PLANE_ALIGN 64

/* The longest side of a plane. */
#define PLANE_MAX 65535

/* Gives p memory for width x height samples, both 1 to PLANE_MAX. Returns 0, or
 * -1 if there is no memory. */
static inline int
plane_init(Plane *p, int width, int height)
{
	p->width = width;
	p->height = height;
	p->stride = (width + PLANE_ALIGN - 1) / PLANE_ALIGN * PLANE_ALIGN;
	p->data = aligned_alloc(PLANE_ALIGN, (size_t) p->stride * (size_t) height);
	return p->data ? 0 : -1;
}

static inline uint8_t *
plane_line(const Plane *p, int y)
{
	return p->data + y * p->stride;
}

/* Makes planes of width x height with samples of any value. If halved is set, the planes
 * of chroma have half of the width and height. Returns NULL if there is no memory. */
Planes *planes_new(int count, int width, int height, int halved);

/* Frees p. p may be NULL or half made. */
static inline void
planes_free(Planes *p)
{
	int i;

	for (i = 0; p && i < 3; i++)
		free(p->plane[i].data);
	free(p);
}

#endif
