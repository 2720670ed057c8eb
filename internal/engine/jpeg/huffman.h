/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_JPEG_HUFFMAN_H
#define THUMBD_JPEG_HUFFMAN_H

#include "bits.h"

/* Codes up to so many bits are looked up. */
#define SYMBOL_BITS 9
#define SKIP_BITS 13
#define VALUE_BITS 11
#define DC_BITS 11

/* The end of block, in place of the number of a coefficient. */
#define END_OF_BLOCK 128

/* An entry of skip for bits that do not hold a coefficient: it leads beyond the
 * block from everywhere. */
#define SKIP_NONE (64 << 8)

/* A table of T.81 C, with tables for looking up several bits at once. If an entry is 0,
 * the symbol itself must be read. */
typedef struct {
	uint8_t counts[16];   /* of codes of each length */
	uint8_t symbols[256]; /* in the codes' order */
	/* By the next SYMBOL_BITS bits: length << 8 | symbol. */
	uint16_t symbol[1 << SYMBOL_BITS];
	int last[17];   /* by length, the greatest code, or -1 */
	int offset[17]; /* by length, of a code's symbol from the code */
	/* By the next SKIP_BITS bits: as many AC coefficients as they hold, coefficients
	 * << 8 | bits, and END_OF_BLOCK among the coefficients if that follows them. */
	uint16_t skip[1 << SKIP_BITS];
	/* By the next VALUE_BITS bits: one AC coefficient with the zeros before it,
	 * value << 16 | coefficients << 8 | bits. */
	uint32_t value[1 << VALUE_BITS];
	/* By the next DC_BITS bits: a DC difference, value << 16 | bits. */
	uint32_t dc[1 << DC_BITS];
	int has_skip, has_value, has_dc;
} Huffman;

/* Makes h of its counts and symbols. Returns 0, or -1 if these are no code. */
int huffman_init(Huffman *h);

/* Each makes one of the look-ups of h, if it is not there. */
void huffman_need_skip(Huffman *h);
void huffman_need_value(Huffman *h);
void huffman_need_dc(Huffman *h);

/* Reads a code. Its bits are in s already. Returns the symbol, or -1. */
static inline int
huffman_symbol(const Huffman *h, Bits *s)
{
	unsigned e = h->symbol[bits_peek(s, SYMBOL_BITS)];
	int length;

	if (__builtin_expect(e != 0, 1)) {
		bits_drop(s, e >> 8);
		return e & 0xff;
	}
	for (length = SYMBOL_BITS + 1; length <= 16; length++) {
		int code = (int) bits_peek(s, length);

		if (code <= h->last[length]) {
			bits_drop(s, (unsigned) length);
			return h->symbols[(code + h->offset[length]) & 0xff];
		}
	}
	return -1;
}

/* Reads a DC difference, T.81 F.2.2.1. Returns 0, or -1. */
static inline int
huffman_difference(const Huffman *h, Bits *s, int *difference)
{
	uint32_t e;
	int size;

	bits_fill(s);
	e = h->dc[bits_peek(s, DC_BITS)];
	if (__builtin_expect(e != 0, 1)) {
		bits_drop(s, e & 0x3f);
		*difference = (int32_t) e >> 16;
		return 0;
	}
	size = huffman_symbol(h, s);
	if (size < 0 || size > 15)
		return -1;
	*difference = bits_value(s, size);
	return 0;
}

#endif
