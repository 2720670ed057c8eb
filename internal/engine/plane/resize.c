/* SPDX-License-Identifier: MIT */

/* Lanczos3 from any part of a sample to any whole number of them, as two passes
 * of whole numbers: down the columns, then across the lines. */

#include "resize.h"

#include <string.h>

static void
down(const Plane *in, const Filter *f, int y, int16_t *row)
{
	const int16_t *w = f->weights + (size_t) y * (size_t) f->taps;
	const uint8_t *column = plane_line(in, f->first[y]);
	int x, i;

	for (x = 0; x < in->width; x++, column++) {
		int32_t sum = 1 << (WEIGHT_BITS - BELOW - 1);

		for (i = 0; i < f->used[y]; i++)
			sum += w[i] * column[i * in->stride];
		row[x] = (int16_t) (sum >> (WEIGHT_BITS - BELOW));
	}
}

static void
across(const int16_t *row, const Filter *f, uint8_t *out)
{
	const int16_t *w = f->weights;
	int x, i;

	for (x = 0; x < f->wanted; x++, w += f->taps) {
		const int16_t *p = row + f->first[x];
		int32_t sum = 1 << (WEIGHT_BITS + BELOW - 1);

		for (i = 0; i < f->taps; i++)
			sum += p[i] * w[i];
		sum >>= WEIGHT_BITS + BELOW;
		out[x] = (uint8_t) (sum < 0 ? 0 : sum > 255 ? 255 : sum);
	}
}

const Passes passes_plain = { down, across };

/* Makes out, which has memory, of in. */
static int
plane_resize(const Plane *in, const Filter *x, const Filter *y, Plane *out,
	const Passes *passes)
{
	/* A pass writes whole strides. */
	size_t length = (size_t) in->stride + (size_t) x->taps;
	int16_t *row = malloc(length * sizeof(*row));
	int line;

	if (!row)
		return -1;
	for (line = 0; line < out->height; line++) {
		passes->down(in, y, line, row);
		memset(row + in->width, 0, (length - (size_t) in->width) * sizeof(*row));
		passes->across(row, x, plane_line(out, line));
	}
	free(row);
	return 0;
}

static int
same(const Span *a, const Span *b)
{
	return a->from == b->from && a->step == b->step && a->wanted == b->wanted &&
		a->parts == b->parts;
}

Planes *
planes_resize(const Planes *in, const Span x[3], const Span y[3],
	const Passes *passes)
{
	Planes *out = calloc(1, sizeof(*out));
	Filter fx = { 0 };
	Filter fy = { 0 };
	int i;

	if (!out)
		return NULL;
	out->count = in->count;
	for (i = 0; i < in->count; i++) {
		const Plane *p = &in->plane[i];
		Plane *o = &out->plane[i];
		/* Cr's filters are those of Cb. */
		int again = i == 2 && same(&x[1], &x[2]) && same(&y[1], &y[2]) &&
			p->width == in->plane[1].width && p->height == in->plane[1].height;

		if (!again) {
			filter_clear(&fx);
			filter_clear(&fy);
		}
		if ((!again && (filter_init(&fx, &x[i], p->width) ||
						   filter_init(&fy, &y[i], p->height))) ||
			plane_init(o, x[i].wanted, y[i].wanted) ||
			plane_resize(p, &fx, &fy, o, passes)) {
			planes_free(out);
			out = NULL;
			break;
		}
		/* The last sample of halved chroma may have half of its share of luma. */
		o->across = x[i].parts == 2 ? x[0].wanted / 2.0 : o->width;
		o->down = y[i].parts == 2 ? y[0].wanted / 2.0 : o->height;
	}
	filter_clear(&fx);
	filter_clear(&fy);
	return out;
}
