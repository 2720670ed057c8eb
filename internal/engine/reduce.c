/* SPDX-License-Identifier: MIT */

#include "vips.h"

#include "plane/pixels.h"
#include "plane/wide.h"

/* A reduction by Lanczos3 of pictures of bytes, from any part of a pixel to any
 * whole number of them, by package plane. vips_reduce takes five times as long, and
 * whole pixels. */

/* So many lines are asked for at once. */
#define STRIP 16

static const uint8_t *
line(void *from, int y)
{
	VipsRegion *region = from;
	VipsRect rect = { 0, y, region->im->Xsize, MIN(STRIP, region->im->Ysize - y) };

	if (y % STRIP == 0 && vips_region_prepare(region, &rect))
		return NULL;
	return VIPS_REGION_ADDR(region, 0, y);
}

/* Whether the alphas of n pixels are all 255. */
WIDE static gboolean
is_opaque(const VipsPel *p, int n, int bands)
{
	VipsPel all = 255;
	int i;

	for (i = 0; i < n; i++)
		all &= p[i * bands + bands - 1];
	return all == 255;
}

/* Whether in, a picture of bytes, has an alpha that is not known to be opaque throughout:
 * of a picture in memory its pixels are looked at. */
static gboolean
shows_through(VipsImage *in)
{
	int y;

	if (!vips_image_hasalpha(in))
		return FALSE;
	if (in->dtype != VIPS_IMAGE_SETBUF)
		return TRUE;
	for (y = 0; y < in->Ysize; y++)
		if (!(in->Bands == 4 ? is_opaque(VIPS_IMAGE_ADDR(in, 0, y), in->Xsize, 4)
							 : is_opaque(VIPS_IMAGE_ADDR(in, 0, y), in->Xsize, in->Bands)))
			return TRUE;
	return FALSE;
}

static int
reduce(VipsImage *in, const Span *x, const Span *y, VipsImage *out)
{
	gboolean there = in->dtype == VIPS_IMAGE_SETBUF;
	VipsRegion *region = vips_region_new(in);
	Pixels pixels = {
		.width = in->Xsize, .height = in->Ysize, .bands = in->Bands,
		.alpha = shows_through(in),
		.pixels = there ? VIPS_IMAGE_ADDR(in, 0, 0) : NULL,
		.stride = VIPS_IMAGE_SIZEOF_LINE(in),
		.line = line, .from = region,
	};
	int result = pixels_resize(&pixels, x, y, VIPS_IMAGE_ADDR(out, 0, 0),
		VIPS_IMAGE_SIZEOF_LINE(out), passes_best());

	if (result == PIXELS_NO_MEMORY)
		vips_error("thumbd", "no memory to reduce a picture");
	g_object_unref(region);
	return result;
}

int
thumbd_reduce_bytes(VipsImage *in, double across, double down, int width, int height,
	VipsImage **out)
{
	VipsImage *t = vips_image_new_memory();
	Span x = { .step = across / width, .wanted = width, .parts = 1 };
	Span y = { .step = down / height, .wanted = height, .parts = 1 };

	if (vips_image_pipelinev(t, VIPS_DEMAND_STYLE_ANY, in, NULL))
		goto fail;
	t->Xsize = width;
	t->Ysize = height;
	if (vips_image_write_prepare(t) || reduce(in, &x, &y, t))
		goto fail;
	*out = t;
	return 0;
fail:
	g_object_unref(t);
	return -1;
}
