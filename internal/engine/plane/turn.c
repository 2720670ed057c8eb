/* SPDX-License-Identifier: MIT */

#include "turn.h"

#include <string.h>

Planes *
planes_new(int count, int width, int height, int halved)
{
	Planes *p = calloc(1, sizeof(*p));
	int i;

	if (!p)
		return NULL;
	p->count = count;
	for (i = 0; i < count; i++) {
		int half = i > 0 && halved;

		if (plane_init(&p->plane[i], half ? (width + 1) / 2 : width, half ? (height + 1) / 2 : height)) {
			planes_free(p);
			return NULL;
		}
		p->plane[i].across = half ? width / 2.0 : width;
		p->plane[i].down = half ? height / 2.0 : height;
	}
	return p;
}

/* Line y of the turned plane is a line of the stored plane, or a column (swapped), read
 * forward or backward. For example with 6, "turn 90 degrees clockwise", line 0 is the
 * first column, read from its bottom. */
static void
turn(const Plane *in, Plane *out, int orientation)
{
	int swapped = orientation >= 5;
	int mirrored = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
	int upside = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
	ptrdiff_t right = swapped ? in->stride : 1;
	ptrdiff_t below = swapped ? 1 : in->stride;
	const uint8_t *from = in->data;
	int x, y;

	if (mirrored) {
		from += in->width - 1;
		*(swapped ? &below : &right) *= -1;
	}
	if (upside) {
		from += (in->height - 1) * in->stride;
		*(swapped ? &right : &below) *= -1;
	}
	for (y = 0; y < out->height; y++) {
		uint8_t *o = plane_line(out, y);
		const uint8_t *p = from + y * below;

		for (x = 0; x < out->width; x++)
			o[x] = p[x * right];
	}
}

Planes *
planes_turn(const Planes *in, int orientation)
{
	Planes *out = calloc(1, sizeof(*out));
	int swapped = orientation >= 5;
	int i;

	if (!out)
		return NULL;
	out->count = in->count;
	for (i = 0; i < in->count; i++) {
		const Plane *p = &in->plane[i];
		Plane *o = &out->plane[i];

		if (plane_init(o, swapped ? p->height : p->width, swapped ? p->width : p->height)) {
			planes_free(out);
			return NULL;
		}
		o->across = swapped ? p->down : p->across;
		o->down = swapped ? p->across : p->down;
		turn(p, o, orientation);
	}
	return out;
}

static inline uint8_t
byte(int v)
{
	return (uint8_t) (v < 0 ? 0 : v > 255 ? 255 : v);
}

/* The inverse of JFIF's conversion, with 16 bits below the point. */
static void
colors(const uint8_t *y, const uint8_t *cb, const uint8_t *cr, int halved,
	uint8_t *out, int width)
{
	int x;

	for (x = 0; x < width; x++, out += 3) {
		int luma = (y[x] << 16) + (1 << 15);
		int b = cb[x >> halved] - 128;
		int r = cr[x >> halved] - 128;

		out[0] = byte((luma + 91881 * r) >> 16);
		out[1] = byte((luma - 22554 * b - 46802 * r) >> 16);
		out[2] = byte((luma + 116130 * b) >> 16);
	}
}

void
planes_pixels(const Planes *in, uint8_t *out, size_t stride)
{
	const Plane *luma = &in->plane[0];
	int across = in->count == 3 && in->plane[1].width < luma->width;
	int down = in->count == 3 && in->plane[1].height < luma->height;
	int y;

	for (y = 0; y < luma->height; y++, out += stride) {
		const uint8_t *line = plane_line(luma, y);

		if (in->count == 1)
			memcpy(out, line, (size_t) luma->width);
		else
			colors(line, plane_line(&in->plane[1], y >> down),
				plane_line(&in->plane[2], y >> down), across, out, luma->width);
	}
}
