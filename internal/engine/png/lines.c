/* SPDX-License-Identifier: MIT */

#include "lines.h"

#include "unfilter.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

/* The input is read, and lines are inflated, in pieces of about so many bytes: they
 * stay in the second cache of a processor. */
#define INPUT (1 << 16)
#define OUTPUT (1 << 17)

/* So many bytes of zlib's header and of its checksum. */
#define ZLIB_HEAD 2
#define ZLIB_SUM 4

_Static_assert(UNFILTER_SLACK <= INFLATE_BEHIND, "lines are read beyond the memory");

/* Two lines may wait while the window is needed. */
static size_t
output(size_t line)
{
	return INFLATE_WINDOW + 2 * line + OUTPUT;
}

size_t
lines_room(size_t line)
{
	return output(line) + INPUT + 2 * INFLATE_BEHIND;
}

static int
fail(Lines *l, const char *why)
{
	l->why = why;
	return -1;
}

/* Reads more input behind the input that is left. */
static int
read_more(Lines *l)
{
	Inflate *s = &l->inflate;
	size_t left = (size_t) (s->in_end - s->in), got;
	const char *why;

	memmove(l->input, s->in, left);
	if ((why = chunks_pixels(l->chunks, l->input + left, INPUT - left, &got)))
		return fail(l, why);
	s->more = got == INPUT - left;
	s->in = l->input;
	s->in_end = l->input + left + got;
	/* Behind the last input the decoder reads zeros. */
	if (!s->more)
		memset(l->input + left + got, 0, INFLATE_BEHIND);
	return 0;
}

/* Moves the lines that wait, and the window, to the beginning of the memory. */
static void
make_room(Lines *l)
{
	Inflate *s = &l->inflate;
	uint8_t *keep = l->next;

	if (s->out - keep < INFLATE_WINDOW)
		keep = s->out - l->lines < INFLATE_WINDOW ? l->lines : s->out - INFLATE_WINDOW;
	memmove(l->lines, keep, (size_t) (s->out - keep));
	l->next -= keep - l->lines;
	s->out -= keep - l->lines;
}

/* Inflates as far as there is room. At the end of the stream, ended is set. */
static int
inflate_lines(Lines *l, int *ended)
{
	Inflate *s = &l->inflate;
	uint8_t *before;
	Inflated result;

	*ended = 0;
	if (s->out >= s->stop)
		make_room(l);
	before = s->out;
	result = inflate_more(s);
	if ((size_t) (s->out - before) > l->left)
		return fail(l, "too many pixels");
	l->left -= (size_t) (s->out - before);
	l->sum = libdeflate_adler32(l->sum, before, (size_t) (s->out - before));
	switch (result) {
	case INFLATE_IN:
		return read_more(l);
	case INFLATE_OUT:
		return 0;
	case INFLATE_END:
		*ended = 1;
		return 0;
	default:
		return fail(l, "pixels that can't be inflated");
	}
}

/* Reads zlib's header, RFC 1950: deflate with a window, without a dictionary. */
static int
zlib(Lines *l)
{
	Inflate *s = &l->inflate;
	const uint8_t *head = s->in;

	if (s->in_end - s->in < ZLIB_HEAD || (head[0] & 15) != 8 || head[0] >> 4 > 7 ||
		head[1] & 32 || (head[0] << 8 | head[1]) % 31)
		return fail(l, "pixels that can't be inflated");
	s->window = (size_t) 256 << (head[0] >> 4);
	s->in += ZLIB_HEAD;
	return 0;
}

int
lines_init(Lines *l, Chunks *c)
{
	Inflate *s = &l->inflate;

	l->chunks = c;
	l->line = chunks_line(c) + 1;
	l->left = l->line * (size_t) c->height;
	l->sum = 1;
	l->lines = malloc(output(l->line) + INFLATE_BEHIND);
	l->input = malloc(INPUT + INFLATE_BEHIND);
	if (!l->lines || !l->input)
		return fail(l, "no memory");
	s->from = s->out = l->next = l->lines;
	s->stop = l->lines + output(l->line);
	s->in = s->in_end = l->input;
	return read_more(l) ? -1 : zlib(l);
}

void
lines_clear(Lines *l)
{
	free(l->lines);
	free(l->input);
}

const uint8_t *
lines_see(Lines *l, int n)
{
	Inflate *s = &l->inflate;
	int ended = 0;

	while ((size_t) (s->out - l->next) < l->line * (size_t) n) {
		if (ended) {
			fail(l, "too few pixels");
			return NULL;
		}
		if (inflate_lines(l, &ended))
			return NULL;
	}
	/* The loops use nothing of these bytes. */
	memset(s->out, 0, UNFILTER_SLACK);
	return l->next;
}

void
lines_take(Lines *l, int n)
{
	l->next += l->line * (size_t) n;
}

const char *
lines_end(Lines *l)
{
	Inflate *s = &l->inflate;
	int ended = 0;
	uint32_t sum;

	while (!ended)
		if (inflate_lines(l, &ended))
			return l->why;
	if (s->more && s->in_end - s->in <= ZLIB_SUM && read_more(l))
		return l->why;
	if (s->in_end - s->in < ZLIB_SUM)
		return "pixels that can't be inflated";
	memcpy(&sum, s->in, sizeof(sum));
	if (be32toh(sum) != l->sum)
		return "a wrong checksum of the pixels";
	return s->in_end - s->in > ZLIB_SUM ? "data behind the pixels" : NULL;
}
