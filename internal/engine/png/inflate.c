/* SPDX-License-Identifier: MIT */

/* Deflate, RFC 1951. Photographs are mostly literals, so one look-up gives two of them
 * if their codes are short enough.
 *
 * No loop asks for each byte whether it is there: an iteration reads and writes at
 * most INFLATE_BEHIND bytes, and so much memory is behind the places where it stops.
 * Bits that were read there are found when the stream ends. */

#include "inflate.h"

#include <endian.h>
#include <string.h>

/* The entry of a look-up: up to two literals, and behind them a match if its length has
 * no extra bits. Bits 0-5 have the length of the codes together, 6-7 the number of
 * literals, 8-23 the literals, 24-31 the length of the match, or 0.
 *
 * Entries with OTHER, and all entries of distances: bits 0-5 the length of code and extra
 * bits together, 8-11 that of the code, 12-13 the kind, 16-30 a value. */
#define LITERAL (1u << 6)
#define OTHER (1u << 31)
enum { WRONG = 0, MATCH = 1 << 12, LONGER = 2 << 12, STOP = 3 << 12, KIND = 3 << 12 };

#define LENGTH(e) ((e) & 63)
#define MATCHED(e) ((e) >> 24)
#define VALUE(e) ((e) >> 16 & 0x7fff)

enum { HEADER, STORED, CODED, ENDED };

/* The longest code of a length. */
#define FEW_BITS 7

/* If fewer symbols of a block than one in so many are matches, it pays to guess that the
 * next one is a literal. */
#define RARE 6

/* A header of a block has at most 14 + 19 * 3 + 316 * 14 bits. */
#define HEADER_MOST 600

static uint32_t
entry(uint32_t kind, unsigned extra, uint32_t value)
{
	return OTHER | kind | extra | value << 16;
}

/* The entry of a symbol, without the length of its code. */
static uint32_t
symbol(int i)
{
	static const uint16_t base[] = { 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27,
		31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258 };
	static const uint8_t extra[] = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2,
		3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0 };

	if (i < 256)
		return LITERAL | (uint32_t) i << 8;
	if (i == 256)
		return OTHER | STOP;
	if (i < 286 && extra[i - 257] == 0 && base[i - 257] < 256)
		return (uint32_t) base[i - 257] << 24;
	return i < 286 ? entry(MATCH, extra[i - 257], base[i - 257]) : OTHER | WRONG;
}

static uint32_t
distance(int i)
{
	unsigned extra = i < 2 ? 0 : (unsigned) i / 2 - 1;

	if (i >= 30)
		return OTHER | WRONG;
	return entry(MATCH, extra, i < 2 ? (uint32_t) i + 1 : ((2u + (i & 1)) << extra) + 1);
}

static uint32_t
plain(int i)
{
	return entry(MATCH, 0, (uint32_t) i);
}

/* Adds the length of the code to the entry of a symbol. */
static uint32_t
coded(uint32_t e, unsigned length)
{
	return e & OTHER ? e + length + (length << 8) : e + length;
}

/* The next code of a length, with its bits in the order of the stream: the first bit
 * of a code is the highest one of its number, and the lowest one here. */
static unsigned
next_code(unsigned code, unsigned length)
{
	unsigned bit = 1u << (length - 1);

	while (code & bit)
		bit >>= 1;
	return bit ? (code & (bit - 1)) | bit : 0;
}

/* Puts the symbols with codes longer than bits, in their order from first on, behind the
 * entries of the first look-up: for each beginning of a code as many entries as the rest
 * of the longest code needs. */
static void
build_longer(uint32_t *table, unsigned bits, const uint16_t *order, const uint16_t *end,
	const uint8_t *lengths, uint32_t (*of)(int), unsigned code)
{
	const unsigned size = 1u << (INFLATE_LONGEST - bits);
	unsigned mask = (1u << bits) - 1, begun = mask + 1, at = mask + 1 - size, i;

	for (; order < end; order++) {
		unsigned length = lengths[*order];

		if ((code & mask) != begun) {
			begun = code & mask;
			at += size;
			table[begun] = coded(entry(LONGER, 0, at), bits);
		}
		for (i = code >> bits; i < size; i += 1u << (length - bits))
			table[at + i] = coded(of(*order), length - bits);
		code = next_code(code, length);
	}
}

/* Makes a table of n symbols from the lengths of their codes. Returns 0, or -1 if the
 * lengths are not those of a complete code. If lonely is set, a code may also be one
 * of a single bit, or none. */
static int
build(uint32_t *table, unsigned bits, const uint8_t *lengths, int n, uint32_t (*of)(int),
	int lonely)
{
	uint16_t first[INFLATE_LONGEST + 2] = { 0 }, order[288];
	unsigned used = 0, code = 0, length;
	const uint16_t *next = order;
	int i;

	for (i = 0; i < n; i++)
		first[lengths[i] + 1]++;
	for (length = 1; length <= INFLATE_LONGEST; length++) {
		used += (unsigned) first[length + 1] << (INFLATE_LONGEST - length);
		first[length + 1] += length > 1 ? first[length] : 0;
	}
	if (used != 1u << INFLATE_LONGEST) {
		int one = used == 1u << (INFLATE_LONGEST - 1) && first[2] == 1;

		if (!lonely || (used && !one))
			return -1;
		memset(table, 0, sizeof(*table) << bits); /* WRONG */
	}
	first[1] = 0;
	for (i = 0; i < n; i++)
		if (lengths[i])
			order[first[lengths[i]]++] = (uint16_t) i;
	/* Now first[length] is the end of the symbols of this length. */
	for (length = 1; length <= bits; length++) {
		unsigned half = 1u << (length - 1);

		memcpy(table + half, table, half * sizeof(*table));
		for (; next < order + first[length]; next++) {
			table[code] = coded(of(*next), length);
			code = next_code(code, length);
		}
	}
	build_longer(table, bits, next, order + first[INFLATE_LONGEST], lengths, of, code);
	return 0;
}

/* Makes one entry of a literal and the symbol behind it if both codes fit into the first
 * look-up. From the end on: the entry of the second symbol is one that is not changed
 * yet. */
static void
pair(uint32_t *table)
{
	unsigned i;

	for (i = 1u << INFLATE_BITS; i-- > 0;) {
		uint32_t e = table[i];
		uint32_t second = table[i >> LENGTH(e)];
		uint32_t both = e + (second & 0xff0000ff) + ((second & 0xff00) << 8);
		int fits = e < 1u << 24 && second < OTHER && LENGTH(e) + LENGTH(second) <= INFLATE_BITS;

		table[i] = fits ? both : e;
	}
}

/* The bits of s while a loop takes them. After refill there are at least 56. */
#define REFILL() do { \
		uint64_t word_; \
		memcpy(&word_, in, sizeof(word_)); \
		bits |= le64toh(word_) << count; \
		in += (63 - count) >> 3; \
		count |= 56; \
	} while (0)

#define DROP(n) do { \
		unsigned n_ = (n); \
		bits >>= n_; \
		count -= n_; \
	} while (0)

/* Returns the next n bits, up to 32, and leaves them in s. s has at least 56 bits
 * afterwards. */
static unsigned
peek(Inflate *s, unsigned n)
{
	const uint8_t *in = s->in;
	uint64_t bits = s->bits;
	unsigned count = s->count;

	REFILL();
	s->in = in;
	s->bits = bits;
	s->count = count;
	return (unsigned) (bits & ((UINT64_C(1) << n) - 1));
}

static unsigned
take_bits(Inflate *s, unsigned n)
{
	unsigned value = peek(s, n);

	s->bits >>= n;
	s->count -= n;
	return value;
}

/* Gives the whole bytes among the bits that were read back. */
static void
give_back(Inflate *s)
{
	s->in -= s->count / 8;
	s->count &= 7;
	s->bits &= (1u << s->count) - 1;
}

/* The share of symbols that have n of the codes, if each code is as long as it should be. */
static double
share(const uint8_t *lengths, int n)
{
	unsigned sum = 0;
	int i;

	for (i = 0; i < n; i++)
		if (lengths[i])
			sum += 1u << (INFLATE_LONGEST - lengths[i]);
	return (double) sum / (1u << INFLATE_LONGEST);
}

static int
build_both(Inflate *s, const uint8_t *lengths, int symbols, int distances)
{
	if (build(s->symbols, INFLATE_BITS, lengths, symbols, symbol, 0) ||
		build(s->distances, INFLATE_DISTANCE_BITS, lengths + symbols, distances, distance, 1))
		return -1;
	pair(s->symbols);
	s->rare = share(lengths + 257, symbols - 257) < 1.0 / RARE;
	return 0;
}

static int
fixed_codes(Inflate *s)
{
	uint8_t lengths[288 + 32];

	if (s->fixed)
		return 0;
	memset(lengths, 8, 144);
	memset(lengths + 144, 9, 112);
	memset(lengths + 256, 7, 24);
	memset(lengths + 280, 8, 8);
	memset(lengths + 288, 5, 32);
	s->fixed = 1;
	return build_both(s, lengths, 288, 32);
}

/* Reads the lengths of all codes by the table of their own code. */
static int
read_lengths(Inflate *s, const uint32_t *table, uint8_t *lengths, int n)
{
	int i = 0;

	while (i < n) {
		uint32_t e = table[peek(s, FEW_BITS)];
		unsigned value = VALUE(e), repeat;
		uint8_t length = 0;

		s->bits >>= LENGTH(e);
		s->count -= LENGTH(e);
		if (value < 16) {
			lengths[i++] = (uint8_t) value;
			continue;
		}
		if (value == 16 && i == 0)
			return -1;
		if (value == 16)
			length = lengths[i - 1];
		repeat = value == 16 ? 3 + take_bits(s, 2) : value == 17 ? 3 + take_bits(s, 3) : 11 + take_bits(s, 7);
		if (repeat > (unsigned) (n - i))
			return -1;
		memset(lengths + i, length, repeat);
		i += (int) repeat;
	}
	return 0;
}

static int
own_codes(Inflate *s)
{
	static const uint8_t places[19] = { 16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15 };
	uint8_t few[19] = { 0 }, lengths[288 + 32];
	uint32_t table[1 << FEW_BITS];
	int symbols = 257 + (int) take_bits(s, 5);
	int distances = 1 + (int) take_bits(s, 5);
	int n = 4 + (int) take_bits(s, 4);
	int i;

	s->fixed = 0;
	for (i = 0; i < n; i++)
		few[places[i]] = (uint8_t) take_bits(s, 3);
	if (symbols > 286 || distances > 30 || build(table, FEW_BITS, few, 19, plain, 0) ||
		read_lengths(s, table, lengths, symbols + distances))
		return -1;
	return build_both(s, lengths, symbols, distances);
}

static int
stored(Inflate *s)
{
	unsigned length;

	give_back(s);
	s->bits = s->count = 0;
	length = s->in[0] | (unsigned) s->in[1] << 8;
	if ((length ^ 0xffff) != (s->in[2] | (unsigned) s->in[3] << 8))
		return -1;
	s->in += 4;
	s->left = length;
	if (length == 0)
		s->state = s->last ? ENDED : HEADER;
	return 0;
}

/* Reads the header of a block. Returns 0, or -1 if the header is not in order. */
static int
header(Inflate *s)
{
	s->last = (int) take_bits(s, 1);
	s->state = CODED;
	switch (take_bits(s, 2)) {
	case 0:
		s->state = STORED;
		return stored(s);
	case 1:
		return fixed_codes(s);
	case 2:
		return own_codes(s);
	}
	return -1;
}

/* Copies length bytes from back bytes before out, and up to 45 bytes more. */
static inline void
copy(uint8_t *out, unsigned back, unsigned length)
{
	const uint8_t *from = out - back;
	const uint8_t *end = out + length;

	/* What is copied twice is found at twice the distance, too. */
	for (; back < 16; back *= 2) {
		memmove(out, from, 16);
		out += back;
	}
	while (out < end) {
		memcpy(out, from, 16);
		out += 16;
		from += 16;
	}
}

#define NEXT() s->symbols[bits & ((1u << INFLATE_BITS) - 1)]

/* Writes the literals of e. */
#define PUT() do { \
		uint16_t two_ = htole16((uint16_t) (e >> 8)); \
		memcpy(out, &two_, sizeof(two_)); \
		out += e >> 6 & 3; \
	} while (0)

/* The value of an entry with its extra bits. */
#define WITH_EXTRA(e) (VALUE(e) + (unsigned) ((bits & ((UINT64_C(1) << LENGTH(e)) - 1)) >> ((e) >> 8 & 15)))

/* Decodes at least one symbol of a block. It stops behind the block's last symbol, if
 * little input is left, or if the output is full. Returns 0, or -1 if a symbol is not in
 * order. */
static inline __attribute__((always_inline)) int
symbols_by(Inflate *s)
{
	const uint8_t *in = s->in, *const in_stop = s->more ? s->in_end - 16 : s->in_end + 1;
	uint8_t *out = s->out, *const stop = s->stop, *const from = s->from;
	const size_t window = s->window;
	const int rare = s->rare;
	uint64_t bits = s->bits;
	unsigned count = s->count;
	uint32_t e;

	REFILL();
	e = NEXT();
	do {
		unsigned length, back;
		uint32_t d, some;

		REFILL();
		if (rare) {
			for (int i = 0; i < 3 && e < 1u << 24; i++) {
				PUT();
				DROP(LENGTH(e));
				e = NEXT();
			}
			REFILL();
		}
		if (e & OTHER) {
			if ((e & KIND) == LONGER) {
				DROP(INFLATE_BITS);
				e = s->symbols[VALUE(e) + (bits & ((1u << (INFLATE_LONGEST - INFLATE_BITS)) - 1))];
			}
			if (e & OTHER) {
				if ((e & KIND) != MATCH) {
					DROP(LENGTH(e));
					s->state = s->last ? ENDED : HEADER;
					if ((e & KIND) != STOP)
						return -1;
					break;
				}
				length = WITH_EXTRA(e);
			}
			else {
				PUT();
				length = MATCHED(e);
			}
		}
		else {
			PUT();
			length = MATCHED(e);
		}
		DROP(LENGTH(e));
		some = 0u - (length > 0);
		/* A branch would be guessed wrong for every third symbol. */
		__asm__("" : "+r"(some));
		d = s->distances[bits & ((1u << INFLATE_DISTANCE_BITS) - 1)] & some;
		if ((d & KIND) == LONGER) {
			DROP(INFLATE_DISTANCE_BITS);
			d = s->distances[VALUE(d) + (bits & ((1u << (INFLATE_LONGEST - INFLATE_DISTANCE_BITS)) - 1))];
		}
		back = WITH_EXTRA(d);
		DROP(LENGTH(d));
		e = NEXT();
		if (back > (size_t) (out - from) || back > window || (d & KIND) != (some & MATCH))
			return -1;
		if (length > 16 || back - 1 < 15)
			copy(out, back, length);
		else
			memmove(out, out - back, 16);
		out += length;
	} while (in < in_stop && out < stop);
	s->in = in;
	s->out = out;
	s->bits = bits;
	s->count = count;
	return 0;
}

static int
symbols_plain(Inflate *s)
{
	return symbols_by(s);
}

/* BMI2 shifts by a number in any register, in one instruction instead of three. */
#if defined(__x86_64__) && defined(__GNUC__)

__attribute__((target("bmi,bmi2"))) static int
symbols_bmi2(Inflate *s)
{
	return symbols_by(s);
}

static int
symbols(Inflate *s)
{
	int bmi2 = __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");

	return (bmi2 && !s->plain ? symbols_bmi2 : symbols_plain)(s);
}

#else

static int
symbols(Inflate *s)
{
	return symbols_plain(s);
}

#endif

/* Copies bytes of a stored block. */
static void
copy_stored(Inflate *s)
{
	size_t n = s->left;

	if (n > (size_t) (s->in_end - s->in))
		n = (size_t) (s->in_end - s->in);
	if (n > (size_t) (s->stop - s->out))
		n = (size_t) (s->stop - s->out);
	memcpy(s->out, s->in, n);
	s->in += n;
	s->out += n;
	s->left -= (unsigned) n;
	if (s->left == 0)
		s->state = s->last ? ENDED : HEADER;
}

Inflated
inflate_more(Inflate *s)
{
	for (;;) {
		size_t have;

		/* Bits that are read and not used count as not read. */
		give_back(s);
		if (s->in > s->in_end)
			return INFLATE_BAD;
		have = (size_t) (s->in_end - s->in);
		if (s->state == ENDED)
			return INFLATE_END;
		if (s->out >= s->stop)
			return INFLATE_OUT;
		if (s->more ? have < (s->state == HEADER ? HEADER_MOST : 32) : have == 0 && s->count == 0)
			return s->more ? INFLATE_IN : INFLATE_BAD;
		if (s->state == STORED)
			copy_stored(s);
		else if ((s->state == HEADER ? header : symbols)(s))
			return INFLATE_BAD;
	}
}
