/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_PNG_LINES_H
#define THUMBD_PNG_LINES_H

#include "decoder.h"
#include "inflate.h"

/* The filtered lines of a file, inflated in pieces: what is inflated is used while
 * the processor's cache has it, and a picture needs no memory of its own. */
typedef struct {
	Chunks *chunks;
	size_t line;    /* bytes of a line, with its filter */
	size_t left;    /* bytes of lines that are not inflated yet */
	uint32_t sum;   /* Adler-32 of what is inflated */
	uint8_t *next;  /* the line that is taken next */
	uint8_t *lines; /* what is inflated */
	uint8_t *input;
	const char *why;
	Inflate inflate;
} Lines;

/* The memory in bytes that lines of a length take, beside a Lines. */
size_t lines_room(size_t line);

/* Begins to read the pixels of c. Returns 0, or -1 with l->why. The caller calls lines_clear
 * in both cases. */
int lines_init(Lines *l, Chunks *c);
void lines_clear(Lines *l);

/* The next n lines, 1 or 2, or NULL with l->why. They are taken by lines_take. Behind them
 * are UNFILTER_SLACK bytes that can be read. */
const uint8_t *lines_see(Lines *l, int n);
void lines_take(Lines *l, int n);

/* Returns NULL if the stream ends after the lines that were taken, with a right
 * checksum and nothing behind it; otherwise the reason. */
const char *lines_end(Lines *l);

#endif
