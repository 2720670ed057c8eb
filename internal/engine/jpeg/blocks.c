/* SPDX-License-Identifier: MIT */

#include "decoder.h"

/* T.81 figure 5. */
const uint8_t zigzag[64] = {
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63
};

/* How large the blocks of c are decoded, or -1. */
static int
block_size(const Decoder *d, const Component *c)
{
	int size = d->scale->eighths;

	if (c == &d->component[0])
		return size;
	if (2 * c->h == d->h && 2 * c->v == d->v)
		return size <= 2 ? 2 * size : d->scale->halved ? 4 : -1;
	return d->scale->halved && c->h == d->h && c->v == d->v ? (size + 1) / 2 : size;
}

/* Gives each coefficient its row. */
static void
place(Component *c)
{
	int k;

	for (k = 0; k < 64; k++) {
		int row = zigzag[k] >> 3, column = zigzag[k] & 7;

		c->slot[k] = (uint8_t) (c->size * c->size);
		if (row < c->size && column < c->size) {
			c->slot[k] = (uint8_t) (row * c->size + column);
			c->last = k;
		}
	}
}

static int
component_init(Decoder *d, Component *c, Plane *p)
{
	size_t columns = (size_t) c->columns;
	size_t rows = (size_t) (d->progressive ? c->rows : c->v);
	size_t slots_of_row;

	c->size = block_size(d, c);
	if (c->size < 0)
		return refuse(d, "more chroma is needed than there is at this scale");
	slots_of_row = (size_t) (c->size * c->size + 1);
	place(c);
	memset(c->precision, UNSEEN, sizeof(c->precision));
	c->coefficients = calloc(rows * slots_of_row * columns, sizeof(int16_t));
	c->dequantized = calloc(slots_of_row * columns, sizeof(int16_t));
	if (!c->coefficients || !c->dequantized ||
		plane_init(p, c->columns * c->size, c->rows * c->size))
		return refuse(d, "no memory");
	p->across = (double) d->width * c->h * c->size / (8.0 * d->h);
	p->down = (double) d->height * c->v * c->size / (8.0 * d->v);
	/* The rest are samples of padding. */
	p->width = (d->width * c->h * c->size + 8 * d->h - 1) / (8 * d->h);
	p->height = (d->height * c->v * c->size + 8 * d->v - 1) / (8 * d->v);
	return 0;
}

int
blocks_init(Decoder *d)
{
	int i;

	if (!(d->planes = calloc(1, sizeof(*d->planes))))
		return refuse(d, "no memory");
	d->planes->count = d->count;
	for (i = 0; i < d->count; i++)
		if (component_init(d, &d->component[i], &d->planes->plane[i]))
			return -1;
	return 0;
}

/* Multiplies n coefficients by q, T.81 A.3.4. If a coefficient is not 0, it grows by
 * more: if its lower bits were not decoded, this is the middle of its possible
 * values. */
WIDE static void
dequantize(const int16_t *restrict c, int n, int q, int more, int16_t *restrict out)
{
	int i;

	for (i = 0; i < n; i++) {
		int v = c[i] * q + (c[i] > 0 ? more : c[i] < 0 ? -more : 0);

		/* More than any picture has; see idct.c. */
		out[i] = (int16_t) (v > 16383 ? 16383 : v < -16383 ? -16383 : v);
	}
}

/* Laplace's distribution has its mean nearer to 0 than to the other end. */
static int
middle(const Component *c, int k)
{
	return c->quantum[k] * ((1 << c->decoded[k]) - 1) * 3 / 8;
}

void
blocks_samples(Decoder *d, int row, int progressive)
{
	int i, v, k;

	for (i = 0; i < d->count; i++) {
		Component *c = &d->component[i];
		Plane *p = &d->planes->plane[i];
		size_t columns = (size_t) c->columns;
		size_t length = (size_t) (c->size * c->size + 1) * columns;

		for (v = 0; v < c->v; v++) {
			int y = row * c->v + v;
			const int16_t *from = c->coefficients + (size_t) (progressive ? y : v) * length;

			for (k = 0; k <= c->last; k++) {
				size_t slot = c->slot[k];

				if (is_needed(c, k))
					dequantize(from + slot * columns, c->columns, c->quantum[k],
						progressive && k > 0 ? middle(c, k) : 0,
						c->dequantized + slot * columns);
			}
			idct_row(c->dequantized, c->columns, c->size, plane_line(p, y * c->size), p->stride);
		}
	}
}
