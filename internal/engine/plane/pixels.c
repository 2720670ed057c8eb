/* SPDX-License-Identifier: MIT */

/* Lanczos3 of pixels: down as if a line were one band, then across each band. */

#include "pixels.h"

#include <string.h>

/* The state of a resize. */
typedef struct {
	const Pixels *in;
	const Passes *passes;
	Filter x, y;
	int length;          /* of a line of in */
	int read;            /* lines of in that were read */
	void *ring;          /* line y of in, multiplied or as it is, is at index y % y.taps */
	const void **lines;  /* old lines of a new line */
	int16_t *row;        /* a line of in's width */
	int16_t *planes;     /* its bands, each with zeros behind it */
	ptrdiff_t stride;    /* from one band to the next */
	void *bands;         /* the bands of a new line, line_out numbers apart */
	size_t line_out;
} Resize;

static size_t
sample(const Resize *r)
{
	return r->in->alpha ? sizeof(int16_t) : sizeof(uint8_t);
}

static int
resize_init(Resize *r, const Span *x, const Span *y)
{
	const Pixels *in = r->in;
	size_t bands = (size_t) in->bands;

	r->length = in->width * in->bands;
	if (filter_init(&r->x, x, in->width) || filter_init(&r->y, y, in->height))
		return -1;
	r->stride = in->width + r->x.taps;
	r->line_out = (size_t) (x->wanted + TAPS - 1) / TAPS * TAPS;
	r->ring = in->pixels && !in->alpha ? NULL
		: calloc((size_t) r->y.taps, (size_t) r->length * sample(r));
	r->lines = malloc((size_t) r->y.taps * sizeof(*r->lines));
	r->row = malloc((size_t) r->length * sizeof(*r->row));
	r->planes = calloc((size_t) r->stride * bands, sizeof(*r->planes));
	r->bands = malloc(r->line_out * bands * sample(r));
	return r->lines && r->row && r->planes && r->bands &&
			(r->ring || (in->pixels && !in->alpha)) ? 0 : -1;
}

static void
resize_clear(Resize *r)
{
	filter_clear(&r->x);
	filter_clear(&r->y);
	free(r->ring);
	free(r->lines);
	free(r->row);
	free(r->planes);
	free(r->bands);
}

static const uint8_t *
line_of(const Pixels *in, int y)
{
	return in->pixels ? in->pixels + y * in->stride : in->line(in->from, y);
}

/* The place of line y: in the ring, or in in's memory if there is no ring. */
static void *
kept(const Resize *r, int y)
{
	if (!r->ring)
		return (void *) (r->in->pixels + y * r->in->stride);
	return (uint8_t *) r->ring +
		(size_t) (y % r->y.taps) * (size_t) r->length * sample(r);
}

/* Reads up to line end. Lines above first are not needed. */
static int
read_to(Resize *r, int first, int end)
{
	for (; r->ring && r->read < end; r->read++) {
		const uint8_t *p;

		if (r->in->pixels && r->read < first)
			continue;
		if (!(p = line_of(r->in, r->read)))
			return -1;
		if (r->in->alpha)
			r->passes->multiply(p, r->in->width, r->in->bands, kept(r, r->read));
		else
			memcpy(kept(r, r->read), p, (size_t) r->length);
	}
	return 0;
}

static inline uint8_t
byte(uint32_t v)
{
	return (uint8_t) (v > 255 ? 255 : v);
}

/* Undoes multiply. To divide colors by alpha, it multiplies them by 255 / alpha, a number
 * with BITS bits below the point. */
static void
divide(const Resize *r, uint8_t *out)
{
	enum { BITS = 23 };
	const int16_t *colors = r->bands;
	int n = r->in->bands - 1;
	const int16_t *alpha = colors + (size_t) n * r->line_out;
	int x, b;

	for (x = 0; x < r->x.wanted; x++) {
		uint32_t a = (uint32_t) alpha[x];
		uint32_t inverse = a ? (255u << BITS) / a : 0;

		for (b = 0; b < n; b++) {
			uint64_t v = (uint64_t) colors[(size_t) b * r->line_out + (size_t) x];

			*out++ = byte((uint32_t) ((v * inverse + (1u << (BITS - 1))) >> BITS));
		}
		*out++ = byte((a * 4 + 127) / 255);
	}
}

/* Puts the bands side by side again. */
static inline __attribute__((always_inline)) void
join(const Resize *r, uint8_t *out, int bands)
{
	const uint8_t *from = r->bands;
	int x, b;

	for (x = 0; x < r->x.wanted; x++)
		for (b = 0; b < bands; b++)
			*out++ = from[(size_t) b * r->line_out + (size_t) x];
}

static void
make_line(Resize *r, int y, uint8_t *out)
{
	const Passes *p = r->passes;
	const int16_t *w = r->y.weights + (size_t) y * (size_t) r->y.taps;
	int n = r->y.used[y];
	int bands = r->in->bands;
	int i;

	for (i = 0; i < n; i++)
		r->lines[i] = kept(r, r->y.first[y] + i);
	if (r->in->alpha)
		p->down_multiplied((const int16_t *const *) r->lines, w, n, r->length, r->row);
	else
		p->down((const uint8_t *const *) r->lines, w, n, r->length, r->row);
	p->split(r->row, r->in->width, bands, r->planes, r->stride);
	for (i = 0; i < bands; i++) {
		const int16_t *plane = r->planes + i * r->stride;

		if (r->in->alpha)
			p->across_multiplied(plane, &r->x, (int16_t *) r->bands + (size_t) i * r->line_out);
		else
			p->across(plane, &r->x, (uint8_t *) r->bands + (size_t) i * r->line_out);
	}
	if (r->in->alpha)
		divide(r, out);
	else if (bands == 3)
		join(r, out, 3);
	else
		join(r, out, bands);
}

int
pixels_resize(const Pixels *in, const Span *x, const Span *y, uint8_t *out,
	ptrdiff_t stride, const Passes *passes)
{
	Resize r = { .in = in, .passes = passes };
	int result = -1;
	int line;

	if (resize_init(&r, x, y)) {
		result = PIXELS_NO_MEMORY;
		goto done;
	}
	for (line = 0; line < y->wanted; line++) {
		int first = r.y.first[line];

		if (read_to(&r, first, first + r.y.used[line]))
			goto done;
		make_line(&r, line, out + line * stride);
	}
	/* To the end: a file may be cut off there. */
	result = in->pixels ? 0 : read_to(&r, 0, in->height);
done:
	resize_clear(&r);
	return result;
}
