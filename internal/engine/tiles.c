/* SPDX-License-Identifier: MIT */

#include "tiles.h"

#include <stdlib.h>

/* Luma as BT.601 has it, of colors that alpha shows on black. */
static int
luma(const uint8_t *pixel, int bands)
{
	int gray = bands < 3 ? pixel[0]
						 : (77 * pixel[0] + 150 * pixel[1] + 29 * pixel[2] + 128) >> 8;

	return bands % 2 ? gray : (gray * pixel[bands - 1] + 127) / 255;
}

void
tile_read(const TilePixels *p, int tile, uint8_t *to, ptrdiff_t stride)
{
	int across = (p->width + TILE - 1) / TILE;
	int left = tile % across * TILE;
	int top = tile / across * TILE;
	int x, y;

	for (y = 0; y < TILE; y++) {
		int row = top + y < p->height ? top + y : p->height - 1;
		const uint8_t *line = p->data + row * p->stride;

		for (x = 0; x < TILE; x++) {
			int column = left + x < p->width ? left + x : p->width - 1;

			to[y * stride + x] = (uint8_t) luma(line + column * p->bands, p->bands);
		}
	}
}

int
tile_activity(const uint8_t *tile, ptrdiff_t stride)
{
	int sum = 0;
	int x, y;

	for (y = 0; y + 1 < TILE; y++) {
		const uint8_t *line = tile + y * stride;

		for (x = 0; x + 1 < TILE; x++)
			sum += abs(line[x] - line[x + 1]) + abs(line[x] - line[x + stride]);
	}
	return sum;
}

/* Sums over a window, or a quarter of one. */
typedef struct {
	int32_t a, b, squares, products;
} Sums;

#define QUARTER 4
#define QUARTERS (TILE / QUARTER)
#define PIXELS (4 * QUARTER * QUARTER)

static void
add_quarter(Sums *s, const uint8_t *a, const uint8_t *b, ptrdiff_t stride)
{
	int x, y;

	for (y = 0; y < QUARTER; y++)
		for (x = 0; x < QUARTER; x++) {
			int p = a[y * stride + x], q = b[y * stride + x];

			s->a += p;
			s->b += q;
			s->squares += p * p + q * q;
			s->products += p * q;
		}
}

/* The similarity of a window. All terms are multiplied by PIXELS twice: that leaves
 * them below 2 to the 31st, and their products below 2 to the 62nd. */
static int64_t
similarity(const Sums *s)
{
	/* (0.01 * 255)^2 and (0.03 * 255)^2 */
	const int64_t c1 = 26634, c2 = 239708;
	int64_t ab = (int64_t) s->a * s->b;
	int64_t aabb = (int64_t) s->a * s->a + (int64_t) s->b * s->b;
	int64_t above = (2 * ab + c1) * (2 * ((int64_t) PIXELS * s->products - ab) + c2);
	int64_t below = (aabb + c1) * ((int64_t) PIXELS * s->squares - aabb + c2);

	return above / (below / TILE_SAME);
}

int
tile_likeness(const uint8_t *a, const uint8_t *b, ptrdiff_t stride)
{
	Sums quarters[QUARTERS][QUARTERS] = { 0 };
	int64_t sum = 0;
	int x, y, i;

	for (y = 0; y < QUARTERS; y++)
		for (x = 0; x < QUARTERS; x++) {
			ptrdiff_t at = y * QUARTER * stride + x * QUARTER;

			add_quarter(&quarters[y][x], a + at, b + at, stride);
		}
	for (y = 0; y + 1 < QUARTERS; y++)
		for (x = 0; x + 1 < QUARTERS; x++) {
			Sums window = { 0 };

			for (i = 0; i < 4; i++) {
				const Sums *q = &quarters[y + i / 2][x + i % 2];

				window.a += q->a;
				window.b += q->b;
				window.squares += q->squares;
				window.products += q->products;
			}
			sum += similarity(&window);
		}
	sum /= (QUARTERS - 1) * (QUARTERS - 1);
	return sum < TILE_SAME ? (int) sum : TILE_SAME;
}
