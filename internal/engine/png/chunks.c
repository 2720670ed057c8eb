/* SPDX-License-Identifier: MIT */

/* The chunks of a PNG, PNG 5.3 and 11. */

#include "decoder.h"

#include <libdeflate.h>
#include <string.h>

/* The length and the name before a chunk's data, and the sum after it. */
#define HEAD 8
#define SUM 4

typedef struct {
	const uint8_t *data;
	size_t length;
	char name[5];
} Chunk;

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

/* Reads the chunk at p, with left bytes to the end of the file. Returns the reason why it
 * is not in order, or NULL. */
static const char *
take(const uint8_t *p, size_t left, Chunk *k)
{
	int i;

	if (left < HEAD + SUM || number(p) > left - HEAD - SUM)
		return "cut off";
	k->length = number(p);
	k->data = p + HEAD;
	for (i = 0; i < 4; i++) {
		int letter = p[4 + i] | 0x20;

		if (letter < 'a' || letter > 'z')
			return "a chunk without a name";
		k->name[i] = (char) p[4 + i];
	}
	k->name[4] = 0;
	if (libdeflate_crc32(0, p + 4, k->length + 4) != number(k->data + k->length))
		return "a wrong checksum";
	return NULL;
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
header(Chunks *c, const Chunk *k)
{
	const uint8_t *d = k->data;
	int i;

	if (!is(k, "IHDR") || k->length != 13)
		return "no header";
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
palette(Chunks *c, const Chunk *k)
{
	size_t i;

	/* For other colors it is advice. */
	if (c->type == RGB || c->type == RGBA)
		return NULL;
	if (c->type != PALETTE || c->colors || k->length == 0 || k->length % 3 ||
		k->length / 3 > (size_t) 1 << c->depth)
		return "a palette that is out of order";
	c->colors = (int) (k->length / 3);
	for (i = 0; i < k->length / 3; i++) {
		memcpy(c->palette[i], k->data + 3 * i, 3);
		c->palette[i][3] = 255;
	}
	return NULL;
}

static const char *
transparency(Chunks *c, const Chunk *k)
{
	size_t i;

	if (c->type != PALETTE)
		return "a color that is transparent";
	if (c->alphas || k->length == 0 || k->length > (size_t) c->colors)
		return "transparency that is out of order";
	c->alphas = (int) k->length;
	for (i = 0; i < k->length; i++)
		c->palette[i][3] = k->data[i];
	return NULL;
}

/* A chunk between IHDR and IEND that is not IDAT. */
static const char *
other(Chunks *c, const Chunk *k)
{
	int early = c->data == 0;

	if (is(k, "PLTE"))
		return early ? palette(c, k) : "a palette behind the pixels";
	if (is(k, "tRNS"))
		return early ? transparency(c, k) : "transparency behind the pixels";
	return critical(k) ? "a chunk of no kind" : NULL;
}

/* Moves the data of an IDAT behind the data of the IDATs before it. */
static const char *
gather(Chunks *c, const Chunk *k, int follows)
{
	size_t at = (size_t) (k->data - c->file);

	if (c->data == 0)
		c->data = at;
	else if (!follows)
		return "pixels in two places";
	memmove(c->file + c->data + c->packed, k->data, k->length);
	c->packed += k->length;
	return NULL;
}

const char *
chunks_walk(Chunks *c, size_t length)
{
	static const uint8_t signature[8] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };
	size_t at = sizeof(signature);
	int pixels = 0; /* whether the chunk before was IDAT */
	const char *why;
	Chunk k;

	if (length < at || memcmp(c->file, signature, at))
		return "no PNG";
	if ((why = take(c->file + at, length - at, &k)) || (why = header(c, &k)))
		return why;
	for (;;) {
		at += HEAD + k.length + SUM;
		if ((why = take(c->file + at, length - at, &k)))
			return why;
		if (is(&k, "IEND"))
			break;
		if ((why = is(&k, "IDAT") ? gather(c, &k, pixels) : other(c, &k)))
			return why;
		pixels = is(&k, "IDAT");
	}
	if (k.length || !c->data || (c->type == PALETTE && !c->colors))
		return "chunks are missing";
	return NULL;
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
