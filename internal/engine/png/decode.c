/* SPDX-License-Identifier: MIT */

#include "decode.h"

#include "../plane/shrink.h"
#include "lines.h"
#include "unfilter.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* If a picture is shrunk, so many lines have no filter at a time. */
#define STRIP 8

/* Bytes of a line of the picture that is made. */
static size_t
new_line(const PngPicture *p)
{
	return ((size_t) p->width + (size_t) p->nx - 1) / (size_t) p->nx * (size_t) p->bands;
}

size_t
png_room(const PngPicture *p)
{
	size_t lines = ((size_t) p->height + (size_t) p->ny - 1) / (size_t) p->ny;

	return new_line(p) * lines + UNFILTER_SLACK;
}

size_t
png_memory(const PngPicture *p)
{
	size_t line = (size_t) p->width * (size_t) p->bands;
	size_t sums = line * (sizeof(uint32_t) + sizeof(uint16_t));

	return png_room(p) + lines_room(line + 1) + sums + (STRIP + 1 + 2) * line;
}

/* Asks for pages of 2 MB for memory from malloc: if the kernel gives a picture's memory
 * in pages of 4 kB, this takes longer than to inflate the pixels. */
static void
large_pages(void *memory, size_t n)
{
	const size_t page = (size_t) 2 << 20;
	size_t skip = (page - (uintptr_t) memory % page) % page;

	if (n > skip + page)
		madvise((uint8_t *) memory + skip, (n - skip) / page * page, MADV_HUGEPAGE);
}

static int
bands(const Chunks *c)
{
	if (c->type != PALETTE)
		return chunks_bpp(c);
	return c->alphas ? 4 : 3;
}

/* The place where lines of pixels go: the picture, or lines that are shrunk to it. */
typedef struct {
	const PngPicture *picture;
	size_t line; /* bytes of a line of pixels */
	int y;
	uint8_t *out;
	/* If the picture is shrunk. The strip begins with the line above it. */
	uint8_t *strip;
	int in_strip;
	Shrink shrink;
} Sink;

static int
is_shrunk(const PngPicture *p)
{
	return p->nx > 1 || p->ny > 1;
}

/* Returns 0, or -1 if there is no memory. The caller calls sink_clear in both cases. */
static int
sink_init(Sink *k, const PngPicture *p, uint8_t *out)
{
	k->picture = p;
	k->line = (size_t) p->width * (size_t) p->bands;
	k->out = out;
	if (!is_shrunk(p))
		return 0;
	k->shrink = (Shrink) { .width = p->width, .bands = p->bands, .alpha = p->bands % 2 == 0,
		.nx = p->nx, .ny = p->ny };
	k->strip = calloc(1, k->line * (STRIP + 1) + UNFILTER_SLACK);
	return k->strip && !shrink_init(&k->shrink) ? 0 : -1;
}

static void
sink_clear(Sink *k)
{
	free(k->strip);
	shrink_clear(&k->shrink);
}

/* The place of the next line, behind the line above. There is room for two. */
static uint8_t *
sink_place(Sink *k)
{
	if (!k->strip)
		return k->out;
	if (k->in_strip > STRIP - 2) {
		memcpy(k->strip, k->strip + k->line * (size_t) k->in_strip, k->line);
		k->in_strip = 0;
	}
	return k->strip + k->line * (size_t) (k->in_strip + 1);
}

/* Takes n lines that were written there. */
static void
sink_take(Sink *k, int n)
{
	for (; n > 0; n--) {
		k->y++;
		if (!k->strip) {
			k->out += k->line;
			continue;
		}
		k->in_strip++;
		shrink_add(&k->shrink, k->strip + k->line * (size_t) k->in_strip);
		if (k->y % k->picture->ny == 0 || k->y == k->picture->height) {
			shrink_take(&k->shrink, k->out);
			k->out += new_line(k->picture);
		}
	}
}

/* Makes lines of pixels of filtered lines, if the pixels are samples. lines begins with
 * a line of zeros. */
static const char *
direct(const Chunks *c, Lines *l, uint8_t *lines, Sink *sink)
{
	size_t n = chunks_line(c);
	int bpp = chunks_bpp(c);
	Unfilters u = unfilters_best(bpp);

	while (sink->y < c->height) {
		int more = sink->y + 1 < c->height;
		const uint8_t *raw = lines_see(l, 1 + more);
		uint8_t *out = sink_place(sink);
		const uint8_t *above = sink->y ? out - n : lines;
		int twice;

		if (!raw)
			return l->why;
		if (raw[0] >= FILTERS)
			return "a filter of no type";
		twice = u.paeth_twice && more && raw[0] == 4 && raw[n + 1] == 4;
		(twice ? u.paeth_twice : u.line[raw[0]])(out, raw + 1, above, n, bpp);
		lines_take(l, 1 + twice);
		sink_take(sink, 1 + twice);
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
indexed(const Chunks *c, Lines *l, uint8_t *lines, Sink *sink)
{
	size_t n = chunks_line(c);
	Unfilters u = unfilters_best(1);

	while (sink->y < c->height) {
		uint8_t *line = lines + (sink->y & 1 ? n : 0);
		const uint8_t *above = lines + (sink->y & 1 ? 0 : n);
		const uint8_t *raw = lines_see(l, 1);

		if (!raw)
			return l->why;
		if (raw[0] >= FILTERS)
			return "a filter of no type";
		u.line[raw[0]](line, raw + 1, above, n, 1);
		if (look_up(c, line, sink_place(sink)) >= c->colors)
			return "a color that the palette does not have";
		lines_take(l, 1);
		sink_take(sink, 1);
	}
	return NULL;
}

/* Both need memory that is too large for a stack. */
typedef struct {
	Chunks chunks;
	Lines lines;
	Sink sink;
} Decoder;

static const char *
pixels(Decoder *d, const PngPicture *p, uint8_t *out)
{
	uint8_t *lines = calloc(1, 2 * chunks_line(&d->chunks) + UNFILTER_SLACK);
	const char *why = "no memory";

	if (!sink_init(&d->sink, p, out) && lines) {
		if (lines_init(&d->lines, &d->chunks))
			why = d->lines.why;
		else if (!(why = (chunks_indexed(&d->chunks) ? indexed : direct)(&d->chunks, &d->lines, lines, &d->sink)))
			why = lines_end(&d->lines);
		lines_clear(&d->lines);
	}
	sink_clear(&d->sink);
	free(lines);
	return why ? why : chunks_close(&d->chunks);
}

const char *
png_decode(int file, const PngPicture *p, uint8_t *out)
{
	Decoder *d = calloc(1, sizeof(*d));
	const Chunks *c = &d->chunks;
	const char *why;

	if (!d)
		return "no memory";
	large_pages(out, png_room(p));
	if (!(why = chunks_open(&d->chunks, file))) {
		if (c->width != p->width || c->height != p->height || bands(c) != p->bands)
			why = "of another size or other colors than it was";
		else
			why = pixels(d, p, out);
	}
	free(d);
	return why;
}
