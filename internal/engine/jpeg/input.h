/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_JPEG_INPUT_H
#define THUMBD_JPEG_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Two segments fit: a segment has at most 65,537 bytes with its marker. */
#define INPUT_SIZE (128 << 10)

/* A file, read from front to back. The bytes from at to end are in memory. */
typedef struct {
	int file;
	off_t next; /* to be read from the file */
	int ended;  /* there is no more to read */
	uint8_t *buffer;
	const uint8_t *at, *end;
} Input;

/* Returns 0, or -1 if there is no memory. */
int input_init(Input *in, int file);
void input_clear(Input *in);

/* Reads on, as far as the buffer holds. The bytes from at on stay. */
void input_more(Input *in);

/* Whether n bytes follow, at most INPUT_SIZE. If so, they are at at. */
int input_has(Input *in, size_t n);

#endif
