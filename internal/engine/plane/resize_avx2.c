/* SPDX-License-Identifier: MIT */

/* The passes of resize.c with AVX2: the same numbers in a third of the time. */

#include "resize.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))

/* Adds to sum two lines' samples, as 16-bit numbers side by side, times their
 * two weights. */
#define ADD(sum, samples) \
	sum = _mm256_add_epi32(sum, _mm256_madd_epi16(samples, both))

/* The weights of lines i and i + 1. If second is 0, there is no second line. */
AVX2 static inline __m256i
weights_of(const int16_t *w, int i, int second)
{
	return _mm256_set1_epi32((int) ((uint32_t) (uint16_t) w[i] |
		(second ? (uint32_t) (uint16_t) w[i + 1] << 16 : 0)));
}

/* The numbers of two vectors shifted right, as 16 bits. */
AVX2 static inline __m256i
shifted(__m256i a, __m256i b, int bits)
{
	return _mm256_packs_epi32(_mm256_srai_epi32(a, bits), _mm256_srai_epi32(b, bits));
}

/* Two lines at a time, 32 columns from x on: the sums stay in registers. */
AVX2 static inline __attribute__((always_inline)) void
down_block(const uint8_t *const *lines, const int16_t *w, int n, int x, int16_t *row)
{
	const __m256i half = _mm256_set1_epi32(1 << (WEIGHT_BITS - BELOW - 1));
	const __m256i zero = _mm256_setzero_si256();
	__m256i s0 = half, s1 = half, s2 = half, s3 = half;
	int i;

	for (i = 0; i < n; i += 2) {
		int second = i + 1 < n;
		__m256i both = weights_of(w, i, second);
		__m256i a = _mm256_loadu_si256((const __m256i *) (lines[i] + x));
		__m256i b = second
			? _mm256_loadu_si256((const __m256i *) (lines[i + 1] + x)) : zero;
		/* Each of the two halves of 128 bits for itself: columns 0 to 7
		 * and 16 to 23 in low, 8 to 15 and 24 to 31 in high. */
		__m256i low = _mm256_unpacklo_epi8(a, b);
		__m256i high = _mm256_unpackhi_epi8(a, b);

		ADD(s0, _mm256_unpacklo_epi8(low, zero));
		ADD(s1, _mm256_unpackhi_epi8(low, zero));
		ADD(s2, _mm256_unpacklo_epi8(high, zero));
		ADD(s3, _mm256_unpackhi_epi8(high, zero));
	}
	s0 = shifted(s0, s1, WEIGHT_BITS - BELOW);
	s2 = shifted(s2, s3, WEIGHT_BITS - BELOW);
	_mm256_storeu_si256((__m256i *) (row + x), _mm256_permute2x128_si256(s0, s2, 0x20));
	_mm256_storeu_si256((__m256i *) (row + x + 16), _mm256_permute2x128_si256(s0, s2, 0x31));
}

/* A last block that is not whole begins earlier. */
AVX2 static void
down(const uint8_t *const *lines, const int16_t *w, int n, int width, int16_t *row)
{
	int x;

	if (width < 32) {
		passes_plain.down(lines, w, n, width, row);
		return;
	}
	for (x = 0; x + 32 <= width; x += 32)
		down_block(lines, w, n, x, row);
	if (x < width)
		down_block(lines, w, n, width - 32, row);
}

/* down_block with 16 columns. */
AVX2 static inline __attribute__((always_inline)) void
multiplied_block(const int16_t *const *lines, const int16_t *w, int n, int x, int16_t *row)
{
	const __m256i zero = _mm256_setzero_si256();
	__m256i s0 = _mm256_set1_epi32(1 << (WEIGHT_BITS - 1)), s1 = s0;
	int i;

	for (i = 0; i < n; i += 2) {
		int second = i + 1 < n;
		__m256i both = weights_of(w, i, second);
		__m256i a = _mm256_loadu_si256((const __m256i *) (lines[i] + x));
		__m256i b = second
			? _mm256_loadu_si256((const __m256i *) (lines[i + 1] + x)) : zero;

		ADD(s0, _mm256_unpacklo_epi16(a, b));
		ADD(s1, _mm256_unpackhi_epi16(a, b));
	}
	_mm256_storeu_si256((__m256i *) (row + x), shifted(s0, s1, WEIGHT_BITS));
}

AVX2 static void
down_multiplied(const int16_t *const *lines, const int16_t *w, int n, int width,
	int16_t *row)
{
	int x;

	if (width < 16) {
		passes_plain.down_multiplied(lines, w, n, width, row);
		return;
	}
	for (x = 0; x + 16 <= width; x += 16)
		multiplied_block(lines, w, n, x, row);
	if (x < width)
		multiplied_block(lines, w, n, width - 16, row);
}

/* Four pixels of red, green, blue and alpha at a time. */
AVX2 static void
multiply(const uint8_t *pixels, int width, int bands, int16_t *out)
{
	/* Three times alpha, then nothing, of each pixel. */
	const __m256i alphas = _mm256_setr_epi8(6, 7, 6, 7, 6, 7, -1, -1,
		14, 15, 14, 15, 14, 15, -1, -1, 6, 7, 6, 7, 6, 7, -1, -1,
		14, 15, 14, 15, 14, 15, -1, -1);
	const __m256i all = _mm256_set1_epi64x(0x00ff000000000000);
	int x = 0;

	for (; bands == 4 && x + 4 <= width; x += 4) {
		__m256i v = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *) (pixels + 4 * x)));

		v = _mm256_mullo_epi16(v, _mm256_or_si256(_mm256_shuffle_epi8(v, alphas), all));
		_mm256_storeu_si256((__m256i *) (out + 4 * x), _mm256_srli_epi16(
			_mm256_add_epi16(v, _mm256_set1_epi16(2)), 2));
	}
	passes_plain.multiply(pixels + (size_t) x * (size_t) bands, width - x, bands,
		out + (size_t) x * (size_t) bands);
}

/* Splits eight pixels of three bands: each vector of eight numbers has a part of every
 * band. */
AVX2 static int
split3(const int16_t *row, int width, int16_t *out, ptrdiff_t stride)
{
#define AT(a, b, c, d, e, f, g, h) _mm_setr_epi8(a, a + 1, b, b + 1, c, c + 1, \
	d, d + 1, e, e + 1, f, f + 1, g, g + 1, h, h + 1)
#define NO -128
	const __m128i from[3][3] = {
		{ AT(0, 6, 12, NO, NO, NO, NO, NO), AT(NO, NO, NO, 2, 8, 14, NO, NO), AT(NO, NO, NO, NO, NO, NO, 4, 10) },
		{ AT(2, 8, 14, NO, NO, NO, NO, NO), AT(NO, NO, NO, 4, 10, NO, NO, NO), AT(NO, NO, NO, NO, NO, 0, 6, 12) },
		{ AT(4, 10, NO, NO, NO, NO, NO, NO), AT(NO, NO, 0, 6, 12, NO, NO, NO), AT(NO, NO, NO, NO, NO, 2, 8, 14) },
	};
	int x, i;

	for (x = 0; x + 8 <= width; x += 8) {
		const __m128i *p = (const __m128i *) (row + 3 * x);
		__m128i a = _mm_loadu_si128(p), b = _mm_loadu_si128(p + 1), c = _mm_loadu_si128(p + 2);

		for (i = 0; i < 3; i++)
			_mm_storeu_si128((__m128i *) (out + i * stride + x),
				_mm_or_si128(_mm_or_si128(_mm_shuffle_epi8(a, from[i][0]),
					_mm_shuffle_epi8(b, from[i][1])), _mm_shuffle_epi8(c, from[i][2])));
	}
	return x;
}

/* Four pixels of four bands. */
AVX2 static int
split4(const int16_t *row, int width, int16_t *out, ptrdiff_t stride)
{
	const __m256i pairs = _mm256_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13,
		6, 7, 14, 15, 0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15);
	const __m256i bands = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
	int x, i;

	for (x = 0; x + 4 <= width; x += 4) {
		int64_t v[4];

		_mm256_storeu_si256((__m256i *) v, _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(
			_mm256_loadu_si256((const __m256i *) (row + 4 * x)), pairs), bands));
		for (i = 0; i < 4; i++)
			memcpy(out + i * stride + x, &v[i], sizeof(v[i]));
	}
	return x;
}

AVX2 static void
split(const int16_t *row, int width, int bands, int16_t *out, ptrdiff_t stride)
{
	int x = bands == 3 ? split3(row, width, out, stride)
		: bands == 4 ? split4(row, width, out, stride) : 0;

	passes_plain.split(row + x * bands, width - x, bands, out + x, stride);
}

AVX2 static inline __attribute__((always_inline)) __m256i
dot(const int16_t *p, const int16_t *w, int taps)
{
	__m256i sum = _mm256_setzero_si256();
	int i;

	for (i = 0; i + 16 <= taps; i += 16)
		sum = _mm256_add_epi32(sum, _mm256_madd_epi16(
			_mm256_loadu_si256((const __m256i *) (p + i)),
			_mm256_loadu_si256((const __m256i *) (w + i))));
	if (i < taps)
		sum = _mm256_add_epi32(sum, _mm256_zextsi128_si256(_mm_madd_epi16(
			_mm_loadu_si128((const __m128i *) (p + i)),
			_mm_loadu_si128((const __m128i *) (w + i)))));
	return sum;
}

/* The sums of eight new samples from x on. A last group of fewer repeats its last
 * sample. */
AVX2 static inline __attribute__((always_inline)) __m256i
eight(const int16_t *row, const Filter *f, int x, int taps)
{
	__m256i s[8], a, b;
	int j;

	for (j = 0; j < 8; j++) {
		int i = x + j < f->wanted ? x + j : f->wanted - 1;

		s[j] = dot(row + f->first[i], f->weights + (size_t) i * (size_t) taps, taps);
	}
	a = _mm256_hadd_epi32(_mm256_hadd_epi32(s[0], s[1]), _mm256_hadd_epi32(s[2], s[3]));
	b = _mm256_hadd_epi32(_mm256_hadd_epi32(s[4], s[5]), _mm256_hadd_epi32(s[6], s[7]));
	return _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20),
		_mm256_permute2x128_si256(a, b, 0x31));
}

/* Rounds eight sums to 16 bits. */
AVX2 static inline __attribute__((always_inline)) __m128i
rounded(__m256i sums, int bits)
{
	sums = _mm256_srai_epi32(_mm256_add_epi32(sums, _mm256_set1_epi32(1 << (bits - 1))), bits);
	return _mm_packs_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
}

AVX2 static inline __attribute__((always_inline)) void
across_by(const int16_t *row, const Filter *f, uint8_t *out, int taps)
{
	int x;

	for (x = 0; x < f->wanted; x += 8) {
		__m128i v = rounded(eight(row, f, x, taps), WEIGHT_BITS + BELOW);

		_mm_storel_epi64((__m128i *) (out + x), _mm_packus_epi16(v, v));
	}
}

AVX2 static inline __attribute__((always_inline)) void
across_multiplied_by(const int16_t *row, const Filter *f, int16_t *out, int taps)
{
	int x;

	for (x = 0; x < f->wanted; x += 8)
		_mm_storeu_si128((__m128i *) (out + x), _mm_max_epi16(
			rounded(eight(row, f, x, taps), WEIGHT_BITS), _mm_setzero_si128()));
}

/* A number of taps that the compiler knows takes half the time. Pictures are at
 * most four times too large, mostly, and have these. */
#define BY_TAPS(function, row, f, out) \
	switch ((f)->taps) { \
	case TAPS: \
		function(row, f, out, TAPS); \
		break; \
	case 2 * TAPS: \
		function(row, f, out, 2 * TAPS); \
		break; \
	case 3 * TAPS: \
		function(row, f, out, 3 * TAPS); \
		break; \
	case 4 * TAPS: \
		function(row, f, out, 4 * TAPS); \
		break; \
	default: \
		function(row, f, out, (f)->taps); \
	}

AVX2 static void
across(const int16_t *row, const Filter *f, uint8_t *out)
{
	BY_TAPS(across_by, row, f, out)
}

AVX2 static void
across_multiplied(const int16_t *row, const Filter *f, int16_t *out)
{
	BY_TAPS(across_multiplied_by, row, f, out)
}

static const Passes passes_avx2 = {
	down, across, multiply, down_multiplied, across_multiplied, split
};

const Passes *
passes_best(void)
{
	return __builtin_cpu_supports("avx2") ? &passes_avx2 : &passes_plain;
}

#else

const Passes *
passes_best(void)
{
	return &passes_plain;
}

#endif
