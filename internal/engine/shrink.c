/* SPDX-License-Identifier: MIT */

#include "vips.h"

/* The mean of nx x ny pixels, for pictures of bytes. vips_shrink takes several
 * times as long, and has to be given colors that alpha has multiplied, as
 * floats. */

/* A division would take most of the time: a sum is multiplied by this and
 * shifted by SHIFT. A sum is at most 255.5 times the area, so 2^56. The mean is exact for
 * areas of up to 2^20 pixels; beyond, it is at most 1 too much. */
#define SHIFT 48
#define INVERSE(area) ((G_GUINT64_CONSTANT(1) << SHIFT) / (area) + 1)

/* The mean of n pixels' sums, of ny lines each. */
static void
pixel(const guint32 *p, VipsPel *out, int bands, int n, guint64 area, guint64 inverse)
{
	int b, i;

	for (b = 0; b < bands; b++) {
		guint64 sum = area / 2;

		for (i = 0; i < n; i++)
			sum += p[i * bands + b];
		out[b] = sum * inverse >> SHIFT;
	}
}

/* One line of the result from the sums of ny lines. */
static void
plain(const guint32 *sums, VipsPel *out, int width, int across, int bands,
	int nx, int ny)
{
	int x, n;
	int whole = width / nx;
	guint64 area = (guint64) nx * ny;
	guint64 inverse = INVERSE(area);

	for (x = 0; x < whole; x++)
		pixel(sums + (gsize) x * nx * bands, out + x * bands, bands, nx, area, inverse);
	if (whole < across) {
		n = width - whole * nx;
		area = (guint64) n * ny;
		pixel(sums + (gsize) whole * nx * bands, out + whole * bands, bands, n, area,
			INVERSE(area));
	}
}

/* The same, of colors that are multiplied by the alpha behind them. A division of floats
 * takes less time than one of whole numbers. A quotient is less than 2^8, so it is rounded by
 * at most 2^-46. If it is not whole, it differs from the next whole number by more,
 * because alpha is less than 2^45; so sum, below 2^53, is exact as a float, too. */
static void
weighted(const guint32 *sums, VipsPel *out, int width, int across, int bands,
	int nx, int ny)
{
	guint64 area = (guint64) nx * ny;
	guint64 inverse = INVERSE(area);
	int x, b, i;

	for (x = 0; x < across; x++) {
		int n = VIPS_MIN(nx, width - x * nx);
		const guint32 *p = sums + (gsize) x * nx * bands;
		guint64 alpha = 0;

		if (n < nx) {
			area = (guint64) n * ny;
			inverse = INVERSE(area);
		}
		for (i = 0; i < n; i++)
			alpha += p[i * bands + bands - 1];
		for (b = 0; b < bands - 1; b++) {
			guint64 sum = alpha / 2;

			for (i = 0; i < n; i++)
				sum += p[i * bands + b];
			/* If alpha is 0, sum is 0, too. */
			*out++ = (VipsPel) ((double) (gint64) sum / (double) (gint64) VIPS_MAX(alpha, 1));
		}
		*out++ = (alpha + area / 2) * inverse >> SHIFT;
	}
}

/* So many lines have sums of 16 bits. */
#define PART 257

THUMBD_WIDE static void
add(guint16 *restrict part, const VipsPel *restrict p, int n)
{
	int i;

	for (i = 0; i < n; i++)
		part[i] += p[i];
}

/* Adds part, the sums of up to PART lines, to sums, and sets part to 0. */
THUMBD_WIDE static void
add_part(guint32 *restrict sums, guint16 *restrict part, int n)
{
	int i;

	for (i = 0; i < n; i++)
		sums[i] += part[i];
	memset(part, 0, n * sizeof(*part));
}

/* Four pixels of red, green, blue and alpha. */
typedef guint8 Bytes __attribute__((vector_size(16)));
typedef guint16 Products __attribute__((vector_size(32)));
typedef guint32 Sums __attribute__((vector_size(64)));

/* add_weighted for as many pixels of four bands as are whole groups. Returns how
 * many these are. */
THUMBD_WIDE static int
add_groups(guint32 *restrict sums, const VipsPel *restrict p, int width)
{
	const Products colors = { 65535, 65535, 65535, 0, 65535, 65535, 65535, 0,
		65535, 65535, 65535, 0, 65535, 65535, 65535, 0 };
	const Products one = { 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1 };
	int x;

	for (x = 0; x + 4 <= width; x += 4) {
		Bytes bytes;
		Products v, weights;
		Sums s;

		memcpy(&bytes, p + 4 * x, sizeof(bytes));
		memcpy(&s, sums + 4 * x, sizeof(s));
		v = __builtin_convertvector(bytes, Products);
		weights = __builtin_shufflevector(v, v, 3, 3, 3, 3, 7, 7, 7, 7,
			11, 11, 11, 11, 15, 15, 15, 15);
		weights = (weights & colors) | one;
		s += __builtin_convertvector(v * weights, Sums);
		memcpy(sums + 4 * x, &s, sizeof(s));
	}
	return x;
}

static void
add_weighted(guint32 *sums, const VipsPel *p, int width, int bands)
{
	int done = bands == 4 ? add_groups(sums, p, width) : 0;
	int x, b;

	sums += done * bands;
	p += done * bands;
	for (x = done; x < width; x++) {
		guint32 alpha = p[bands - 1];

		for (b = 0; b < bands - 1; b++)
			sums[b] += p[b] * alpha;
		sums[bands - 1] += alpha;
		sums += bands;
		p += bands;
	}
}

/* Whether the alphas of n pixels are all 255. */
THUMBD_WIDE static gboolean
is_opaque(const VipsPel *p, int n, int bands)
{
	VipsPel all = 255;
	int i;

	for (i = 0; i < n; i++)
		all &= p[i * bands + bands - 1];
	return all == 255;
}

gboolean
thumbd_shows_through(VipsImage *in)
{
	int y;

	if (!vips_image_hasalpha(in))
		return FALSE;
	if (in->dtype != VIPS_IMAGE_SETBUF || in->BandFmt != VIPS_FORMAT_UCHAR)
		return TRUE;
	for (y = 0; y < in->Ysize; y++)
		if (!(in->Bands == 4 ? is_opaque(VIPS_IMAGE_ADDR(in, 0, y), in->Xsize, 4)
							 : is_opaque(VIPS_IMAGE_ADDR(in, 0, y), in->Xsize, in->Bands)))
			return TRUE;
	return FALSE;
}

static int
lines(VipsRegion *region, VipsImage *out, guint32 *sums, guint16 *part, int nx, int ny)
{
	VipsImage *in = region->im;
	gboolean alpha = thumbd_shows_through(in);
	int n = in->Xsize * in->Bands;
	int y, i;

	for (y = 0; y < out->Ysize; y++) {
		VipsRect r = { 0, y * ny, in->Xsize, VIPS_MIN(ny, in->Ysize - y * ny) };

		if (vips_region_prepare(region, &r))
			return -1;
		memset(sums, 0, n * sizeof(*sums));
		for (i = 0; i < r.height; i++) {
			VipsPel *p = VIPS_REGION_ADDR(region, 0, r.top + i);

			if (alpha)
				add_weighted(sums, p, in->Xsize, in->Bands);
			else
				add(part, p, n);
			if (!alpha && (i % PART == PART - 1 || i == r.height - 1))
				add_part(sums, part, n);
		}
		(alpha ? weighted : plain)(sums, VIPS_IMAGE_ADDR(out, 0, y),
			in->Xsize, out->Xsize, in->Bands, nx, r.height);
	}
	return 0;
}

int
thumbd_shrink_raw(VipsImage *in, int nx, int ny, VipsImage **out)
{
	VipsImage *t;
	VipsRegion *region;
	guint32 *sums;
	guint16 *part;
	gsize n = (gsize) in->Xsize * in->Bands;
	int result = -1;

	if (in->BandFmt != VIPS_FORMAT_UCHAR)
		return vips_shrink(in, out, nx, ny, "ceil", TRUE, NULL);
	t = vips_image_new_memory();
	if (vips_image_pipelinev(t, VIPS_DEMAND_STYLE_ANY, in, NULL))
		goto done;
	t->Xsize = (in->Xsize + nx - 1) / nx;
	t->Ysize = (in->Ysize + ny - 1) / ny;
	if (vips_image_write_prepare(t))
		goto done;
	region = vips_region_new(in);
	sums = g_try_new(guint32, n);
	part = g_try_new0(guint16, n);
	if (sums && part)
		result = lines(region, t, sums, part, nx, ny);
	else
		vips_error("thumbd", "no memory for the sums of a line");
	g_free(sums);
	g_free(part);
	g_object_unref(region);
done:
	if (result)
		g_object_unref(t);
	else
		*out = t;
	return result;
}
