/* SPDX-License-Identifier: MIT */

/* The one scan of a baseline or extended sequential file, T.81 F.2. */

#include "decoder.h"

/* Skips the AC coefficients of a block from number k on, several at once by a table.
 * If a coefficient is near the block's end or its code is long, it is skipped by
 * itself. */
static inline __attribute__((always_inline)) int
skip_ac(Bits *s, const Huffman *h, int k)
{
	for (;;) {
		unsigned e = SKIP_NONE;
		int next = 64;
		int symbol, i;

		bits_fill(s);
#pragma GCC unroll 4
		for (i = 0; i < BITS_FILLED / SKIP_BITS; i++) {
			e = h->skip[bits_peek(s, SKIP_BITS)];
			next = k + (int) (e >> 8);
			if (__builtin_expect(next >= 64, 0))
				break;
			bits_drop(s, e & 0x3f);
			k = next;
		}
		if (next < 64)
			continue;
		/* The last coefficient, or an end of block that is this one's. */
		if ((next == 64 && (e & 0x3f)) ||
			(next >= END_OF_BLOCK && next < END_OF_BLOCK + 64)) {
			bits_drop(s, e & 0x3f);
			return 0;
		}
		bits_fill(s);
		symbol = huffman_symbol(h, s);
		if (symbol <= 0)
			return symbol;
		if ((symbol & 0xf) == 0 && symbol != 0xf0)
			return -1;
		bits_drop(s, symbol & 0xf);
		k += (symbol >> 4) + 1;
		if (k >= 64)
			return k == 64 ? 0 : -1;
	}
}

/* One AC coefficient with the zeros before k, T.81 F.2.2.2. It is one more than
 * the number of the coefficient, 0 for the end of block, or -1. */
static inline __attribute__((always_inline)) int
next_ac(Bits *s, const Huffman *h, int k, int *value)
{
	uint32_t e = h->value[bits_peek(s, VALUE_BITS)];
	int symbol;

	if (__builtin_expect(e != 0, 1)) {
		bits_drop(s, e & 0x3f);
		if ((e >> 8 & 0xff) == END_OF_BLOCK)
			return 0;
		*value = (int32_t) e >> 16;
		k += (int) (e >> 8 & 0xff);
		return k <= 64 ? k : -1;
	}
	bits_fill(s);
	symbol = huffman_symbol(h, s);
	if (symbol <= 0)
		return symbol;
	if ((symbol & 0xf) == 0 && symbol != 0xf0)
		return -1;
	*value = bits_value(s, symbol & 0xf);
	bits_fill(s);
	k += (symbol >> 4) + 1;
	return k <= 64 ? k : -1;
}

/* One block. Its coefficients are c->columns apart in out. size is c->size, as a
 * constant. */
static inline __attribute__((always_inline)) int
block(Bits *s, Component *c, const Huffman *dc, const Huffman *ac, int16_t *out, int size)
{
	const int last = size == 1 ? 0 : size == 2 ? 4 : size == 3 ? 12 : 24;
	const ptrdiff_t columns = c->columns;
	int difference, i;
	int k = 1;

	if (huffman_difference(dc, s, &difference))
		return -1;
	c->prediction = (int16_t) (c->prediction + difference);
	out[0] = c->prediction;
	while (k <= last) {
		bits_fill(s);
#pragma GCC unroll 4
		for (i = 0; i < BITS_FILLED / VALUE_BITS - 1 && k <= last; i++) {
			int value = 0;

			k = next_ac(s, ac, k, &value);
			if (k <= 0)
				return k;
			out[c->slot[k - 1] * columns] = (int16_t) value;
		}
	}
	return k == 64 ? 0 : skip_ac(s, ac, k);
}

static inline __attribute__((always_inline)) int
blocks_of(Bits *s, Component *c, const Huffman *dc, const Huffman *ac, int mcu, int size)
{
	size_t row = (size_t) (size * size + 1) * (size_t) c->columns;
	int h, v;

	for (v = 0; v < c->v; v++)
		for (h = 0; h < c->h; h++)
			if (block(s, c, dc, ac, c->coefficients + (size_t) v * row + mcu * c->h + h, size))
				return -1;
	return 0;
}

static inline __attribute__((always_inline)) int
mcu(Decoder *d, Bits *s, int n)
{
	int i;

	for (i = 0; i < d->count; i++) {
		Component *c = &d->component[i];
		const Huffman *dc = d->dc[c->dc];
		const Huffman *ac = d->ac[c->ac];
		int wrong;

		switch (c->size) {
		case 1:
			wrong = blocks_of(s, c, dc, ac, n, 1);
			break;
		case 2:
			wrong = blocks_of(s, c, dc, ac, n, 2);
			break;
		case 3:
			wrong = blocks_of(s, c, dc, ac, n, 3);
			break;
		default:
			wrong = blocks_of(s, c, dc, ac, n, 4);
		}
		if (wrong)
			return -1;
	}
	return 0;
}

int
decode_sequential(Decoder *d, const Scan *scan)
{
	Bits s = bits_start(&d->input);
	int left = d->interval;
	int next = 0;
	int x, y, i;

	if (scan->count != d->count)
		return refuse(d, "components in scans of their own");
	for (i = 0; i < d->count; i++) {
		Component *c = &d->component[i];

		if (!d->dc[c->dc] || !d->ac[c->ac])
			return refuse(d, "no Huffman table");
		huffman_need_dc(d->dc[c->dc]);
		huffman_need_skip(d->ac[c->ac]);
		if (c->size > 1)
			huffman_need_value(d->ac[c->ac]);
	}
	for (y = 0; y < d->mcus_down; y++) {
		for (i = 0; i < d->count; i++) {
			Component *c = &d->component[i];

			if (c->size > 1)
				memset(c->coefficients, 0, sizeof(int16_t) *
					(size_t) (c->v * (c->size * c->size + 1)) * (size_t) c->columns);
		}
		for (x = 0; x < d->mcus_across; x++) {
			if (d->interval && left-- == 0) {
				if (restart(&s, &next))
					return refuse(d, "restart markers are not in order");
				left = d->interval - 1;
				for (i = 0; i < d->count; i++)
					d->component[i].prediction = 0;
			}
			if (mcu(d, &s, x))
				return refuse(d, "a code that is none");
		}
		blocks_samples(d, y, 0);
	}
	return bits_end(s) ? refuse(d, "the scan does not end with its last MCU") : 0;
}
