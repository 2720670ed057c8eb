/* SPDX-License-Identifier: MIT */

/* The filters of the PNG specification, 9.2, undone byte by byte. */

#include "unfilter.h"

#include <stdlib.h>
#include <string.h>

static void
none(uint8_t *restrict out, const uint8_t *restrict in, const uint8_t *restrict up,
	size_t n, int bpp)
{
	(void) up;
	(void) bpp;
	memcpy(out, in, n);
}

static void
sub(uint8_t *restrict out, const uint8_t *restrict in, const uint8_t *restrict up,
	size_t n, int bpp)
{
	size_t i;

	(void) up;
	for (i = 0; i < n; i++)
		out[i] = (uint8_t) (in[i] + (i < (size_t) bpp ? 0 : out[i - (size_t) bpp]));
}

static void
up(uint8_t *restrict out, const uint8_t *restrict in, const uint8_t *restrict up,
	size_t n, int bpp)
{
	size_t i;

	(void) bpp;
	for (i = 0; i < n; i++)
		out[i] = (uint8_t) (in[i] + up[i]);
}

static void
average(uint8_t *restrict out, const uint8_t *restrict in, const uint8_t *restrict up,
	size_t n, int bpp)
{
	size_t i;

	for (i = 0; i < n; i++) {
		int left = i < (size_t) bpp ? 0 : out[i - (size_t) bpp];

		out[i] = (uint8_t) (in[i] + (left + up[i]) / 2);
	}
}

/* Of three neighbors the one that is nearest to left + above - corner. */
static inline int
nearest(int left, int above, int corner)
{
	int to_left = abs(above - corner);
	int to_above = abs(left - corner);
	int to_corner = abs(left + above - 2 * corner);

	if (to_left <= to_above && to_left <= to_corner)
		return left;
	return to_above <= to_corner ? above : corner;
}

static void
paeth(uint8_t *restrict out, const uint8_t *restrict in, const uint8_t *restrict up,
	size_t n, int bpp)
{
	size_t i;

	for (i = 0; i < (size_t) bpp && i < n; i++)
		out[i] = (uint8_t) (in[i] + up[i]);
	for (; i < n; i++)
		out[i] = (uint8_t) (in[i] +
			nearest(out[i - (size_t) bpp], up[i], up[i - (size_t) bpp]));
}

const Unfilters unfilters_plain = { { none, sub, up, average, paeth }, NULL };
