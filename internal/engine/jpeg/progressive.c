/* SPDX-License-Identifier: MIT */

/* The scans of a progressive file, T.81 G.2. */

#include "decoder.h"

/* Runs over the MCUs of a scan and their restart intervals. */
typedef struct {
	int interval, left, next;
} Restarts;

/* Begins an MCU. Returns 1 if a restart comes before it, 0 if none does, or -1. */
static inline int
begin(Restarts *r, Bits *s)
{
	if (!r->interval || r->left-- > 0)
		return 0;
	r->left = r->interval - 1;
	return restart(s, &r->next) ? -1 : 1;
}

static int
ended(Decoder *d, Bits s)
{
	return bits_end(s) ? refuse(d, "the scan does not end with its last MCU") : 0;
}

static const char disorder[] = "restart markers are not in order";
static const char nonsense[] = "a code that is none";

/* The DC coefficients of one component in an MCU, for its h x v blocks. */
static int
dc_blocks(const Decoder *d, Bits *s, Component *c, const Scan *scan, int x, int y)
{
	size_t row = (size_t) (c->size * c->size + 1) * (size_t) c->columns;
	int h = scan->count > 1 ? c->h : 1;
	int v = scan->count > 1 ? c->v : 1;
	int i, j, difference;

	for (j = 0; j < v; j++)
		for (i = 0; i < h; i++) {
			int16_t *out = c->coefficients + (size_t) (y * v + j) * row + x * h + i;

			if (scan->high) {
				bits_fill(s);
				*out = (int16_t) (*out | (int) bits_take(s, 1) << scan->low);
				continue;
			}
			if (huffman_difference(d->dc[c->dc], s, &difference))
				return -1;
			c->prediction = (int16_t) (c->prediction + difference);
			*out = (int16_t) (c->prediction * (1 << scan->low));
		}
	return 0;
}

int
decode_dc(Decoder *d, const Scan *scan)
{
	Bits s = bits_start(&d->input);
	Restarts r = { d->interval, d->interval, 0 };
	int across = scan->count > 1 ? d->mcus_across : scan->component[0]->across;
	int down = scan->count > 1 ? d->mcus_down : scan->component[0]->down;
	int x, y, i, again;

	for (i = 0; i < scan->count; i++) {
		Component *c = scan->component[i];

		c->prediction = 0;
		if (!scan->high && !d->dc[c->dc])
			return refuse(d, "no Huffman table");
		if (!scan->high)
			huffman_need_dc(d->dc[c->dc]);
	}
	for (y = 0; y < down; y++)
		for (x = 0; x < across; x++) {
			if ((again = begin(&r, &s)) < 0)
				return refuse(d, disorder);
			for (i = 0; i < scan->count; i++) {
				if (again)
					scan->component[i]->prediction = 0;
				if (dc_blocks(d, &s, scan->component[i], scan, x, y))
					return refuse(d, nonsense);
			}
		}
	return ended(d, s);
}

/* The length of a run of blocks without coefficients, T.81 G.1.2.2: EOBn with n bits
 * more. The present block is the first of the run. */
static inline unsigned
end_of_band(Bits *s, int n)
{
	return n ? (1u << n) + bits_take(s, n) : 1;
}

/* The coefficients of one block, from the scan's first to its last. If an end of band is
 * read, returns the length of its run of blocks, otherwise 0; or -1 for an error. */
static inline __attribute__((always_inline)) int
ac_block(Bits *s, const Huffman *h, const Component *c, const Scan *scan, int16_t *out,
	uint64_t *history)
{
	const ptrdiff_t columns = c->columns;
	int k = scan->start;

	while (k <= scan->end) {
		uint32_t e;
		int value, size, run;

		bits_fill(s);
		e = h->value[bits_peek(s, VALUE_BITS)];
		if (__builtin_expect(e && (e >> 8 & 0xff) != END_OF_BLOCK, 1)) {
			bits_drop(s, e & 0x3f);
			k += (int) (e >> 8 & 0xff);
			value = (int32_t) e >> 16;
		}
		else {
			int symbol = huffman_symbol(h, s);

			if (symbol < 0)
				return -1;
			size = symbol & 0xf;
			run = symbol >> 4;
			if (size == 0 && run < 15)
				return (int) end_of_band(s, run);
			k += run + 1;
			value = bits_value(s, size);
		}
		if (k > scan->end + 1)
			return -1;
		if (!value)
			continue;
		out[c->slot[k - 1] * columns] = (int16_t) (value * (1 << scan->low));
		if (history)
			*history |= (uint64_t) 1 << (k - 1);
	}
	return 0;
}

int
decode_ac(Decoder *d, const Scan *scan)
{
	Component *c = scan->component[0];
	size_t row = (size_t) (c->size * c->size + 1) * (size_t) c->columns;
	Huffman *h = d->ac[c->ac];
	Bits s = bits_start(&d->input);
	Restarts r = { d->interval, d->interval, 0 };
	int run = 0; /* of blocks without coefficients */
	int x, y, again;

	if (!h)
		return refuse(d, "no Huffman table");
	huffman_need_value(h);
	for (y = 0; y < c->down; y++)
		for (x = 0; x < c->across; x++) {
			if ((again = begin(&r, &s)) < 0)
				return refuse(d, disorder);
			if (again)
				run = 0;
			if (run == 0) {
				Bits t = s; /* in registers */

				run = ac_block(&t, h, c, scan, c->coefficients + (size_t) y * row + x,
					c->history ? c->history + (size_t) y * (size_t) c->columns + x : NULL);
				s = t;
			}
			if (run < 0)
				return refuse(d, nonsense);
			run -= run > 0;
		}
	return ended(d, s);
}

/* Reads a bit for each coefficient in the set which. None of them is 0. If the bit
 * is 1, the coefficient grows by 1 << low, away from 0. */
static inline __attribute__((always_inline)) void
correct(Bits *s, const Component *c, int16_t *out, uint64_t which, int low)
{
	while (which) {
		int i;

		bits_fill(s);
		for (i = 0; i < BITS_FILLED && which; i++) {
			int16_t *p = out + c->slot[__builtin_ctzll(which)] * (ptrdiff_t) c->columns;

			which &= which - 1;
			if (bits_take(s, 1))
				*p = (int16_t) (*p + (*p < 0 ? -(1 << low) : 1 << low));
		}
	}
}

/* Refines the coefficients of one block, T.81 G.1.2.3. band is the set of the scan's
 * coefficients. Returns as ac_block does. */
static inline __attribute__((always_inline)) int
refine_block(Bits *s, const Huffman *h, const Component *c, int low, int16_t *out,
	uint64_t band, uint64_t *history)
{
	const uint64_t old = *history & band;
	uint64_t rest = band;

	while (rest) {
		uint64_t zeros = rest & ~old;
		uint64_t place, upto;
		int value = 0;
		int symbol, run;

		bits_fill(s);
		symbol = huffman_symbol(h, s);
		if (symbol < 0 || (symbol & 0xf) > 1)
			return -1;
		run = symbol >> 4;
		if (symbol & 0xf)
			value = bits_take(s, 1) ? 1 << low : -(1 << low);
		else if (run < 15) {
			int blocks = (int) end_of_band(s, run);

			correct(s, c, out, old & rest, low);
			return blocks;
		}
		/* Past run coefficients that are 0, to the next one. */
		while (run-- > 0)
			zeros &= zeros - 1;
		place = zeros & -zeros;
		upto = place ? place | (place - 1) : ~(uint64_t) 0;
		correct(s, c, out, old & rest & upto, low);
		rest &= ~upto;
		if (!value)
			continue;
		if (!place)
			return -1;
		*history |= place;
		out[c->slot[__builtin_ctzll(place)] * (ptrdiff_t) c->columns] = (int16_t) value;
	}
	return 0;
}

int
decode_refinement(Decoder *d, const Scan *scan)
{
	Component *c = scan->component[0];
	size_t row = (size_t) (c->size * c->size + 1) * (size_t) c->columns;
	const Huffman *h = d->ac[c->ac];
	uint64_t band = (~(uint64_t) 0 >> (63 - scan->end)) & (~(uint64_t) 0 << scan->start);
	Bits s = bits_start(&d->input);
	Restarts r = { d->interval, d->interval, 0 };
	int run = 0; /* of blocks without new coefficients */
	int x, y, again;

	if (!h)
		return refuse(d, "no Huffman table");
	for (y = 0; y < c->down; y++)
		for (x = 0; x < c->across; x++) {
			int16_t *out = c->coefficients + (size_t) y * row + x;
			uint64_t *history = c->history + (size_t) y * (size_t) c->columns + x;
			Bits t;

			if ((again = begin(&r, &s)) < 0)
				return refuse(d, disorder);
			if (again)
				run = 0;
			t = s; /* in registers */
			if (run == 0)
				run = refine_block(&t, h, c, scan->low, out, band, history);
			else
				correct(&t, c, out, *history & band, scan->low);
			s = t;
			if (run < 0)
				return refuse(d, nonsense);
			run -= run > 0;
		}
	return ended(d, s);
}
