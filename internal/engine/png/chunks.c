/* SPDX-License-Identifier: MIT */

/* The chunks of a PNG, PNG 5.3 and 11. */

#include "decoder.h"

#include <errno.h>
#include <libdeflate.h>
#include <string.h>
#include <unistd.h>

/* The length and the name before a chunk's data, and the sum after it. */
#define HEAD 8
#define SUM 4

static uint32_t
number(const uint8_t *p)
{
	return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 | p[3];
}

static int
is(const Chunk *k, const char *name)
{
	return strcmp(k->name, name) == 0;
}

/* A chunk that a decoder must know has a name that begins with a capital. */
static int
critical(const Chunk *k)
{
	return !(k->name[0] & 0x20);
}

/* Reads up to n bytes of the file. Returns how many, fewer than n only at its end. */
static size_t
read_file(Input *in, uint8_t *to, size_t n)
{
	size_t done = 0;

	while (done < n) {
		size_t part = in->have - in->at;
		ssize_t got;

		if (part > 0) {
			part = part < n - done ? part : n - done;
			memcpy(to + done, in->piece + in->at, part);
			in->at += part;
			done += part;
			continue;
		}
		got = pread(in->file, in->piece, sizeof(in->piece), in->next);
		if (got < 0 && errno == EINTR)
			continue;
		/* libvips says why a file can't be read. */
		if (got <= 0)
			break;
		in->next += got;
		in->have = (size_t) got;
		in->at = 0;
	}
	return done;
}

/* Begins the next chunk. Returns the reason why it is not in order, or NULL. */
static const char *
begin(Chunks *c)
{
	Chunk *k = &c->chunk;
	uint8_t head[HEAD];
	int i;

	if (read_file(&c->input, head, HEAD) < HEAD)
		return "cut off";
	k->left = number(head);
	for (i = 0; i < 4; i++) {
		int letter = head[4 + i] | 0x20;

		if (letter < 'a' || letter > 'z')
			return "a chunk without a name";
		k->name[i] = (char) head[4 + i];
	}
	k->name[4] = 0;
	k->sum = libdeflate_crc32(0, head + 4, 4);
	return NULL;
}

/* Reads up to n bytes of the chunk's data. Returns how many. If it is fewer than the chunk
 * has left, the file is cut off, and end finds it. */
static size_t
data(Chunks *c, uint8_t *to, size_t n)
{
	n = read_file(&c->input, to, n < c->chunk.left ? n : c->chunk.left);
	c->chunk.sum = libdeflate_crc32(c->chunk.sum, to, n);
	c->chunk.left -= n;
	return n;
}

/* Reads the rest of the chunk, and its checksum. */
static const char *
end(Chunks *c)
{
	uint8_t rest[4096];

	while (c->chunk.left)
		if (!data(c, rest, sizeof(rest)))
			return "cut off";
	if (read_file(&c->input, rest, SUM) < SUM)
		return "cut off";
	return number(rest) == c->chunk.sum ? NULL : "a wrong checksum";
}

/* Whether the specification knows the depth for the type, and this decoder does. */
static int
known(int type, int depth)
{
	switch (type) {
	case GRAY:
	case PALETTE:
		return depth == 1 || depth == 2 || depth == 4 || depth == 8;
	case RGB:
	case GRAY_ALPHA:
	case RGBA:
		return depth == 8;
	}
	return 0;
}

static const char *
header(Chunks *c)
{
	uint8_t d[13];
	int i;

	if (!is(&c->chunk, "IHDR") || c->chunk.left != sizeof(d))
		return "no header";
	if (data(c, d, sizeof(d)) < sizeof(d))
		return "cut off";
	/* Widths beyond an int are no picture's. */
	if (number(d) > INT32_MAX || number(d + 4) > INT32_MAX)
		return "too large";
	c->width = (int) number(d);
	c->height = (int) number(d + 4);
	c->depth = d[8];
	c->type = d[9];
	if (!known(c->type, c->depth) || d[10] || d[11] || d[12])
		return "of another kind";
	if (c->type == GRAY && c->depth < 8) {
		c->colors = 1 << c->depth;
		for (i = 0; i < c->colors; i++)
			c->palette[i][0] = (uint8_t) (i * 255 / (c->colors - 1));
	}
	return NULL;
}

static const char *
palette(Chunks *c)
{
	uint8_t colors[3 << 8];
	size_t length = c->chunk.left, i;

	/* For other colors it is advice. */
	if (c->type == RGB || c->type == RGBA)
		return NULL;
	if (c->type != PALETTE || c->colors || length == 0 || length % 3 ||
		length / 3 > (size_t) 1 << c->depth)
		return "a palette that is out of order";
	if (data(c, colors, length) < length)
		return "cut off";
	c->colors = (int) (length / 3);
	for (i = 0; i < length / 3; i++) {
		memcpy(c->palette[i], colors + 3 * i, 3);
		c->palette[i][3] = 255;
	}
	return NULL;
}

static const char *
transparency(Chunks *c)
{
	uint8_t alphas[256];
	size_t length = c->chunk.left, i;

	if (c->type != PALETTE)
		return "a color that is transparent";
	if (c->alphas || length == 0 || length > (size_t) c->colors)
		return "transparency that is out of order";
	if (data(c, alphas, length) < length)
		return "cut off";
	c->alphas = (int) length;
	for (i = 0; i < length; i++)
		c->palette[i][3] = alphas[i];
	return NULL;
}

/* A chunk between IHDR and IEND that is not IDAT. early says that it is before the
 * pixels. */
static const char *
other(Chunks *c, int early)
{
	const Chunk *k = &c->chunk;
	const char *why = NULL;

	if (is(k, "PLTE"))
		why = early ? palette(c) : "a palette behind the pixels";
	else if (is(k, "tRNS"))
		why = early ? transparency(c) : "transparency behind the pixels";
	else if (is(k, "IDAT"))
		why = "pixels in two places";
	else if (critical(k))
		why = "a chunk of no kind";
	return why ? why : end(c);
}

const char *
chunks_open(Chunks *c, int file)
{
	static const uint8_t signature[8] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };
	uint8_t first[sizeof(signature)];
	const char *why;

	c->input.file = file;
	if (read_file(&c->input, first, sizeof(first)) < sizeof(first) || memcmp(first, signature, sizeof(first)))
		return "no PNG";
	if ((why = begin(c)) || (why = header(c)) || (why = end(c)))
		return why;
	for (;;) {
		if ((why = begin(c)))
			return why;
		if (is(&c->chunk, "IDAT"))
			break;
		if (is(&c->chunk, "IEND"))
			return "chunks are missing";
		if ((why = other(c, 1)))
			return why;
	}
	return c->type == PALETTE && !c->colors ? "chunks are missing" : NULL;
}

const char *
chunks_pixels(Chunks *c, uint8_t *to, size_t n, size_t *got)
{
	const char *why;

	for (*got = 0; *got < n && is(&c->chunk, "IDAT");) {
		*got += data(c, to + *got, n - *got);
		/* If the chunk is not over and the room is not full, end finds the cut. */
		if (*got < n && ((why = end(c)) || (why = begin(c))))
			return why;
	}
	return NULL;
}

const char *
chunks_close(Chunks *c)
{
	const char *why;

	for (;;) {
		if (is(&c->chunk, "IEND"))
			return c->chunk.left ? "chunks are missing" : end(c);
		if ((why = other(c, 0)) || (why = begin(c)))
			return why;
	}
}

int
chunks_bpp(const Chunks *c)
{
	static const int samples[] = { [GRAY] = 1, [RGB] = 3, [PALETTE] = 1, [GRAY_ALPHA] = 2, [RGBA] = 4 };

	return samples[c->type];
}

size_t
chunks_line(const Chunks *c)
{
	return ((size_t) c->width * (size_t) (chunks_bpp(c) * c->depth) + 7) / 8;
}
