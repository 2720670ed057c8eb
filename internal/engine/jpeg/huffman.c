/* SPDX-License-Identifier: MIT */

#include "huffman.h"

int
huffman_init(Huffman *h)
{
	int code = 0;
	int k = 0;
	int length, i, j;

	memset(h->symbol, 0, sizeof(h->symbol));
	h->has_skip = h->has_value = h->has_dc = 0;
	for (length = 1; length <= 16; length++) {
		int n = h->counts[length - 1];

		/* T.81 C.2 forbids a code of ones alone: it would be like padding. */
		if (n && code + n >= 1 << length)
			return -1;
		h->offset[length] = k - code;
		for (i = 0; i < n && length <= SYMBOL_BITS; i++) {
			int rest = SYMBOL_BITS - length;

			for (j = 0; j < 1 << rest; j++)
				h->symbol[((code + i) << rest) + j] =
					(uint16_t) (length << 8 | h->symbols[k + i]);
		}
		code += n;
		k += n;
		h->last[length] = n ? code - 1 : -1;
		code <<= 1;
	}
	return 0;
}

/* The n bits of v, followed by zeros, to be read like a file's. */
static Bits
bits_of(unsigned v, int n)
{
	return (Bits){ .bits = (uint64_t) v << (64 - n), .have = n };
}

/* As many coefficients as n bits hold, as an entry of skip. */
static uint16_t
skipped(const Huffman *h, Bits s)
{
	int coefficients = 0;
	int used = 0;

	for (;;) {
		int symbol = huffman_symbol(h, &s);
		int size = symbol & 0xf;
		int run = symbol >> 4;

		if (symbol < 0 || s.have < size || (size == 0 && run != 0 && run != 15))
			break;
		if (symbol == 0) {
			used = SKIP_BITS - s.have;
			coefficients += END_OF_BLOCK;
			break;
		}
		if (coefficients + run + 1 > 64)
			break;
		bits_drop(&s, (unsigned) size);
		used = SKIP_BITS - s.have;
		coefficients += run + 1;
	}
	return (uint16_t) (used ? coefficients << 8 | used : SKIP_NONE);
}

void
huffman_need_skip(Huffman *h)
{
	unsigned v;

	if (h->has_skip)
		return;
	for (v = 0; v < 1 << SKIP_BITS; v++)
		h->skip[v] = skipped(h, bits_of(v, SKIP_BITS));
	h->has_skip = 1;
}

void
huffman_need_value(Huffman *h)
{
	unsigned v;

	if (h->has_value)
		return;
	for (v = 0; v < 1 << VALUE_BITS; v++) {
		Bits s = bits_of(v, VALUE_BITS);
		int symbol = huffman_symbol(h, &s);
		int size = symbol & 0xf;
		int run = symbol >> 4;
		int value;

		h->value[v] = 0;
		if (symbol < 0 || s.have < size || (size == 0 && run != 0 && run != 15))
			continue;
		value = bits_value(&s, size);
		h->value[v] = (uint32_t) value << 16 |
			(uint32_t) (symbol ? run + 1 : END_OF_BLOCK) << 8 |
			(uint32_t) (VALUE_BITS - s.have);
	}
	h->has_value = 1;
}

void
huffman_need_dc(Huffman *h)
{
	unsigned v;

	if (h->has_dc)
		return;
	for (v = 0; v < 1 << DC_BITS; v++) {
		Bits s = bits_of(v, DC_BITS);
		int size = huffman_symbol(h, &s);

		h->dc[v] = 0;
		if (size < 0 || size > 15 || s.have < size)
			continue;
		h->dc[v] = (uint32_t) bits_value(&s, size) << 16 | (uint32_t) (DC_BITS - s.have);
	}
	h->has_dc = 1;
}
