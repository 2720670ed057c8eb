/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_JPEG_BITS_H
#define THUMBD_JPEG_BITS_H

#include "input.h"

#include <string.h>

/* The entropy-coded data of a scan, T.81 F.2.2.5. The next bit is the highest
 * one of bits; have bits are valid. Behind the data's end zeros are fed, and
 * counted: a scan that has used one of them was cut off.
 *
 * A decoder has a copy of it in registers: so nothing takes its address but
 * functions that are inlined. */
typedef struct {
	uint64_t bits;
	int have;
	int fed;
	const uint8_t *at, *end; /* in input's buffer */
	Input *input;
} Bits;

/* At least so many bits are there after bits_fill. */
#define BITS_FILLED 56

static inline Bits
bits_start(Input *in)
{
	return (Bits){ .at = in->at, .end = in->end, .input = in };
}

/* bits_fill byte by byte: near an FF, and near the end of the buffer. */
Bits bits_fill_slowly(Bits s);

/* Reads the rest of a segment after its last MCU. The rest must be the padding of a byte
 * and then a marker. Returns 0 with the input at the marker, or -1. */
int bits_end(Bits s);

static inline __attribute__((always_inline)) void
bits_fill(Bits *s)
{
	uint64_t w;

	if (__builtin_expect(s->end - s->at >= 8, 1)) {
		memcpy(&w, s->at, 8);
		/* Whether no byte of w is FF: no byte of ~w is zero. */
		if (__builtin_expect(!((~w - 0x0101010101010101u) & w & 0x8080808080808080u), 1)) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
			w = __builtin_bswap64(w);
#endif
			s->bits |= w >> s->have;
			s->at += (63 - s->have) >> 3;
			s->have |= 56;
			return;
		}
	}
	*s = bits_fill_slowly(*s);
}

/* The next n bits, 1 to 16. They are not consumed. */
static inline unsigned
bits_peek(const Bits *s, int n)
{
	return (unsigned) (s->bits >> (64 - n));
}

/* Passes over n bits, at most 63. */
static inline void
bits_drop(Bits *s, unsigned n)
{
	s->bits <<= n;
	s->have -= (int) n;
}

/* Takes n bits, 1 to 16. */
static inline unsigned
bits_take(Bits *s, int n)
{
	unsigned v = bits_peek(s, n);

	bits_drop(s, (unsigned) n);
	return v;
}

/* Takes n bits, 1 to 32. */
static inline uint64_t
bits_long(Bits *s, int n)
{
	uint64_t v = s->bits >> (64 - n);

	bits_drop(s, (unsigned) n);
	return v;
}

/* Takes a value of n bits, 0 to 15, as T.81 F.1.2.1 codes differences: of 3
 * bits, 100 to 111 are 4 to 7, 000 to 011 are -7 to -4. */
static inline int
bits_value(Bits *s, int n)
{
	int v;

	if (n == 0)
		return 0;
	v = (int) bits_take(s, n);
	return v < 1 << (n - 1) ? v - (1 << n) + 1 : v;
}

#endif
