/* SPDX-License-Identifier: MIT */

#include "vips.h"

#include <stdlib.h>
#include <string.h>

/* The most colors of a PNG that has a palette. */
#define PALETTE 256

/* If a picture has more pixels, no palette is tried: it would take over a second. */
#define SOUGHT (1 << 21)

/* If two pictures have this structural similarity or more, they look the same. */
#define SAME 0.99

/* The most by which the mean of NEAR x NEAR samples may differ between them: a small
 * part of another color hardly lowers the similarity of all. A line of one pixel may
 * differ by 48, a single pixel, as antialiasing leaves it, by 144. */
#define FAR 16
#define NEAR 3

/* The number of colors in in, a picture of bytes in memory; PALETTE + 1 if there are
 * more than PALETTE. */
static int
count_colors(VipsImage *in)
{
	guint32 table[4 * PALETTE] = { 0 };
	gboolean zero = FALSE;
	int n = 0;
	guint64 i;

	for (i = 0; i < VIPS_IMAGE_N_PELS(in) && n + zero <= PALETTE; i++) {
		guint32 color = 0; /* of THUMBD_BANDS bytes */
		guint32 at;

		memcpy(&color, VIPS_IMAGE_ADDR(in, 0, 0) + i * in->Bands, in->Bands);
		/* All transparent pixels count as one color. 0 marks a free place. */
		if (color == 0 || (in->Bands == 4 && !VIPS_IMAGE_ADDR(in, 0, 0)[i * 4 + 3])) {
			zero = TRUE;
			continue;
		}
		for (at = color * 2654435761u >> 22; table[at] && table[at] != color;)
			at = (at + 1) % G_N_ELEMENTS(table);
		if (!table[at]) {
			table[at] = color;
			n++;
		}
	}
	return n + zero;
}

/* A sample of the pixel p as it is seen on black: a color is multiplied by the
 * pixel's alpha. */
static inline int
seen(const VipsPel *p, int bands, int band)
{
	return bands == 4 && band < 3 ? (p[band] * p[3] + 127) / 255 : p[band];
}

/* Whether the means of a and b in a band of the part at are near each other. */
static gboolean
is_near(VipsImage *a, VipsImage *b, int band, const VipsRect *at)
{
	int sum = 0;
	int x, y;

	for (y = at->top; y < VIPS_RECT_BOTTOM(at); y++) {
		const VipsPel *p = VIPS_IMAGE_ADDR(a, at->left, y);
		const VipsPel *q = VIPS_IMAGE_ADDR(b, at->left, y);

		for (x = 0; x < at->width; x++, p += a->Bands, q += b->Bands)
			sum += seen(p, a->Bands, band) - seen(q, b->Bands, band);
	}
	return abs(sum) <= FAR * at->width * at->height;
}

/* Whether no part of b, a picture like a, has quite another color than in a. */
static gboolean
are_near(VipsImage *a, VipsImage *b)
{
	VipsRect at = { 0, 0, VIPS_MIN(NEAR, a->Xsize), VIPS_MIN(NEAR, a->Ysize) };
	int band;

	for (at.top = 0; VIPS_RECT_BOTTOM(&at) <= a->Ysize; at.top++)
		for (at.left = 0; VIPS_RECT_RIGHT(&at) <= a->Xsize; at.left++)
			for (band = 0; band < a->Bands; band++)
				if (!is_near(a, b, band, &at))
					return FALSE;
	return TRUE;
}

/* The structural similarity of a and b in a band of the part at, as Wang et al.
 * define it (2004), with a window that weighs all pixels the same. */
static double
alike(VipsImage *a, VipsImage *b, int band, const VipsRect *at)
{
	const double c1 = 0.01 * 255 * 0.01 * 255;
	const double c2 = 0.03 * 255 * 0.03 * 255;
	double n = (double) at->width * at->height;
	gint64 sum_a = 0, sum_b = 0, aa = 0, bb = 0, ab = 0;
	double mean_a, mean_b;
	int x, y;

	for (y = at->top; y < VIPS_RECT_BOTTOM(at); y++) {
		const VipsPel *p = VIPS_IMAGE_ADDR(a, at->left, y);
		const VipsPel *q = VIPS_IMAGE_ADDR(b, at->left, y);

		for (x = 0; x < at->width; x++, p += a->Bands, q += b->Bands) {
			int v = seen(p, a->Bands, band);
			int w = seen(q, b->Bands, band);

			sum_a += v;
			sum_b += w;
			aa += v * v;
			bb += w * w;
			ab += v * w;
		}
	}
	mean_a = sum_a / n;
	mean_b = sum_b / n;
	return (2 * mean_a * mean_b + c1) * (2 * (ab / n - mean_a * mean_b) + c2) /
		((mean_a * mean_a + mean_b * mean_b + c1) *
			(aa / n - mean_a * mean_a + bb / n - mean_b * mean_b + c2));
}

/* Whether two pictures in memory and of bytes look the same in each band. */
static gboolean
look_the_same(VipsImage *a, VipsImage *b)
{
	const int side = 8;
	int band;

	for (band = 0; band < a->Bands; band++) {
		VipsRect at = { 0, 0, VIPS_MIN(side, a->Xsize), VIPS_MIN(side, a->Ysize) };
		double sum = 0;
		int n = 0;

		for (at.top = 0; VIPS_RECT_BOTTOM(&at) <= a->Ysize; at.top += side / 2)
			for (at.left = 0; VIPS_RECT_RIGHT(&at) <= a->Xsize; at.left += side / 2, n++)
				sum += alike(a, b, band, &at);
		if (sum < SAME * n)
			return FALSE;
	}
	return TRUE;
}

/* Whether a PNG shows the picture in. in is in memory. */
static gboolean
shows(void *file, size_t length, VipsImage *in)
{
	VipsImage *t = NULL;
	gboolean yes = !vips_pngload_buffer(file, length, &t, NULL) &&
		!vips_image_wio_input(t) &&
		t->Xsize == in->Xsize && t->Ysize == in->Ysize && t->Bands == in->Bands &&
		t->BandFmt == in->BandFmt && are_near(in, t) && look_the_same(in, t);

	if (t)
		g_object_unref(t);
	return yes;
}

static int
save_palette(VipsImage *in, gboolean strip, int bits, int quality, void **buffer, size_t *length)
{
	return vips_pngsave_buffer(in, buffer, length, THUMBD_STRIP(strip),
		"compression", 9, "filter", VIPS_FOREIGN_PNG_FILTER_NONE,
		"palette", TRUE, "bitdepth", bits, "Q", quality, "dither", 0.0, NULL);
}

/* buffer has a PNG of the picture in; in is in memory. If a PNG with a palette looks
 * the same and is smaller, it replaces the first. */
static void
seek_palette(VipsImage *in, gboolean strip, void **buffer, size_t *length)
{
	static const int qualities[] = { 100, 90, 80, 70, 60 };
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(qualities); i++) {
		void *file = NULL;
		size_t n;

		if (save_palette(in, strip, 8, qualities[i], &file, &n) || n > *length ||
			!shows(file, n, in)) {
			vips_error_clear();
			g_free(file);
			return;
		}
		g_free(*buffer);
		*buffer = file;
		*length = n;
	}
}

/* The picture in, of bytes, in memory and in red, green and blue. */
static int
widen(VipsImage *in, VipsImage **out)
{
	VipsImage *t;

	if (vips_colourspace(in, &t, VIPS_INTERPRETATION_sRGB, NULL))
		return -1;
	*out = vips_image_copy_memory(t);
	g_object_unref(t);
	return *out ? 0 : -1;
}

/* A few colors go into a palette, all of them and exactly. Gray has no more bits
 * without. */
static int
save(VipsImage *in, gboolean strip, gboolean fewer, void **buffer, size_t *length)
{
	int colors = PALETTE + 1;
	int bits;

	if (in->BandFmt == VIPS_FORMAT_UCHAR && in->Bands >= 3) {
		if (vips_image_wio_input(in))
			return -1;
		colors = count_colors(in);
	}
	bits = colors > 16 ? 8 : colors > 4 ? 4 : colors > 2 ? 2 : 1;
	if (colors <= PALETTE && !save_palette(in, strip, bits, 100, buffer, length))
		return 0;
	/* Not every libvips can make palettes. */
	vips_error_clear();
	if (thumbd_pack_png(in, strip, buffer, length))
		return -1;
	if (fewer && colors > PALETTE && in->Bands >= 3 && VIPS_IMAGE_N_PELS(in) <= SOUGHT)
		seek_palette(in, strip, buffer, length);
	return 0;
}

int
thumbd_save_png(VipsImage *in, gboolean strip, gboolean fewer, void **buffer, size_t *length)
{
	VipsImage *t = NULL;
	int result = -1;

	/* A palette has alpha beside colors alone. */
	if (!(fewer && in->Bands == 2 ? widen(in, &t) : vips_copy(in, &t, NULL)))
		result = save(t, strip, fewer, buffer, length);
	if (t)
		g_object_unref(t);
	return result;
}
