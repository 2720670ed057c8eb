/* SPDX-License-Identifier: MIT */

#include "vips.h"

#include "plane/wide.h"

#include <libdeflate.h>
#include <string.h>

/* The pixels of a PNG, filtered and deflated: libpng and zlib take longer for a longer
 * file. */

/* Of libdeflate, 1 to 12. The package's documentation says why this one. */
#define LEVEL 4

/* None, sub, up, average and Paeth. */
#define FILTERS 5

/* The number of bytes before the first chunk, and around a chunk's data. */
#define SIGNATURE 8
#define AROUND 12

/* Before a line there are as many zeros as the widest pixel has bytes. */
#define BEFORE 16

static inline guint8
paeth(int left, int above, int corner)
{
	int to_left = abs(above - corner);
	int to_above = abs(left - corner);
	int to_corner = abs(left + above - 2 * corner);
	int nearest = to_above <= to_corner ? above : corner;

	return to_left <= to_above && to_left <= to_corner ? left : nearest;
}

/* Filters the line in, with the line up above it, by a filter of PNG 9.2. Returns the
 * sum of the filtered bytes: if it is smaller, the compressed line is likely shorter. */
WIDE static guint32
filter_line(int filter, const guint8 *restrict in, const guint8 *restrict up, int bpp,
	int n, guint8 *restrict out)
{
	const guint8 *left = in - bpp;
	const guint8 *corner = up - bpp;
	guint32 sum = 0;
	int i;

	switch (filter) {
	case 0:
		memcpy(out, in, n);
		break;
	case 1:
		for (i = 0; i < n; i++)
			out[i] = in[i] - left[i];
		break;
	case 2:
		for (i = 0; i < n; i++)
			out[i] = in[i] - up[i];
		break;
	case 3:
		for (i = 0; i < n; i++)
			out[i] = in[i] - ((left[i] + up[i]) >> 1);
		break;
	default:
		for (i = 0; i < n; i++)
			out[i] = in[i] - paeth(left[i], up[i], corner[i]);
	}
	for (i = 0; i < n; i++)
		sum += out[i] < 128 ? out[i] : 256 - out[i];
	return sum;
}

/* Writes all lines of in, a picture of bytes in memory, each filtered by the filter with
 * the smallest sum and with the filter's number before it. tried has room for a line,
 * lines for two lines with BEFORE zeros before each. */
static void
filter(VipsImage *in, guint8 *tried, guint8 *lines, guint8 *to)
{
	int n = VIPS_IMAGE_SIZEOF_LINE(in);
	int y, filter;

	for (y = 0; y < in->Ysize; y++, to += n + 1) {
		guint8 *line = lines + BEFORE + (y & 1 ? BEFORE + n : 0);
		guint8 *up = lines + BEFORE + (y & 1 ? 0 : BEFORE + n);
		guint32 least = G_MAXUINT32;

		memcpy(line, VIPS_IMAGE_ADDR(in, 0, y), n);
		for (filter = 0; filter < FILTERS; filter++) {
			guint32 sum = filter_line(filter, line, up, in->Bands, n, tried);

			if (sum >= least)
				continue;
			least = sum;
			to[0] = filter;
			memcpy(to + 1, tried, n);
		}
	}
}

/* The lines of filter, or NULL if there is no memory. */
static guint8 *
filtered(VipsImage *in, gsize *length)
{
	gsize n = VIPS_IMAGE_SIZEOF_LINE(in);
	guint8 *all = g_try_malloc(*length = (n + 1) * in->Ysize);
	guint8 *tried = g_try_malloc(n);
	guint8 *lines = g_try_malloc0(2 * (BEFORE + n));

	if (all && tried && lines)
		filter(in, tried, lines, all);
	else
		g_clear_pointer(&all, g_free);
	g_free(tried);
	g_free(lines);
	return all;
}

static void
put(guint8 *to, guint32 v)
{
	v = GUINT32_TO_BE(v);
	memcpy(to, &v, sizeof(v));
}

static guint32
get(const guint8 *from)
{
	guint32 v;

	memcpy(&v, from, sizeof(v));
	return GUINT32_FROM_BE(v);
}

/* The IDAT chunk of in, or NULL if there is no memory. */
static guint8 *
pack(VipsImage *in, gsize *length)
{
	struct libdeflate_compressor *c = libdeflate_alloc_compressor(LEVEL);
	guint8 *lines = NULL, *chunk = NULL;
	gsize n, most, packed;

	if (c && (lines = filtered(in, &n))) {
		most = libdeflate_zlib_compress_bound(c, n);
		chunk = g_try_malloc(most + AROUND);
	}
	if (chunk) {
		packed = libdeflate_zlib_compress(c, lines, n, chunk + 8, most);
		put(chunk, packed);
		memcpy(chunk + 4, "IDAT", 4);
		put(chunk + 8 + packed, libdeflate_crc32(0, chunk + 4, packed + 4));
		*length = packed + AROUND;
	}
	if (c)
		libdeflate_free_compressor(c);
	g_free(lines);
	return chunk;
}

/* Writes the chunks of in, with other pixels than its own. libvips knows how metadata
 * goes into a PNG. Some of it tells the size of the picture; without metadata one pixel
 * is enough. */
static int
write_chunks(VipsImage *in, gboolean strip, void **buffer, size_t *length)
{
	VipsImage *t;
	int result;

	if (vips_extract_area(in, &t, 0, 0, strip ? 1 : in->Xsize, strip ? 1 : in->Ysize, NULL))
		return -1;
	result = vips_pngsave_buffer(t, buffer, length, THUMBD_STRIP(strip),
		"compression", 0, "filter", VIPS_FOREIGN_PNG_FILTER_NONE, NULL);
	g_object_unref(t);
	return result;
}

/* Writes the size of in into the header of file, the first chunk with 13 bytes. */
static void
tell_size(guint8 *file, VipsImage *in)
{
	put(file + 16, in->Xsize);
	put(file + 20, in->Ysize);
	put(file + 29, libdeflate_crc32(0, file + 12, 17));
}

int
thumbd_pack_png(VipsImage *in, gboolean strip, void **buffer, size_t *length)
{
	gsize n = 0, at, end;
	guint8 *pixels, *file, *to, *out = NULL;

	if (vips_image_wio_input(in) || write_chunks(in, strip, buffer, length))
		return -1;
	file = *buffer;
	if (!(pixels = pack(in, &n)) || !(out = g_try_malloc(*length + n))) {
		g_free(pixels);
		g_free(file);
		*buffer = NULL;
		vips_error("thumbd", "no memory to pack a PNG");
		return -1;
	}
	tell_size(file, in);
	to = out;
	memcpy(to, file, SIGNATURE);
	to += SIGNATURE;
	for (at = SIGNATURE; at < *length; at = end) {
		end = at + get(file + at) + AROUND;
		if (memcmp(file + at + 4, "IDAT", 4)) {
			memcpy(to, file + at, end - at);
			to += end - at;
		}
		else if (pixels) {
			memcpy(to, pixels, n);
			to += n;
			g_clear_pointer(&pixels, g_free);
		}
	}
	g_free(file);
	*buffer = out;
	*length = to - out;
	return 0;
}
