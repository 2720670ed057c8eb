/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_PNG_INFLATE_H
#define THUMBD_PNG_INFLATE_H

#include <stddef.h>
#include <stdint.h>

/* The window of deflate: a match begins at most so many bytes back. */
#define INFLATE_WINDOW 32768

/* There must be so many bytes of memory behind the end of the input and behind the stop
 * of the output. */
#define INFLATE_BEHIND 1024

/* The number of bits that the first look-up takes, and the longest code. */
#define INFLATE_BITS 11
#define INFLATE_DISTANCE_BITS 9
#define INFLATE_LONGEST 15

/* A table: the entries of the first look-up, and then as many entries for the longer
 * codes that begin with the same bits, of at most n symbols. */
#define INFLATE_TABLE(bits, n) ((1 << (bits)) + (n) * (1 << (INFLATE_LONGEST - (bits))))

/* A deflate stream, RFC 1951, that is read and written in pieces. The zero value is
 * a stream that begins; the caller sets the places before each call. */
typedef struct {
	/* The input that is there. If it is the last, more is 0. */
	const uint8_t *in, *in_end;
	int more;
	/* The next byte goes to out. What begins at from, at least INFLATE_WINDOW bytes
	 * unless out is nearer to the stream's beginning, is still there. A call ends
	 * when out is at stop or up to INFLATE_BEHIND bytes beyond. */
	uint8_t *from, *out, *stop;
	size_t window; /* matches begin at most so many bytes back */
	int plain;     /* use no instructions but those of every processor of this kind */

	uint64_t bits; /* the bits that were read and not used, the next one lowest */
	unsigned count;
	int state;
	int last;      /* whether the block is the stream's last one */
	unsigned left; /* bytes of a block that is stored */
	int rare;      /* whether the block has few matches */
	int fixed;     /* whether the tables are those of fixed codes */
	uint32_t symbols[INFLATE_TABLE(INFLATE_BITS, 288)];
	uint32_t distances[INFLATE_TABLE(INFLATE_DISTANCE_BITS, 32)];
} Inflate;

/* INFLATE_IN: the input is used up, apart from a few bytes from in on. INFLATE_OUT: the
 * output is full. INFLATE_END: the stream has ended, in is the byte behind it.
 * INFLATE_BAD: it is not in order, or the last input is cut off. */
typedef enum { INFLATE_IN, INFLATE_OUT, INFLATE_END, INFLATE_BAD } Inflated;

Inflated inflate_more(Inflate *s);

#endif
