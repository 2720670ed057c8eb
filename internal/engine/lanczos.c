/* SPDX-License-Identifier: MIT */

#include "vips.h"

#include <math.h>

/* A reduction by Lanczos3 of pictures of bytes, from any part of a pixel to any
 * whole number of them. vips_reduce takes twice as long, and whole pixels. */

/* Weights are in 1 / ONE, and what lies between the two passes has BELOW bits
 * below those of a byte. */
#define BITS 14
#define ONE (1 << BITS)
#define BELOW 6

/* Taps are summed up by so many. */
#define STEP 8

/* Strips of so many lines are asked for at once. */
#define STRIP 16

/* Of which old pixels the new ones of an axis are made. */
typedef struct {
	int wanted;
	int taps; /* of each pixel, a multiple of STEP; those that are too many weigh 0 */
	int *first; /* of each pixel's taps */
	gint16 *weights; /* taps of each */
} Filter;

/* sin 3y is (3 - 4 sin^2 y) sin y: one sine is enough. */
static double
lobes(double x)
{
	double y = x * G_PI / 3;
	double square = sin(y) * sin(y);

	return fabs(x) < 1e-9 ? 1 : fabs(x) >= 3 ? 0
											 : square * (3 - 4 * square) / (3 * y * y);
}

/* The weights of one pixel. What lies outside counts as what lies at the edge. */
static void
weigh(double center, double factor, int have, int *first, gint16 *weights, int taps)
{
	int from = ceil(center - 3 * factor);
	int to = floor(center + 3 * factor);
	double *w = g_newa(double, taps);
	double sum = 0;
	int rest = ONE;
	int most = 0;
	int i;

	*first = VIPS_CLIP(0, from, have - 1);
	memset(w, 0, taps * sizeof(*w));
	for (i = from; i <= to; i++) {
		double v = lobes((i - center) / factor);

		w[VIPS_CLIP(0, i, have - 1) - *first] += v;
		sum += v;
	}
	for (i = 0; i < taps; i++) {
		weights[i] = rint(w[i] / sum * ONE);
		rest -= weights[i];
		if (weights[i] > weights[most])
			most = i;
	}
	weights[most] += rest;
}

static void
filter_init(Filter *f, double all, int have, int wanted)
{
	double factor = VIPS_MAX(1, all / wanted);
	int i;

	f->wanted = wanted;
	f->taps = VIPS_ROUND_UP((int) (6 * factor) + 2, STEP);
	f->first = g_new(int, wanted);
	f->weights = g_new(gint16, (gsize) wanted * f->taps);
	for (i = 0; i < wanted; i++)
		weigh((i + 0.5) * all / wanted - 0.5, factor, have, &f->first[i],
			f->weights + (gsize) i * f->taps, f->taps);
}

static void
filter_clear(Filter *f)
{
	g_free(f->first);
	g_free(f->weights);
}

/* The lines that a new one is made of, each where its number, modulo that of
 * all, says. */
typedef struct {
	VipsRegion *region;
	int next; /* of the lines to be read */
	int length, lines; /* of bytes; of lines */
	VipsPel *ring; /* or the picture itself, where that is in memory */
	gint32 *sums;
	int stride; /* of planes */
	gint16 *planes; /* of each band a line, with 0 behind it for taps too many */
} Reading;

static int
read_to(Reading *r, int end)
{
	VipsImage *in = r->region->im;
	int y;

	while (r->next < end) {
		VipsRect rect = { 0, r->next, in->Xsize, VIPS_MIN(STRIP, in->Ysize - r->next) };

		if (vips_region_prepare(r->region, &rect))
			return -1;
		for (y = rect.top; y < rect.top + rect.height; y++)
			memcpy(r->ring + (gsize) (y % r->lines) * r->length,
				VIPS_REGION_ADDR(r->region, 0, y), r->length);
		r->next += rect.height;
	}
	return 0;
}

static void
reading_init(Reading *r, VipsImage *in, const Filter *x, const Filter *y)
{
	gboolean there = in->dtype == VIPS_IMAGE_SETBUF;

	r->region = vips_region_new(in);
	r->next = there ? in->Ysize : 0;
	r->length = in->Xsize * in->Bands;
	r->lines = there ? in->Ysize : y->taps + STRIP;
	r->ring = there ? VIPS_IMAGE_ADDR(in, 0, 0) : g_malloc0((gsize) r->lines * r->length);
	r->sums = g_new(gint32, r->length);
	r->stride = in->Xsize + x->taps;
	r->planes = g_new0(gint16, (gsize) r->stride * in->Bands);
}

static void
reading_clear(Reading *r)
{
	if (r->region->im->dtype != VIPS_IMAGE_SETBUF)
		g_free(r->ring);
	g_free(r->sums);
	g_free(r->planes);
	g_object_unref(r->region);
}

static inline void
add(gint32 *restrict sums, const VipsPel *restrict p, gint16 weight, int n)
{
	int i;

	for (i = 0; i < n; i++)
		sums[i] += (gint16) p[i] * weight;
}

/* One line down, its bands apart. */
THUMBD_WIDE static void
down_line(Reading *r, const Filter *f, int y)
{
	VipsImage *in = r->region->im;
	const gint16 *w = f->weights + (gsize) y * f->taps;
	int i, b;

	memset(r->sums, 0, r->length * sizeof(*r->sums));
	for (i = 0; i < f->taps; i++)
		if (w[i])
			add(r->sums, r->ring + (gsize) ((f->first[y] + i) % r->lines) * r->length,
				w[i], r->length);
	for (b = 0; b < in->Bands; b++) {
		gint16 *plane = r->planes + (gsize) b * r->stride;

		for (i = 0; i < in->Xsize; i++)
			plane[i] = (r->sums[i * in->Bands + b] + (1 << (BITS - BELOW - 1))) >>
				(BITS - BELOW);
	}
}

static inline gint32
dot(const gint16 *restrict a, const gint16 *restrict b, int n)
{
	gint32 sum = 0;
	int i;

	/* Unrolled, it would not be made wide. */
#pragma GCC unroll 1
	for (i = 0; i < n; i++)
		sum += (gint32) a[i] * b[i];
	return sum;
}

static inline __attribute__((always_inline)) void
across(const Reading *r, const Filter *f, int bands, VipsPel *out, int taps)
{
	int x, b;

	for (b = 0; b < bands; b++) {
		const gint16 *plane = r->planes + (gsize) b * r->stride;

		for (x = 0; x < f->wanted; x++) {
			gint32 v = dot(plane + f->first[x], f->weights + (gsize) x * taps, taps);

			v = (v + (1 << (BITS + BELOW - 1))) >> (BITS + BELOW);
			out[x * bands + b] = VIPS_CLIP(0, v, 255);
		}
	}
}

/* One line across. A number of taps that the compiler knows takes half the
 * time; what means leave is at most four times too large, and has these. */
THUMBD_WIDE static void
across_line(const Reading *r, const Filter *f, int bands, VipsPel *out)
{
	switch (f->taps) {
	case STEP:
		across(r, f, bands, out, STEP);
		break;
	case 2 * STEP:
		across(r, f, bands, out, 2 * STEP);
		break;
	case 3 * STEP:
		across(r, f, bands, out, 3 * STEP);
		break;
	case 4 * STEP:
		across(r, f, bands, out, 4 * STEP);
		break;
	default:
		across(r, f, bands, out, f->taps);
	}
}

static int
reduce(Reading *r, const Filter *x, const Filter *y, VipsImage *out)
{
	VipsImage *in = r->region->im;
	int line;

	for (line = 0; line < out->Ysize; line++) {
		if (read_to(r, VIPS_MIN(y->first[line] + y->taps, in->Ysize)))
			return -1;
		down_line(r, y, line);
		across_line(r, x, in->Bands, VIPS_IMAGE_ADDR(out, 0, line));
	}
	/* To the end: what is missing there must be found out. */
	return read_to(r, in->Ysize);
}

int
thumbd_lanczos(VipsImage *in, double across, double down, int width, int height,
	VipsImage **out)
{
	VipsImage *t = vips_image_new_memory();
	Reading r;
	Filter x, y;
	int result = -1;

	if (vips_image_pipelinev(t, VIPS_DEMAND_STYLE_ANY, in, NULL))
		goto done;
	t->Xsize = width;
	t->Ysize = height;
	if (vips_image_write_prepare(t))
		goto done;
	filter_init(&x, across, in->Xsize, width);
	filter_init(&y, down, in->Ysize, height);
	reading_init(&r, in, &x, &y);
	result = reduce(&r, &x, &y, t);
	reading_clear(&r);
	filter_clear(&x);
	filter_clear(&y);
done:
	if (result)
		g_object_unref(t);
	else
		*out = t;
	return result;
}
