/* SPDX-License-Identifier: MIT */

/* Lanczos3 from any part of a sample to any whole number of them, as two passes
 * of whole numbers: down the columns, then across the lines. */

#include "resize.h"

#include <string.h>

/* So many sums are made at once. */
#define BLOCK 64

static void
down(const uint8_t *const *lines, const int16_t *w, int n, int width, int16_t *row)
{
	int x, i, j;

	for (x = 0; x < width; x += BLOCK) {
		int length = width - x < BLOCK ? width - x : BLOCK;
		int32_t sums[BLOCK];

		for (j = 0; j < length; j++)
			sums[j] = 1 << (WEIGHT_BITS - BELOW - 1);
		for (i = 0; i < n; i++)
			for (j = 0; j < length; j++)
				sums[j] += w[i] * lines[i][x + j];
		for (j = 0; j < length; j++)
			row[x + j] = (int16_t) (sums[j] >> (WEIGHT_BITS - BELOW));
	}
}

static inline int32_t
dot(const int16_t *restrict a, const int16_t *restrict b, int n)
{
	int32_t sum = 0;
	int i;

	for (i = 0; i < n; i++)
		sum += a[i] * b[i];
	return sum;
}

static inline int
clip(int low, int v, int high)
{
	return v < low ? low : v > high ? high : v;
}

static void
across(const int16_t *row, const Filter *f, uint8_t *out)
{
	int x;

	for (x = 0; x < f->wanted; x++) {
		int32_t sum = dot(row + f->first[x], f->weights + (size_t) x * (size_t) f->taps, f->taps);

		sum = (sum + (1 << (WEIGHT_BITS + BELOW - 1))) >> (WEIGHT_BITS + BELOW);
		out[x] = (uint8_t) clip(0, sum, 255);
	}
}

static void
multiply(const uint8_t *pixels, int width, int bands, int16_t *out)
{
	int x, b;

	for (x = 0; x < width; x++, pixels += bands) {
		int alpha = pixels[bands - 1];

		for (b = 0; b < bands - 1; b++)
			*out++ = (int16_t) ((pixels[b] * alpha + 2) >> 2);
		*out++ = (int16_t) ((255 * alpha + 2) >> 2);
	}
}

static void
down_multiplied(const int16_t *const *lines, const int16_t *w, int n, int width,
	int16_t *row)
{
	int x, i, j;

	for (x = 0; x < width; x += BLOCK) {
		int length = width - x < BLOCK ? width - x : BLOCK;
		int32_t sums[BLOCK];

		for (j = 0; j < length; j++)
			sums[j] = 1 << (WEIGHT_BITS - 1);
		for (i = 0; i < n; i++)
			for (j = 0; j < length; j++)
				sums[j] += w[i] * lines[i][x + j];
		for (j = 0; j < length; j++)
			row[x + j] = (int16_t) clip(INT16_MIN, sums[j] >> WEIGHT_BITS, INT16_MAX);
	}
}

static void
across_multiplied(const int16_t *row, const Filter *f, int16_t *out)
{
	int x;

	for (x = 0; x < f->wanted; x++) {
		int32_t sum = dot(row + f->first[x], f->weights + (size_t) x * (size_t) f->taps, f->taps);

		out[x] = (int16_t) clip(0, (sum + (1 << (WEIGHT_BITS - 1))) >> WEIGHT_BITS, INT16_MAX);
	}
}

static void
split(const int16_t *row, int width, int bands, int16_t *out, ptrdiff_t stride)
{
	int x, b;

	for (b = 0; b < bands; b++, out += stride)
		for (x = 0; x < width; x++)
			out[x] = row[x * bands + b];
}

const Passes passes_plain = {
	down, across, multiply, down_multiplied, across_multiplied, split
};

/* Resizes in to out. out has its memory already. */
static int
plane_resize(const Plane *in, const Filter *x, const Filter *y, Plane *out,
	const Passes *passes)
{
	int16_t *row = calloc((size_t) in->width + (size_t) x->taps, sizeof(*row));
	const uint8_t **lines = malloc((size_t) y->taps * sizeof(*lines));
	int line, i;

	for (line = 0; row && lines && line < out->height; line++) {
		for (i = 0; i < y->used[line]; i++)
			lines[i] = plane_line(in, y->first[line] + i);
		passes->down(lines, y->weights + (size_t) line * (size_t) y->taps,
			y->used[line], in->width, row);
		passes->across(row, x, plane_line(out, line));
	}
	i = row && lines ? 0 : -1;
	free(row);
	free(lines);
	return i;
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
		/* Cr takes Cb's filters if they are the same. */
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
