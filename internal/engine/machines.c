/* SPDX-License-Identifier: MIT */

//go:build ignore

/* Prints a digest of each of many results of the packages plane, jpeg and png: those of
 * random inputs, and of its arguments: JPEGs, and streams of deflate, *.deflate.
 * machines_test.go runs it on two kinds of processors, and compares the digests. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "jpeg/whole.h"
#include "plane/pixels.h"
#include "plane/shrink.h"
#include "plane/turn.h"
#include "png/inflate.h"
#include "png/unfilter.h"

static uint64_t state;

/* A linear congruential generator, Knuth's. */
static unsigned
random_below(unsigned n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned) ((state >> 33) % n);
}

static void
fill(uint8_t *p, size_t n)
{
	while (n--)
		*p++ = (uint8_t) random_below(256);
}

/* FNV-1a. */
static uint64_t
digest(uint64_t h, const uint8_t *p, size_t n)
{
	while (n--)
		h = (h ^ *p++) * 1099511628211u;
	return h;
}

#define BASIS 14695981039346656037u

static uint64_t
digest_planes(const Planes *p)
{
	uint64_t h = BASIS;
	int i, y;

	for (i = 0; p && i < p->count; i++)
		for (y = 0; y < p->plane[i].height; y++)
			h = digest(h, plane_line(&p->plane[i], y), (size_t) p->plane[i].width);
	return h;
}

/* libjpeg decodes at 8/8, on every processor. */
Planes *
jpeg_decode_whole(int file, const JpegScale *scale, const char **why)
{
	(void) file;
	(void) scale;
	*why = "8/8";
	return NULL;
}

static Span
span(int have, int wanted)
{
	Span s = { 0, (double) have / wanted, wanted, 1 };

	return s;
}

static void
resize_pixels(unsigned seed)
{
	Pixels in = { 0 };
	Span x, y;
	uint8_t *pixels, *out;
	size_t n;

	state = seed;
	in.width = 1 + (int) random_below(400);
	in.height = 1 + (int) random_below(200);
	in.bands = 1 + (int) random_below(4);
	in.alpha = in.bands % 2 == 0;
	in.stride = in.width * in.bands;
	n = (size_t) in.stride * (size_t) in.height;
	pixels = malloc(n);
	fill(pixels, n);
	in.pixels = pixels;
	x = span(in.width, in.width / 40 + 1 + (int) random_below((unsigned) in.width));
	y = span(in.height, in.height / 40 + 1 + (int) random_below((unsigned) in.height));
	n = (size_t) x.wanted * (size_t) y.wanted * (size_t) in.bands;
	out = malloc(n);
	if (pixels_resize(&in, &x, &y, out, x.wanted * in.bands, passes_best()))
		abort();
	printf("pixels %u %016llx\n", seed, (unsigned long long) digest(BASIS, out, n));
	free(pixels);
	free(out);
}

static void
resize_planes(unsigned seed)
{
	Planes *in, *out, *turned;
	Span x[3], y[3];
	int i, halved, line, width, height;

	state = seed;
	width = 1 + (int) random_below(500);
	height = 1 + (int) random_below(300);
	halved = (int) random_below(2);
	in = planes_new(1 + 2 * (int) random_below(2), width, height, halved);
	for (i = 0; i < in->count; i++)
		for (line = 0; line < in->plane[i].height; line++)
			fill(plane_line(&in->plane[i], line), (size_t) in->plane[i].width);
	width = width / 40 + 1 + (int) random_below((unsigned) width);
	height = height / 40 + 1 + (int) random_below((unsigned) height);
	for (i = 0; i < in->count; i++) {
		x[i] = span(in->plane[i].width, width);
		y[i] = span(in->plane[i].height, height);
	}
	out = planes_resize(in, x, y, passes_best());
	turned = planes_turn(out, 1 + (int) random_below(8));
	printf("planes %u %016llx\n", seed, (unsigned long long) digest_planes(turned));
	planes_free(in);
	planes_free(out);
	planes_free(turned);
}

static void
unfilter(unsigned seed)
{
	int bpp, kind, lines;
	size_t n;
	uint8_t *in, *up, *out;
	Unfilters u;

	state = seed;
	bpp = 1 + (int) random_below(4);
	n = (size_t) bpp * (1 + random_below(70));
	kind = (int) random_below(FILTERS + 1);
	u = unfilters_best(bpp);
	lines = kind == FILTERS ? 2 : 1;
	in = calloc(1, 2 * n + 1 + UNFILTER_SLACK);
	up = calloc(1, n + UNFILTER_SLACK);
	out = calloc(1, 2 * n + UNFILTER_SLACK);
	fill(in, 2 * n + 1);
	fill(up, n);
	if (kind < FILTERS)
		u.line[kind](out, in, up, n, bpp);
	else if (u.paeth_twice)
		u.paeth_twice(out, in, up, n, bpp);
	else {
		u.line[4](out, in, up, n, bpp);
		memcpy(up, out, n);
		u.line[4](out + n, in + n + 1, up, n, bpp);
	}
	printf("filter %u %016llx\n", seed, (unsigned long long) digest(BASIS, out, n * (size_t) lines));
	free(in);
	free(up);
	free(out);
}

static void
shrink(unsigned seed)
{
	Shrink s = { 0 };
	uint8_t *line, *out;
	size_t n;
	int y;

	state = seed;
	s.width = 1 + (int) random_below(200);
	s.bands = 1 + (int) random_below(4);
	s.alpha = s.bands % 2 == 0;
	s.nx = 1 + (int) random_below(20);
	s.ny = 1 + (int) random_below(600);
	n = (size_t) s.width * (size_t) s.bands;
	line = malloc(n);
	out = malloc(n);
	if (shrink_init(&s))
		abort();
	for (y = 0; y < s.ny; y++) {
		fill(line, n);
		if (y % 3) /* an opaque line, if there is alpha */
			for (size_t i = (size_t) s.bands - 1; i < n; i += (size_t) s.bands)
				line[i] = 255;
		shrink_add(&s, line);
	}
	shrink_take(&s, out);
	n = (size_t) ((s.width + s.nx - 1) / s.nx) * (size_t) s.bands;
	printf("shrink %u %016llx\n", seed, (unsigned long long) digest(BASIS, out, n));
	shrink_clear(&s);
	free(line);
	free(out);
}

/* Inflates a stream that is there at once, in small pieces of output. */
static void
inflate(const char *name)
{
	static uint8_t in[(1 << 20) + INFLATE_BEHIND], out[INFLATE_WINDOW + 1000 + INFLATE_BEHIND];
	static Inflate s;
	uint64_t h = BASIS;
	size_t all = 0;
	Inflated result;
	int file = open(name, O_RDONLY);
	ssize_t n = read(file, in, 1 << 20);

	if (n < 0)
		abort();
	close(file);
	memset(in + n, 0, INFLATE_BEHIND);
	memset(&s, 0, sizeof(s));
	s.in = in;
	s.in_end = in + n;
	s.from = s.out = out;
	s.stop = out + INFLATE_WINDOW + 1000;
	s.window = INFLATE_WINDOW;
	do {
		uint8_t *before = s.out;
		size_t keep;

		result = inflate_more(&s);
		h = digest(h, before, (size_t) (s.out - before));
		all += (size_t) (s.out - before);
		keep = s.out - out < INFLATE_WINDOW ? (size_t) (s.out - out) : INFLATE_WINDOW;
		memmove(out, s.out - keep, keep);
		s.out = out + keep;
	} while (result == INFLATE_OUT);
	if (result != INFLATE_END)
		abort();
	printf("%s %zu %016llx\n", name, all, (unsigned long long) h);
}

static void
decode(const char *name)
{
	int file = open(name, O_RDONLY);
	JpegScale scale = { 0 };
	uint8_t size[4];
	off_t at;

	/* The size is in the frame header, the first segment of a type C0 to C2. */
	for (at = 2; pread(file, size, 4, at) == 4; at += 2 + size[2] * 256 + size[3])
		if (size[1] >= 0xc0 && size[1] <= 0xc2)
			break;
	if (pread(file, size, 4, at + 5) != 4)
		abort();
	scale.height = size[0] * 256 + size[1];
	scale.width = size[2] * 256 + size[3];
	for (scale.eighths = 1; scale.eighths <= 4; scale.eighths++)
		for (scale.halved = 0; scale.halved < 2; scale.halved++) {
			const char *why = "";
			Planes *p;

			lseek(file, 0, SEEK_SET);
			p = jpeg_decode(file, &scale, &why);
			printf("%s %d/8 %d %016llx %s\n", name, scale.eighths, scale.halved,
				(unsigned long long) digest_planes(p), p ? "" : why);
			planes_free(p);
		}
	close(file);
}

int
main(int argc, char **argv)
{
	unsigned seed;
	int i;

	for (seed = 1; seed <= 150; seed++) {
		resize_pixels(seed);
		resize_planes(seed);
		shrink(seed);
	}
	for (seed = 1; seed <= 2000; seed++)
		unfilter(seed);
	for (i = 1; i < argc; i++)
		(strstr(argv[i], ".deflate") ? inflate : decode)(argv[i]);
	return 0;
}
