/* SPDX-License-Identifier: MIT */

#include "input.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
input_init(Input *in, int file)
{
	memset(in, 0, sizeof(*in));
	in->file = file;
	in->buffer = malloc(INPUT_SIZE);
	in->at = in->end = in->buffer;
	return in->buffer ? 0 : -1;
}

void
input_clear(Input *in)
{
	free(in->buffer);
	in->buffer = NULL;
}

void
input_more(Input *in)
{
	size_t rest = (size_t) (in->end - in->at);
	ssize_t n;

	if (in->ended)
		return;
	memmove(in->buffer, in->at, rest);
	in->at = in->buffer;
	do
		n = pread(in->file, in->buffer + rest, INPUT_SIZE - rest, in->next);
	while (n < 0 && errno == EINTR);
	if (n <= 0) {
		/* A file that can't be read looks cut off, and libvips says why. */
		in->ended = 1;
		n = 0;
	}
	in->next += n;
	in->end = in->buffer + rest + n;
}

int
input_has(Input *in, size_t n)
{
	while ((size_t) (in->end - in->at) < n && !in->ended)
		input_more(in);
	return (size_t) (in->end - in->at) >= n;
}
