/* SPDX-License-Identifier: MIT */

/* The scans of a progressive file, T.81 G.2. */

#include "decoder.h"
#include "sets.h"

/* Runs over the MCUs of a scan and their restart intervals. */
typedef struct {
	int interval, left, next;
} Restarts;

/* Begins an MCU. Returns 1 if a restart comes before it, 0 if none does, or -1. */
static inline __attribute__((always_inline)) int
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

/* The DC coefficients of one component in an MCU, for its h x v blocks. first is whether
 * the scan is the first one of them, as a constant. */
static inline __attribute__((always_inline)) int
dc_blocks(const Decoder *d, Bits *s, Component *c, const Scan *scan, int x, int y, int first)
{
	const size_t row = (size_t) (c->size * c->size + 1) * (size_t) c->columns;
	const int h = scan->count > 1 ? c->h : 1;
	const int v = scan->count > 1 ? c->v : 1;
	const Huffman *table = first ? d->dc[c->dc] : NULL;
	int16_t *out = c->coefficients + (size_t) (y * v) * row + x * h;
	int prediction = c->prediction;
	int i, j, difference;

	/* A bit for each of at most 4 blocks. */
	if (!first)
		bits_fill(s);
	for (j = 0; j < v; j++, out += row)
		for (i = 0; i < h; i++) {
			if (!first) {
				out[i] = (int16_t) (out[i] | (int) bits_take(s, 1) << scan->low);
				continue;
			}
			if (huffman_difference(table, s, &difference))
				return -1;
			prediction = (int16_t) (prediction + difference);
			out[i] = (int16_t) (prediction * (1 << scan->low));
		}
	c->prediction = (int16_t) prediction;
	return 0;
}

static inline __attribute__((always_inline)) int
dc_scan(Decoder *d, const Scan *scan, int first)
{
	Bits s = bits_start(&d->input);
	Restarts r = { d->interval, d->interval, 0 };
	int across = scan->count > 1 ? d->mcus_across : scan->component[0]->across;
	int down = scan->count > 1 ? d->mcus_down : scan->component[0]->down;
	int x, y, i, again;

	for (y = 0; y < down; y++)
		for (x = 0; x < across; x++) {
			if ((again = begin(&r, &s)) < 0)
				return refuse(d, disorder);
			for (i = 0; i < scan->count; i++) {
				if (again)
					scan->component[i]->prediction = 0;
				if (dc_blocks(d, &s, scan->component[i], scan, x, y, first))
					return refuse(d, nonsense);
			}
		}
	return ended(d, s);
}

int
decode_dc(Decoder *d, const Scan *scan)
{
	int i;

	if (scan->high)
		return dc_scan(d, scan, 0);
	for (i = 0; i < scan->count; i++) {
		Component *c = scan->component[i];

		c->prediction = 0;
		if (!d->dc[c->dc])
			return refuse(d, "no Huffman table");
		huffman_need_dc(d->dc[c->dc]);
	}
	return dc_scan(d, scan, 1);
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
			*history |= IN_SET(k - 1);
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
			if (run == 0)
				run = ac_block(&s, h, c, scan, c->coefficients + (size_t) y * row + x,
					c->history ? c->history + (size_t) y * (size_t) c->columns + x : NULL);
			if (run < 0)
				return refuse(d, nonsense);
			run -= run > 0;
		}
	return ended(d, s);
}

/* Reads a bit for each coefficient in set. Returns the set of the ones whose bit is 1. */
static inline __attribute__((always_inline)) uint64_t
corrected(Bits *s, uint64_t set, int bmi2)
{
	int n = set_count(set, bmi2);
	uint64_t bits = 0;

	if (n == 0)
		return 0;
	bits_fill(s);
	if (n > 32) {
		bits = bits_long(s, 32);
		n -= 32;
		bits_fill(s);
	}
	return set_chosen(set, bits << n | bits_long(s, n), bmi2);
}

/* How a refinement scan changes a block, as sets of coefficients. In grown are those that
 * were not 0, and whose absolute value grows by 1 << Al. In added are those that were 0,
 * and in negative the members of added that are below 0 now. */
typedef struct {
	uint64_t grown, added, negative;
} Changes;

/* Reads the changes to one block, T.81 G.1.2.3. band is the set of the scan's
 * coefficients, old the set of those that are not 0. Returns as ac_block does. */
static inline __attribute__((always_inline)) int
refine_block(Bits *s, const Huffman *h, uint64_t band, uint64_t old, Changes *changes,
	int bmi2)
{
	uint64_t rest = band;

	while (rest) {
		uint64_t place, upto, negative = 0;
		int symbol, run;

		bits_fill(s);
		symbol = huffman_symbol(h, s);
		if (symbol < 0 || (symbol & 0xf) > 1)
			return -1;
		run = symbol >> 4;
		if (symbol & 0xf)
			negative = bits_take(s, 1) ? 0 : ~(uint64_t) 0;
		else if (run < 15) {
			int blocks = (int) end_of_band(s, run);

			changes->grown |= corrected(s, old & rest, bmi2);
			return blocks;
		}
		/* Past run coefficients that are 0, to the next one. */
		place = set_nth(rest & ~old, run, bmi2);
		upto = place ? -place : ~(uint64_t) 0;
		changes->grown |= corrected(s, old & rest & upto, bmi2);
		rest &= ~upto;
		if (!(symbol & 0xf))
			continue;
		if (!place)
			return -1;
		changes->added |= place;
		changes->negative |= place & negative;
	}
	return 0;
}

/* Makes the changes to the coefficients in needed, by 1 << low. */
static inline __attribute__((always_inline)) void
change(const Component *c, int16_t *out, const Changes *changes, uint64_t needed, int low)
{
	uint64_t left = (changes->grown | changes->added) & needed;

	while (left) {
		int k = set_first(left);
		int16_t *p = out + c->slot[k] * (ptrdiff_t) c->columns;
		int below = *p < 0 || (changes->negative & IN_SET(k));

		*p = (int16_t) (*p + (below ? -(1 << low) : 1 << low));
		left &= ~IN_SET(k);
	}
}

static inline __attribute__((always_inline)) int
refine(Decoder *d, const Scan *scan, int bmi2)
{
	Component *c = scan->component[0];
	size_t row = (size_t) (c->size * c->size + 1) * (size_t) c->columns;
	const Huffman *h = d->ac[c->ac];
	const uint64_t band = set_of(scan->start, scan->end);
	uint64_t needed = 0;
	Bits s = bits_start(&d->input);
	Restarts r = { d->interval, d->interval, 0 };
	int run = 0; /* of blocks without new coefficients */
	int x, y, k, again;

	if (!h)
		return refuse(d, "no Huffman table");
	for (k = 1; k <= c->last; k++)
		needed |= is_needed(c, k) ? IN_SET(k) : 0;
	for (y = 0; y < c->down; y++)
		for (x = 0; x < c->across; x++) {
			uint64_t *history = c->history + (size_t) y * (size_t) c->columns + x;
			Changes changes = { 0, 0, 0 };

			if ((again = begin(&r, &s)) < 0)
				return refuse(d, disorder);
			if (again)
				run = 0;
			if (run == 0)
				run = refine_block(&s, h, band, *history & band, &changes, bmi2);
			else
				changes.grown = corrected(&s, *history & band, bmi2);
			if (run < 0)
				return refuse(d, nonsense);
			run -= run > 0;
			*history |= changes.added;
			change(c, c->coefficients + (size_t) y * row + x, &changes, needed, scan->low);
		}
	return ended(d, s);
}

BMI2 static int
refine_bmi2(Decoder *d, const Scan *scan)
{
	return refine(d, scan, 1);
}

int
decode_refinement(Decoder *d, const Scan *scan)
{
	if (has_bmi2() && !d->scale->plain)
		return refine_bmi2(d, scan);
	return refine(d, scan, 0);
}
