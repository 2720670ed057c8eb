/* SPDX-License-Identifier: MIT */

/* The loops of unfilter.c for pixels of three and four bytes with SSE4.1: a pixel
 * at a time, in a half to a fifth of the time. Bytes that follow a pixel in its
 * register count for nothing. */

#include "unfilter.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <smmintrin.h>
#include <string.h>

#define SSE41 __attribute__((target("sse4.1")))
#define INLINE SSE41 static inline __attribute__((always_inline))

INLINE __m128i
load(const uint8_t *p)
{
	int32_t pixel;

	memcpy(&pixel, p, sizeof(pixel));
	return _mm_cvtsi32_si128(pixel);
}

/* Stores four bytes. Of a pixel of three, the fourth is replaced by the next pixel; the
 * last one is the byte beyond the line. */
INLINE void
store(uint8_t *p, __m128i v)
{
	int32_t pixel = _mm_cvtsi128_si32(v);

	memcpy(p, &pixel, sizeof(pixel));
}

/* Stores no more than the pixel. */
INLINE void
store_alone(uint8_t *p, __m128i v, int bpp)
{
	uint32_t pixel = (uint32_t) _mm_cvtsi128_si32(v);

	if (bpp == 4)
		memcpy(p, &pixel, 4);
	else {
		memcpy(p, &pixel, 2);
		p[2] = (uint8_t) (pixel >> 16);
	}
}

INLINE void
sub_by(uint8_t *restrict out, const uint8_t *restrict in, size_t n, int bpp)
{
	__m128i left = _mm_setzero_si128();
	size_t i;

	for (i = 0; i < n; i += (size_t) bpp) {
		left = _mm_add_epi8(left, load(in + i));
		store(out + i, left);
	}
}

/* Each pixel waits for the one to its left, so the loop keeps that pixel with all bits
 * turned over: ~x is -x - 1 of a byte. The instruction's mean is rounded up, and of turned
 * bytes it is the turned mean rounded down, as the filter has it. That minus the filtered
 * byte is the next pixel, turned over: two instructions. */
INLINE void
average_by(uint8_t *restrict out, const uint8_t *restrict in,
	const uint8_t *restrict up, size_t n, int bpp)
{
	const __m128i ones = _mm_set1_epi8(-1);
	__m128i turned = ones;
	size_t i;

	for (i = 0; i < n; i += (size_t) bpp) {
		__m128i above = _mm_xor_si128(load(up + i), ones);

		turned = _mm_sub_epi8(_mm_avg_epu8(turned, above), load(in + i));
		store(out + i, _mm_xor_si128(turned, ones));
	}
}

/* A pixel of Paeth's filter. Each byte of the pixel and of its neighbors takes 16
 * bits. */
INLINE __m128i
paeth_pixel(__m128i in, __m128i left, __m128i above, __m128i corner)
{
	__m128i to_left = _mm_sub_epi16(above, corner);
	__m128i to_above = _mm_sub_epi16(left, corner);
	__m128i to_corner = _mm_abs_epi16(_mm_add_epi16(to_left, to_above));
	__m128i least, nearest;

	to_left = _mm_abs_epi16(to_left);
	to_above = _mm_abs_epi16(to_above);
	least = _mm_min_epi16(to_corner, _mm_min_epi16(to_left, to_above));
	nearest = _mm_blendv_epi8(corner, above, _mm_cmpeq_epi16(least, to_above));
	nearest = _mm_blendv_epi8(nearest, left, _mm_cmpeq_epi16(least, to_left));
	return _mm_and_si128(_mm_add_epi16(in, nearest), _mm_set1_epi16(255));
}

/* The newest pixels of a line and of the one above. */
typedef struct {
	__m128i left, corner;
} Paeth;

INLINE __m128i
paeth_next(Paeth *p, const uint8_t *in, __m128i above)
{
	p->left = paeth_pixel(_mm_cvtepu8_epi16(load(in)), p->left, above, p->corner);
	p->corner = above;
	return p->left;
}

INLINE void
paeth_store(uint8_t *out, __m128i pixel, int bpp)
{
	store_alone(out, _mm_packus_epi16(pixel, pixel), bpp);
}

INLINE void
paeth_by(uint8_t *restrict out, const uint8_t *restrict in,
	const uint8_t *restrict up, size_t n, int bpp)
{
	Paeth p = { _mm_setzero_si128(), _mm_setzero_si128() };
	size_t i;

	for (i = 0; i < n; i += (size_t) bpp)
		paeth_store(out + i, paeth_next(&p, in + i, _mm_cvtepu8_epi16(load(up + i))), bpp);
}

/* Each pixel waits for the one to its left. The second line, a pixel behind the
 * first, does not wait for the same one: two take little longer than one. */
INLINE void
paeth_twice_by(uint8_t *restrict out, const uint8_t *restrict in,
	const uint8_t *restrict up, size_t n, int bpp)
{
	Paeth first = { _mm_setzero_si128(), _mm_setzero_si128() };
	Paeth second = first;
	const uint8_t *in2 = in + n + 1;
	uint8_t *out2 = out + n;
	__m128i above = _mm_setzero_si128(); /* the second's next pixel */
	size_t i;

	for (i = 0; i < n; i += (size_t) bpp) {
		__m128i pixel = paeth_next(&first, in + i, _mm_cvtepu8_epi16(load(up + i)));

		paeth_store(out + i, pixel, bpp);
		if (i > 0)
			paeth_store(out2 + i - bpp, paeth_next(&second, in2 + i - bpp, above), bpp);
		above = pixel;
	}
	paeth_store(out2 + n - bpp, paeth_next(&second, in2 + n - bpp, above), bpp);
}

#define ARGUMENTS uint8_t *restrict out, const uint8_t *restrict in, \
	const uint8_t *restrict up, size_t n, int bpp

SSE41 static void
sub(ARGUMENTS)
{
	(void) up;
	if (bpp == 3)
		sub_by(out, in, n, 3);
	else
		sub_by(out, in, n, 4);
}

SSE41 static void
average(ARGUMENTS)
{
	if (bpp == 3)
		average_by(out, in, up, n, 3);
	else
		average_by(out, in, up, n, 4);
}

SSE41 static void
paeth(ARGUMENTS)
{
	if (bpp == 3)
		paeth_by(out, in, up, n, 3);
	else
		paeth_by(out, in, up, n, 4);
}

SSE41 static void
paeth_twice(ARGUMENTS)
{
	if (bpp == 3)
		paeth_twice_by(out, in, up, n, 3);
	else
		paeth_twice_by(out, in, up, n, 4);
}

Unfilters
unfilters_best(int bpp)
{
	Unfilters fast = unfilters_plain;

	if (bpp < 3 || !__builtin_cpu_supports("sse4.1"))
		return fast;
	fast.line[1] = sub;
	fast.line[3] = average;
	fast.line[4] = paeth;
	fast.paeth_twice = paeth_twice;
	return fast;
}

#else

Unfilters
unfilters_best(int bpp)
{
	(void) bpp;
	return unfilters_plain;
}

#endif
