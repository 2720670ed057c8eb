/* SPDX-License-Identifier: MIT */

#include "decode.h"

#include "decoder.h"
#include "unfilter.h"

#include <errno.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A line that is made lies wholly before the two that it is made of: Paeth's filter
 * is undone in two lines at once. */
#define AHEAD 2

size_t
png_room(const PngPicture *p)
{
	size_t line = (size_t) p->width * (size_t) p->bands;
	size_t filters = (size_t) p->height;

	return line * ((size_t) p->height + AHEAD) + filters + UNFILTER_SLACK;
}

/* Asks for pages of 2 MB for memory from malloc: if the kernel gives a picture's memory
 * in pages of 4 kB, this takes longer than libdeflate takes to fill it. */
static void
large_pages(void *memory, size_t n)
{
	const size_t page = (size_t) 2 << 20;
	size_t skip = (page - (uintptr_t) memory % page) % page;

	if (n > skip + page)
		madvise((uint8_t *) memory + skip, (n - skip) / page * page, MADV_HUGEPAGE);
}

static const char *
read_all(int file, uint8_t *to, size_t length)
{
	size_t at = 0;

	while (at < length) {
		ssize_t n = pread(file, to + at, length - at, (off_t) at);

		if (n < 0 && errno == EINTR)
			continue;
		/* libvips says why a file can't be read. */
		if (n <= 0)
			return "not as long as it was";
		at += (size_t) n;
	}
	return NULL;
}

static int
bands(const Chunks *c)
{
	if (c->type != PALETTE)
		return chunks_bpp(c);
	return c->alphas ? 4 : 3;
}

/* Inflates the data to the n bytes at raw: all of the data must give exactly n bytes,
 * with a right checksum. */
static const char *
inflate_all(const Chunks *c, uint8_t *raw, size_t n)
{
	struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
	size_t used;
	enum libdeflate_result result;

	if (!d)
		return "no memory";
	result = libdeflate_zlib_decompress_ex(d, c->file + c->data, c->packed, raw, n, &used, NULL);
	libdeflate_free_decompressor(d);
	if (result != LIBDEFLATE_SUCCESS)
		return "pixels that can't be inflated";
	return used == c->packed ? NULL : "data behind the pixels";
}

/* Makes lines of pixels of the filtered lines at raw, if the pixels are samples. lines
 * begins with a line of zeros. */
static const char *
direct(const Chunks *c, const uint8_t *raw, uint8_t *lines, uint8_t *out)
{
	size_t n = chunks_line(c);
	int bpp = chunks_bpp(c);
	Unfilters u = unfilters_best(bpp);
	const uint8_t *above = lines;
	int y;

	for (y = 0; y < c->height; y++) {
		int twice = u.paeth_twice && y + 1 < c->height && raw[0] == 4 && raw[n + 1] == 4;

		if (raw[0] >= FILTERS)
			return "a filter of no type";
		(twice ? u.paeth_twice : u.line[raw[0]])(out, raw + 1, above, n, bpp);
		if (twice) {
			y++;
			raw += n + 1;
			out += n;
		}
		above = out;
		raw += n + 1;
		out += n;
	}
	return NULL;
}

/* Makes the pixels of a line of numbers of colors. Returns the greatest number. */
static int
look_up(const Chunks *c, const uint8_t *line, uint8_t *out)
{
	int per_byte = 8 / c->depth;
	int mask = (1 << c->depth) - 1;
	int count = bands(c);
	int most = 0;
	int x, b;

	for (x = 0; x < c->width; x++) {
		int shift = (per_byte - 1 - x % per_byte) * c->depth;
		int color = line[x / per_byte] >> shift & mask;

		if (color > most)
			most = color;
		for (b = 0; b < count; b++)
			*out++ = c->palette[color][b];
	}
	return most;
}

/* The same if the pixels are numbers of colors. lines has two lines of zeros; the
 * numbers are written into them by turns. */
static const char *
indexed(const Chunks *c, const uint8_t *raw, uint8_t *lines, uint8_t *out)
{
	size_t n = chunks_line(c);
	Unfilters u = unfilters_best(1);
	int y;

	for (y = 0; y < c->height; y++) {
		uint8_t *line = lines + (y & 1 ? n : 0);
		const uint8_t *above = lines + (y & 1 ? 0 : n);

		if (raw[0] >= FILTERS)
			return "a filter of no type";
		u.line[raw[0]](line, raw + 1, above, n, 1);
		if (look_up(c, line, out) >= c->colors)
			return "a color that the palette does not have";
		raw += n + 1;
		out += (size_t) c->width * (size_t) bands(c);
	}
	return NULL;
}

/* The inflated lines are at the end of the room: a finished line, and the byte behind it,
 * never cover a line that is still filtered. */
static const char *
pixels(const Chunks *c, const PngPicture *p, uint8_t *out)
{
	size_t line = chunks_line(c);
	size_t all = (line + 1) * (size_t) c->height;
	uint8_t *raw = out + png_room(p) - UNFILTER_SLACK - all;
	uint8_t *lines;
	const char *why;

	if ((why = inflate_all(c, raw, all)))
		return why;
	/* The loops read the slack and use nothing of it. */
	memset(raw + all, 0, UNFILTER_SLACK);
	if (!(lines = calloc(1, 2 * line + UNFILTER_SLACK)))
		return "no memory";
	why = (chunks_indexed(c) ? indexed : direct)(c, raw, lines, out);
	free(lines);
	return why;
}

const char *
png_decode(int file, const PngPicture *p, uint8_t *out)
{
	Chunks c = { 0 };
	const char *why;

	if (!(c.file = malloc(p->length)))
		return "no memory";
	large_pages(c.file, p->length);
	large_pages(out, png_room(p));
	if (!(why = read_all(file, c.file, p->length)) && !(why = chunks_walk(&c, p->length))) {
		if (c.width != p->width || c.height != p->height || bands(&c) != p->bands)
			why = "of another size or other colors than it was";
		else
			why = pixels(&c, p, out);
	}
	free(c.file);
	return why;
}
