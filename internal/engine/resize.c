/* SPDX-License-Identifier: MIT */

#include "vips.h"

#include "plane/shrink.h"

#include <math.h>

int
thumbd_cut(VipsImage *in, const ThumbdRect *r, VipsImage **out)
{
	if (r->width == in->Xsize && r->height == in->Ysize) {
		*out = g_object_ref(in);
		return 0;
	}
	return vips_extract_area(in, out, r->left, r->top, r->width, r->height,
		NULL);
}

/* One axis of a reduction. The picture is first made from pixels long, by copies of its
 * last line, and then reduced to to pixels. If that is more than wanted, the rest is cut
 * off. */
typedef struct {
	int from, to;
	double factor;
} Axis;

/* vips_reduce takes whole pixels and centers its result: on an axis of 116.5 pixels,
 * every pixel would be off by a quarter. So the picture gets some more pixels at the
 * end. Their number is chosen so that the result has some more pixels, too, nearly a
 * whole number of them. */
static Axis
axis(double all, int wanted)
{
	Axis best = { 1, wanted, VIPS_MAX(1, all / wanted) };
	double least = 1;
	int more;

	for (more = 0; more < 8 && least > 0.02; more++) {
		double exact = (wanted + more) * best.factor;
		double off = fabs(exact - rint(exact));

		if (off < least) {
			least = off;
			best.from = VIPS_MAX(1, rint(exact));
			best.to = wanted + more;
		}
	}
	return best;
}

/* Reduces the picture. vips_resize would take a part of a pixel at the end for a
 * whole pixel, so its result would be off by up to a pixel there. */
static int
reduce(VipsImage *in, double across, double down, int width, int height,
	VipsImage **out)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 2);
	Axis x = axis(across, width);
	Axis y = axis(down, height);
	ThumbdRect wanted = { 0, 0, width, height };
	int result = -1;

	if (in->BandFmt == VIPS_FORMAT_UCHAR) {
		result = thumbd_reduce_bytes(in, across, down, width, height, out);
		goto done;
	}
	if ((x.from == in->Xsize && y.from == in->Ysize
				? vips_copy(in, &t[0], NULL)
				: vips_embed(in, &t[0], 0, 0, x.from, y.from,
					  "extend", VIPS_EXTEND_COPY, NULL)) ||
		vips_reduce(t[0], &t[1], x.factor, y.factor, NULL) ||
		thumbd_cut(t[1], &wanted, out))
		goto done;
	result = 0;
done:
	g_object_unref(scope);
	return result;
}

int
thumbd_resize(VipsImage *in, double across, double down, int width, int height,
	VipsImage **out)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 2);
	VipsInterpolate *bicubic = NULL;
	VipsArrayInt *all = vips_array_int_newv(4, 0, 0, width, height);
	int w = VIPS_MIN(width, in->Xsize);
	int h = VIPS_MIN(height, in->Ysize);
	int result = -1;

	if (w == in->Xsize && h == in->Ysize)
		t[0] = g_object_ref(in);
	else if (reduce(in, across, down, w, h, &t[0]))
		goto done;
	if (t[0]->Xsize == width && t[0]->Ysize == height) {
		*out = g_object_ref(t[0]);
		result = 0;
		goto done;
	}
	/* vips_resize of libvips 8.14 enlarges half a pixel too far to the right. In
	 * memory, as tiles are read from left to right. */
	if (!(bicubic = vips_interpolate_new("bicubic")) ||
		!(t[1] = vips_image_copy_memory(t[0])))
		goto done;
	result = vips_affine(t[1], out, (double) width / t[1]->Xsize, 0, 0,
		(double) height / t[1]->Ysize, "interpolate", bicubic, "oarea", all,
		"idx", 0.5, "idy", 0.5, "odx", -0.5, "ody", -0.5,
		"extend", VIPS_EXTEND_COPY, "premultiplied", TRUE, NULL);
done:
	if (bicubic)
		g_object_unref(bicubic);
	vips_area_unref(VIPS_AREA(all));
	g_object_unref(scope);
	return result;
}

/* Undoes vips_premultiply for a picture of samples of type format. vips_cast truncates,
 * so whole numbers are rounded before. */
static int
unmultiply(VipsImage *in, VipsBandFormat format, VipsImage **out)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 2);
	int result = -1;

	if (!vips_unpremultiply(in, &t[0], NULL) &&
		!vips_linear1(t[0], &t[1], 1.0,
			vips_band_format_isint(format) ? 0.5 : 0.0, NULL))
		result = vips_cast(t[1], out, format, NULL);
	g_object_unref(scope);
	return result;
}

/* Shrinks by nx across and ny down, samples of any type. */
static int
shrink(VipsImage *in, int nx, int ny, VipsImage **out)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 2);
	int result = -1;

	if (nx == 1 && ny == 1) {
		*out = g_object_ref(in);
		result = 0;
	}
	else if (in->BandFmt == VIPS_FORMAT_UCHAR || !vips_image_hasalpha(in))
		result = thumbd_shrink_raw(in, nx, ny, out);
	else if (!vips_premultiply(in, &t[0], NULL) &&
		!thumbd_shrink_raw(t[0], nx, ny, &t[1]))
		result = unmultiply(t[1], in->BandFmt, out);
	g_object_unref(scope);
	return result;
}

/* A resize by libvips, of colors that are multiplied by alpha meanwhile. Others would
 * bleed from the transparent parts into the edges of the rest. */
static int
multiplied(VipsImage *in, double across, double down, int width, int height,
	VipsImage **out)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 2);
	int result = -1;

	if (!vips_premultiply(in, &t[0], NULL) &&
		!thumbd_resize(t[0], across, down, width, height, &t[1]))
		result = unmultiply(t[1], in->BandFmt, out);
	g_object_unref(scope);
	return result;
}

/* Shrinks first, as far as a factor of 2 is left to reduce. */
static int
resize(VipsImage *in, const ThumbdPlan *plan, VipsImage **out)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 2);
	int nx = VIPS_MAX(1, (int) (plan->across / plan->width / 2));
	int ny = VIPS_CLIP(1, (int) (plan->down / plan->height / 2), SHRINK_MOST);
	double across = plan->across / nx;
	double down = plan->down / ny;
	gboolean grows, stays;
	int result = -1;

	if (shrink(in, nx, ny, &t[0]))
		goto done;
	grows = plan->width > t[0]->Xsize || plan->height > t[0]->Ysize;
	stays = plan->width == t[0]->Xsize && plan->height == t[0]->Ysize;
	/* thumbd_reduce_bytes knows the alpha of bytes, but it does not enlarge. */
	if (vips_image_hasalpha(in) && (grows || (!stays && in->BandFmt != VIPS_FORMAT_UCHAR)))
		result = multiplied(t[0], across, down, plan->width, plan->height, &t[1]);
	else
		result = thumbd_resize(t[0], across, down, plan->width, plan->height, &t[1]);
	if (!result)
		result = thumbd_cut(t[1], &plan->cut, out);
done:
	g_object_unref(scope);
	return result;
}

int
thumbd_shrink(VipsImage *in, int n, VipsImage **out)
{
	VipsImage *t;

	if (shrink(in, n, n, &t))
		return -1;
	*out = vips_image_copy_memory(t);
	g_object_unref(t);
	return *out ? 0 : -1;
}

int
thumbd_resize_and_cut(VipsImage *in, const ThumbdPlan *plan, VipsImage **out)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 2);
	int result = -1;

	if (!thumbd_cut(in, &plan->source, &t[0]) &&
		!resize(t[0], plan, &t[1]) &&
		(*out = vips_image_copy_memory(t[1])))
		result = 0;
	g_object_unref(scope);
	return result;
}

