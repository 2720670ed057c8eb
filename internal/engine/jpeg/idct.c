/* SPDX-License-Identifier: MIT */

/* The inverse DCT of T.81 A.3.3 with as many samples as coefficients across and
 * down, 1 to 4, in whole numbers: all machines agree. Coefficients of 8 x 8 have
 * a gain of 8 at every size, so that the mean of a block is its first coefficient
 * over 8. A loop goes along a row of blocks. Constants have 10 bits below the
 * point; coefficients are less than 2^14, so that no sum needs more than 31 bits. */

#include "decoder.h"

static inline uint8_t
byte(int v)
{
	return (uint8_t) (v < 0 ? 0 : v > 255 ? 255 : v);
}

WIDE static void
idct1(const int16_t *restrict c, int n, uint8_t *restrict out)
{
	int i;

	for (i = 0; i < n; i++)
		out[i] = byte(((c[i] + 4) >> 3) + 128);
}

/* 1 and 1 / -1: sums and differences. */
WIDE static void
idct2(const int16_t *restrict c, int n, uint8_t *restrict out, ptrdiff_t stride)
{
	const int16_t *c01 = c + n, *c10 = c + 2 * n, *c11 = c + 3 * n;
	uint8_t *restrict below = out + stride;
	int i;

	for (i = 0; i < n; i++) {
		int mean = c[i] + 4 + (128 << 3);
		int left = mean + c10[i], right = c01[i] + c11[i];
		int left2 = mean - c10[i], right2 = c01[i] - c11[i];

		out[2 * i] = byte((left + right) >> 3);
		out[2 * i + 1] = byte((left - right) >> 3);
		below[2 * i] = byte((left2 + right2) >> 3);
		below[2 * i + 1] = byte((left2 - right2) >> 3);
	}
}

#define COS3_1 1254 /* sqrt(2) cos(pi / 6) */
#define COS3_2 724  /* sqrt(2) cos(pi / 3) */
#define COS3_4 1448 /* sqrt(2) */

/* Both passes keep 2 bits below the first one's point: 10 - 8. */
#define FIRST 8
#define SECOND 15
#define ROUND ((1 << (SECOND - 1)) + (128 << SECOND))

WIDE static void
idct3(const int16_t *restrict c, int n, uint8_t *restrict out, ptrdiff_t stride)
{
	int i, u, x;

	for (i = 0; i < n; i++) {
		int t[3][3];

		for (u = 0; u < 3; u++) {
			int a = c[u * 3 * n + i] * 1024;
			int b = c[(u * 3 + 1) * n + i] * COS3_1;
			int d = c[(u * 3 + 2) * n + i];

			t[u][0] = (a + b + d * COS3_2) >> FIRST;
			t[u][1] = (a - d * COS3_4) >> FIRST;
			t[u][2] = (a - b + d * COS3_2) >> FIRST;
		}
		for (x = 0; x < 3; x++) {
			int a = t[0][x] * 1024 + ROUND;
			int b = t[1][x] * COS3_1;
			int d = t[2][x];

			out[3 * i + x] = byte((a + b + d * COS3_2) >> SECOND);
			out[stride + 3 * i + x] = byte((a - d * COS3_4) >> SECOND);
			out[2 * stride + 3 * i + x] = byte((a - b + d * COS3_2) >> SECOND);
		}
	}
}

#define COS4_1 1338 /* sqrt(2) cos(pi / 8) */
#define COS4_3 554  /* sqrt(2) cos(3 pi / 8) */

WIDE static void
idct4(const int16_t *restrict c, int n, uint8_t *restrict out, ptrdiff_t stride)
{
	int i, u, x;

	for (i = 0; i < n; i++) {
		int t[4][4];

		for (u = 0; u < 4; u++) {
			int a = c[u * 4 * n + i], b = c[(u * 4 + 1) * n + i];
			int d = c[(u * 4 + 2) * n + i], e = c[(u * 4 + 3) * n + i];
			int outer = (a + d) * 1024, inner = (a - d) * 1024;
			int odd = b * COS4_1 + e * COS4_3, odd2 = b * COS4_3 - e * COS4_1;

			t[u][0] = (outer + odd) >> FIRST;
			t[u][1] = (inner + odd2) >> FIRST;
			t[u][2] = (inner - odd2) >> FIRST;
			t[u][3] = (outer - odd) >> FIRST;
		}
		for (x = 0; x < 4; x++) {
			int a = t[0][x], b = t[1][x], d = t[2][x], e = t[3][x];
			int outer = (a + d) * 1024 + ROUND, inner = (a - d) * 1024 + ROUND;
			int odd = b * COS4_1 + e * COS4_3, odd2 = b * COS4_3 - e * COS4_1;

			out[4 * i + x] = byte((outer + odd) >> SECOND);
			out[stride + 4 * i + x] = byte((inner + odd2) >> SECOND);
			out[2 * stride + 4 * i + x] = byte((inner - odd2) >> SECOND);
			out[3 * stride + 4 * i + x] = byte((outer - odd) >> SECOND);
		}
	}
}

void
idct_row(const int16_t *coefficients, int blocks, int size, uint8_t *out,
	ptrdiff_t stride)
{
	switch (size) {
	case 1:
		idct1(coefficients, blocks, out);
		break;
	case 2:
		idct2(coefficients, blocks, out, stride);
		break;
	case 3:
		idct3(coefficients, blocks, out, stride);
		break;
	default:
		idct4(coefficients, blocks, out, stride);
	}
}
