/* SPDX-License-Identifier: MIT */

#include "vips.h"

#include "plane/shrink.h"

static int
lines(VipsRegion *region, VipsImage *out, Shrink *s)
{
	VipsImage *in = region->im;
	int y, i;

	for (y = 0; y < out->Ysize; y++) {
		VipsRect r = { 0, y * s->ny, in->Xsize, VIPS_MIN(s->ny, in->Ysize - y * s->ny) };

		if (vips_region_prepare(region, &r))
			return -1;
		for (i = 0; i < r.height; i++)
			shrink_add(s, VIPS_REGION_ADDR(region, 0, r.top + i));
		shrink_take(s, VIPS_IMAGE_ADDR(out, 0, y));
	}
	return 0;
}

int
thumbd_shrink_raw(VipsImage *in, int nx, int ny, VipsImage **out)
{
	Shrink s = { .width = in->Xsize, .bands = in->Bands,
		.alpha = vips_image_hasalpha(in), .nx = nx, .ny = ny };
	VipsImage *t;
	VipsRegion *region;
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
	if (shrink_init(&s))
		vips_error("thumbd", "no memory for the sums of a line");
	else
		result = lines(region, t, &s);
	shrink_clear(&s);
	g_object_unref(region);
done:
	if (result)
		g_object_unref(t);
	else
		*out = t;
	return result;
}
