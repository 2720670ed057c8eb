/* SPDX-License-Identifier: MIT */

#include "shrink.h"
#include "wide.h"

#include <stdlib.h>
#include <string.h>

/* The mean of nx x ny pixels, for pictures of bytes. vips_shrink takes several
 * times as long, and has to be given colors that alpha has multiplied, as
 * floats. */

/* A division would take most of the time: a sum is multiplied by this and
 * shifted by SHIFT. A sum is at most 255.5 times the area, so 2^56. The mean is exact for
 * areas of up to 2^20 pixels; beyond, it is at most 1 too much. */
#define SHIFT 48
#define INVERSE(area) ((UINT64_C(1) << SHIFT) / (area) + 1)

/* The mean of n pixels' sums. */
static void
pixel(const uint32_t *p, uint8_t *out, int bands, int n, uint64_t area, uint64_t inverse)
{
	int b, i;

	for (b = 0; b < bands; b++) {
		uint64_t sum = area / 2;

		for (i = 0; i < n; i++)
			sum += p[i * bands + b];
		out[b] = (uint8_t) (sum * inverse >> SHIFT);
	}
}

static void
plain(const Shrink *s, uint8_t *out)
{
	int whole = s->width / s->nx, rest = s->width % s->nx, x;
	uint64_t area = (uint64_t) s->nx * (uint64_t) s->lines;
	uint64_t inverse = INVERSE(area);
	const uint32_t *p = s->sums;

	for (x = 0; x < whole; x++, p += (size_t) s->nx * (size_t) s->bands, out += s->bands)
		pixel(p, out, s->bands, s->nx, area, inverse);
	if (rest) {
		area = (uint64_t) rest * (uint64_t) s->lines;
		pixel(p, out, s->bands, rest, area, INVERSE(area));
	}
}

/* The same, of colors that are multiplied by the alpha behind them. A division of floats
 * takes less time than one of whole numbers. A quotient is less than 2^8, so it is rounded by
 * at most 2^-46. If it is not whole, it differs from the next whole number by more,
 * because alpha is less than 2^45; so sum, below 2^53, is exact as a float, too. */
static void
weighted(const Shrink *s, uint8_t *out)
{
	uint64_t area = (uint64_t) s->nx * (uint64_t) s->lines;
	uint64_t inverse = INVERSE(area);
	int bands = s->bands, x, b, i;

	for (x = 0; x < s->width; x += s->nx) {
		int n = s->width - x < s->nx ? s->width - x : s->nx;
		const uint32_t *p = s->sums + (size_t) x * (size_t) bands;
		uint64_t alpha = 0;

		if (n < s->nx) {
			area = (uint64_t) n * (uint64_t) s->lines;
			inverse = INVERSE(area);
		}
		for (i = 0; i < n; i++)
			alpha += p[i * bands + bands - 1];
		for (b = 0; b < bands - 1; b++) {
			uint64_t sum = alpha / 2;

			for (i = 0; i < n; i++)
				sum += p[i * bands + b];
			/* If alpha is 0, sum is 0, too. */
			*out++ = (uint8_t) ((double) (int64_t) sum / (double) (int64_t) (alpha ? alpha : 1));
		}
		*out++ = (uint8_t) ((alpha + area / 2) * inverse >> SHIFT);
	}
}

/* So many lines have sums of 16 bits. */
#define PART 257

WIDE static void
add(uint16_t *restrict part, const uint8_t *restrict p, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		part[i] = (uint16_t) (part[i] + p[i]);
}

/* Adds part to sums, and sets part to 0. */
WIDE static void
add_part(uint32_t *restrict sums, uint16_t *restrict part, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		sums[i] += part[i];
	memset(part, 0, n * sizeof(*part));
}

/* The same for opaque pixels: their colors are multiplied by 255. */
WIDE static void
add_opaque(uint32_t *restrict sums, uint16_t *restrict part, size_t n, size_t bands)
{
	size_t i, b;

	for (i = 0; i < n; i += bands) {
		for (b = 0; b < bands - 1; b++)
			sums[i + b] += part[i + b] * 255u;
		sums[i + b] += part[i + b];
	}
	memset(part, 0, n * sizeof(*part));
}

/* Four pixels of red, green, blue and alpha. */
typedef uint8_t Bytes __attribute__((vector_size(16)));
typedef uint16_t Products __attribute__((vector_size(32)));
typedef uint32_t Sums __attribute__((vector_size(64)));

/* add_weighted for as many pixels of four bands as are whole groups. Returns how
 * many these are. */
WIDE static int
add_groups(uint32_t *restrict sums, const uint8_t *restrict p, int width)
{
	const Products colors = { 65535, 65535, 65535, 0, 65535, 65535, 65535, 0,
		65535, 65535, 65535, 0, 65535, 65535, 65535, 0 };
	const Products one = { 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1 };
	int x;

	for (x = 0; x + 4 <= width; x += 4) {
		Bytes bytes;
		Products v, weights;
		Sums s;

		memcpy(&bytes, p + 4 * x, sizeof(bytes));
		memcpy(&s, sums + 4 * x, sizeof(s));
		v = __builtin_convertvector(bytes, Products);
		weights = __builtin_shufflevector(v, v, 3, 3, 3, 3, 7, 7, 7, 7,
			11, 11, 11, 11, 15, 15, 15, 15);
		weights = (weights & colors) | one;
		s += __builtin_convertvector(v * weights, Sums);
		memcpy(sums + 4 * x, &s, sizeof(s));
	}
	return x;
}

static void
add_weighted(uint32_t *sums, const uint8_t *p, int width, int bands)
{
	int done = bands == 4 ? add_groups(sums, p, width) : 0;
	int x, b;

	sums += done * bands;
	p += done * bands;
	for (x = done; x < width; x++) {
		uint32_t alpha = p[bands - 1];

		for (b = 0; b < bands - 1; b++)
			sums[b] += p[b] * alpha;
		sums[bands - 1] += alpha;
		sums += bands;
		p += bands;
	}
}

/* Whether the alphas of a line are all 255. Most lines show that they are not soon. */
static int
is_opaque(const uint8_t *p, int width, int bands)
{
	const int step = 64;
	int x, i;

	for (x = 0; x < width; x += step) {
		int n = width - x < step ? width - x : step;
		uint8_t all = 255;

		for (i = 0; i < n; i++)
			all &= p[(x + i) * bands + bands - 1];
		if (all != 255)
			return 0;
	}
	return 1;
}

int
shrink_init(Shrink *s)
{
	size_t n = (size_t) s->width * (size_t) s->bands;

	s->lines = s->parts = 0;
	s->sums = calloc(n, sizeof(*s->sums));
	s->part = calloc(n, sizeof(*s->part));
	return s->sums && s->part ? 0 : -1;
}

void
shrink_clear(Shrink *s)
{
	free(s->sums);
	free(s->part);
}

static void
flush(Shrink *s)
{
	size_t n = (size_t) s->width * (size_t) s->bands;

	if (s->parts && s->alpha)
		add_opaque(s->sums, s->part, n, (size_t) s->bands);
	else if (s->parts)
		add_part(s->sums, s->part, n);
	s->parts = 0;
}

void
shrink_add(Shrink *s, const uint8_t *line)
{
	s->lines++;
	if (s->alpha && !is_opaque(line, s->width, s->bands)) {
		add_weighted(s->sums, line, s->width, s->bands);
		return;
	}
	add(s->part, line, (size_t) s->width * (size_t) s->bands);
	if (++s->parts == PART)
		flush(s);
}

/* If all pixels are opaque, weighted gives the bytes of plain: the numbers that it divides
 * are 255 times as large, and a half is rounded up by both. */
void
shrink_take(Shrink *s, uint8_t *out)
{
	flush(s);
	(s->alpha ? weighted : plain)(s, out);
	memset(s->sums, 0, (size_t) s->width * (size_t) s->bands * sizeof(*s->sums));
	s->lines = 0;
}
