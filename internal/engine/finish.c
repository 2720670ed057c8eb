/* SPDX-License-Identifier: MIT */

#include "vips.h"

#include <math.h>

/* If a blur has this sigma or more, it is done on a smaller picture. So its cost does
 * not grow with sigma, and the blur would remove the lost detail anyway. */
#define WIDE 6.0

static int
gaussian(VipsImage *in, double sigma, VipsImage **out)
{
	return vips_gaussblur(in, out, sigma, "min_ampl", 0.01, NULL);
}

static int
wide(VipsImage *in, double sigma, VipsImage **out)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 3);
	int n = VIPS_CLIP(1, (int) (sigma * 2 / WIDE), VIPS_MIN(in->Xsize, in->Ysize));
	/* The mean of n pixels is a blur, too. */
	double rest = sqrt(VIPS_MAX(sigma * sigma - n * n / 12.0, 0)) / n;
	int result = -1;

	if (!vips_shrink(in, &t[0], n, n, "ceil", TRUE, NULL) &&
		!gaussian(t[0], rest, &t[1]) &&
		!thumbd_resize(t[1], t[1]->Xsize, t[1]->Ysize, t[1]->Xsize * n,
			t[1]->Ysize * n, &t[2]) &&
		!vips_extract_area(t[2], out, 0, 0, in->Xsize, in->Ysize, NULL))
		result = 0;
	g_object_unref(scope);
	return result;
}

/* The picture in blurred, as floats. Colors count as far as they show. */
static int
blur(VipsImage *in, double sigma, VipsImage **out)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 3);
	gboolean alpha = vips_image_hasalpha(in);
	int result = -1;

	if ((alpha ? vips_premultiply(in, &t[0], NULL)
			   : vips_cast(in, &t[0], VIPS_FORMAT_FLOAT, NULL)) ||
		(sigma < WIDE ? gaussian(t[0], sigma, &t[1]) : wide(t[0], sigma, &t[1])) ||
		(alpha ? vips_unpremultiply(t[1], out, NULL) : vips_copy(t[1], out, NULL)))
		goto done;
	result = 0;
done:
	g_object_unref(scope);
	return result;
}

/* vips_cast truncates. */
static int
bytes(VipsImage *in, VipsImage **out)
{
	VipsImage *t;
	int result;

	if (vips_linear1(in, &t, 1.0, 0.5, NULL))
		return -1;
	result = vips_cast(t, out, VIPS_FORMAT_UCHAR, NULL);
	g_object_unref(t);
	return result;
}

/* Sharpens in: adds its difference to a blur of itself, times amount. Alpha stays. */
static int
sharpen(VipsImage *in, double amount, double sigma, VipsImage **out)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 8);
	gboolean alpha = vips_image_hasalpha(in);
	int colors = in->Bands - (alpha ? 1 : 0);
	int result = -1;

	if (blur(in, sigma, &t[0]) ||
		vips_extract_band(t[0], &t[1], 0, "n", colors, NULL) ||
		vips_extract_band(in, &t[2], 0, "n", colors, NULL) ||
		vips_linear1(t[2], &t[3], 1 + amount, 0, NULL) ||
		vips_linear1(t[1], &t[4], -amount, 0, NULL) ||
		vips_add(t[3], t[4], &t[5], NULL) ||
		bytes(t[5], &t[6]))
		goto done;
	if (!alpha)
		result = vips_copy(t[6], out, NULL);
	else if (!vips_extract_band(in, &t[7], colors, NULL))
		result = vips_bandjoin2(t[6], t[7], out, NULL);
done:
	g_object_unref(scope);
	return result;
}

static int
process(VipsImage *in, const ThumbdFinish *f, VipsImage **out)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 3);
	int result = -1;

	if ((f->gray ? vips_colourspace(in, &t[0], VIPS_INTERPRETATION_B_W, NULL)
				 : vips_copy(in, &t[0], NULL)))
		goto done;
	if (f->blur > 0) {
		if (blur(t[0], f->blur, &t[1]) || bytes(t[1], &t[2]))
			goto done;
	}
	else if (vips_copy(t[0], &t[2], NULL))
		goto done;
	result = f->sharpen > 0 ? sharpen(t[2], f->sharpen, f->sharpen_sigma, out)
							: vips_copy(t[2], out, NULL);
done:
	g_object_unref(scope);
	return result;
}

/* The picture in with the bands that its ground needs. */
static int
ground(VipsImage *in, const ThumbdFinish *f, gboolean padded, VipsImage **out)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 1);
	gboolean colored = f->color[0] != f->color[1] || f->color[1] != f->color[2];
	gboolean alpha = vips_image_hasalpha(in);
	VipsArrayDouble *color;
	int result = -1;

	if (in->Bands < 3 && f->background && colored && (alpha || padded)
			? vips_colourspace(in, &t[0], VIPS_INTERPRETATION_sRGB, NULL)
			: vips_copy(in, &t[0], NULL))
		goto done;
	if (f->background && alpha) {
		color = vips_array_double_new(f->color, t[0]->Bands > 2 ? 3 : 1);
		result = vips_flatten(t[0], out, "background", color, NULL);
		vips_area_unref(VIPS_AREA(color));
	}
	else if (padded && !alpha && !f->background && !f->opaque)
		result = vips_addalpha(t[0], out, NULL);
	else
		result = vips_copy(t[0], out, NULL);
done:
	g_object_unref(scope);
	return result;
}

static int
pad(VipsImage *in, const ThumbdFinish *f, VipsImage **out)
{
	static const double nothing[THUMBD_BANDS];
	static const double white[3] = { 255, 255, 255 };
	gboolean alpha = vips_image_hasalpha(in);
	const double *color = f->background ? f->color : alpha ? nothing : white;
	VipsArrayDouble *background = vips_array_double_new(color,
		alpha ? in->Bands : in->Bands > 2 ? 3 : 1);
	int result = vips_embed(in, out, f->left, f->top, f->width, f->height,
		"extend", VIPS_EXTEND_BACKGROUND, "background", background, NULL);

	vips_area_unref(VIPS_AREA(background));
	return result;
}

int
thumbd_finish(VipsImage *in, const ThumbdFinish *f, VipsImage **out)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 2);
	gboolean padded = f->width != in->Xsize || f->height != in->Ysize;
	int result = -1;

	if (!process(in, f, &t[0]) &&
		!ground(t[0], f, padded, &t[1]) &&
		!(padded ? pad(t[1], f, out) : vips_copy(t[1], out, NULL)))
		result = 0;
	g_object_unref(scope);
	return result;
}

int
thumbd_fade(VipsImage *in, double opacity, VipsImage **out)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 5);
	int result = -1;

	if ((vips_image_hasalpha(in) ? vips_copy(in, &t[0], NULL)
								 : vips_addalpha(in, &t[0], NULL)) ||
		vips_extract_band(t[0], &t[1], 0, "n", t[0]->Bands - 1, NULL) ||
		vips_extract_band(t[0], &t[2], t[0]->Bands - 1, NULL) ||
		vips_linear1(t[2], &t[3], opacity, 0, NULL) ||
		bytes(t[3], &t[4]))
		goto done;
	result = vips_bandjoin2(t[1], t[4], out, NULL);
done:
	g_object_unref(scope);
	return result;
}

int
thumbd_overlay(VipsImage *in, VipsImage *mark, int left, int top,
	VipsImage **out)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 4);
	VipsInterpretation space = in->Bands < 3 && mark->Bands < 3
		? VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
	gboolean alpha = vips_image_hasalpha(in);
	int result = -1;

	if (vips_colourspace(in, &t[0], space, NULL) ||
		vips_colourspace(mark, &t[1], space, NULL) ||
		vips_composite2(t[0], t[1], &t[2], VIPS_BLEND_MODE_OVER,
			"x", left, "y", top, "compositing_space", space, NULL) ||
		bytes(t[2], &t[3]))
		goto done;
	result = alpha ? vips_copy(t[3], out, NULL)
				   : vips_extract_band(t[3], out, 0, "n", t[3]->Bands - 1, NULL);
done:
	g_object_unref(scope);
	return result;
}

int
thumbd_join(VipsImage **frames, int n, VipsImage **out)
{
	VipsImage *t;

	if (vips_arrayjoin(frames, &t, n, "across", 1, NULL))
		return -1;
	*out = vips_image_copy_memory(t);
	g_object_unref(t);
	return *out ? 0 : -1;
}
