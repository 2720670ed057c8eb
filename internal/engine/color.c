/* SPDX-License-Identifier: MIT */

#include "vips.h"

#include <string.h>

static int
icc(VipsImage *in, ThumbdProfile profile, VipsImage **out)
{
	return vips_icc_transform(in, out, "srgb", "embedded", TRUE, "depth", 8,
		"intent", profile == THUMBD_PROFILE_PERCEPTUAL ?
			VIPS_INTENT_PERCEPTUAL : VIPS_INTENT_RELATIVE,
		"black_point_compensation", TRUE, NULL);
}

/* vips_icc_transform cuts an alpha of 16 bits to 8, and does not scale it. */
static int
icc_deep(VipsImage *in, ThumbdProfile profile, VipsImage **out)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 5);
	int result = -1;

	if (!vips_extract_band(in, &t[0], 0, "n", in->Bands - 1, NULL) &&
		!icc(t[0], profile, &t[1]) &&
		!vips_extract_band(in, &t[2], in->Bands - 1, NULL) &&
		!vips_rshift_const1(t[2], &t[3], 8, NULL) &&
		!vips_cast(t[3], &t[4], VIPS_FORMAT_UCHAR, NULL))
		result = vips_bandjoin2(t[1], t[4], out, NULL);
	g_object_unref(scope);
	return result;
}

/* The picture in, of gray, in red, green and blue. */
static int
widen(VipsImage *in, VipsImage **out)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 2);
	VipsImage *bands[3];
	int result = -1;

	if (!vips_extract_band(in, &t[0], 0, NULL)) {
		bands[0] = bands[1] = t[0];
		bands[2] = in; /* with its alpha */
		if (!vips_bandjoin(bands, &t[1], 3, NULL))
			result = vips_copy(t[1], out, "interpretation",
				in->BandFmt == VIPS_FORMAT_USHORT ? VIPS_INTERPRETATION_RGB16
												  : VIPS_INTERPRETATION_sRGB,
				NULL);
	}
	g_object_unref(scope);
	return result;
}

/* The picture in, converted by the profile that is embedded in it. A gray picture may
 * have a profile of red, green and blue. */
static int
embedded(VipsImage *in, ThumbdProfile profile, VipsImage **out)
{
	VipsImage *t = NULL;
	const void *data;
	size_t length;
	int result = -1;

	if (vips_image_get_blob(in, VIPS_META_ICC_NAME, &data, &length))
		return -1;
	if (!(in->Bands < 3 && length >= 20 && !memcmp((const char *) data + 16, "RGB ", 4)
				? widen(in, &t) : vips_copy(in, &t, NULL)) &&
		vips_icc_is_compatible_profile(t, data, length))
		result = (vips_image_hasalpha(t) && t->BandFmt == VIPS_FORMAT_USHORT
				? icc_deep : icc)(t, profile, out);
	if (t)
		g_object_unref(t);
	return result;
}

/* A profile that can't be used is as good as none: browsers show such pictures
 * too. */
static int
transform(VipsImage *in, ThumbdProfile profile, VipsImage **out)
{
	if (profile != THUMBD_PROFILE_NONE && !embedded(in, profile, out))
		return 0;
	vips_error_clear();
	if (in->Type == VIPS_INTERPRETATION_CMYK)
		return vips_icc_transform(in, out, "srgb", "input_profile", "cmyk",
			"depth", 8, "intent", VIPS_INTENT_RELATIVE,
			"black_point_compensation", TRUE, NULL);
	return vips_copy(in, out, NULL);
}

/* The bytes and bands that all after this is made for. libvips' color spaces
 * keep each sample beyond the colors, and a picture that is in its space
 * already keeps its numbers. */
static int
bound(VipsImage *in, VipsImage **out)
{
	VipsImage *t;
	int most = in->Type == VIPS_INTERPRETATION_B_W ? 2 : THUMBD_BANDS;
	int result;

	if (vips_cast(in, &t, VIPS_FORMAT_UCHAR, NULL))
		return -1;
	result = vips_extract_band(t, out, 0, "n", VIPS_MIN(t->Bands, most), NULL);
	g_object_unref(t);
	return result;
}

/* From floats, rounded. */
static int
whole(VipsImage *in, VipsBandFormat format, VipsImage **out)
{
	VipsImage *t;
	int result;

	if (vips_linear1(in, &t, 1.0, 0.5, NULL))
		return -1;
	result = vips_cast(t, out, format, NULL);
	g_object_unref(t);
	return result;
}

/* The picture in with an alpha of the whole range. */
static int
stretch(VipsImage *in, VipsImage **out)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 4);
	double all = in->BandFmt == VIPS_FORMAT_USHORT ? 65535 : 255;
	int result = -1;

	if (!vips_extract_band(in, &t[0], 0, "n", in->Bands - 1, NULL) &&
		!vips_extract_band(in, &t[1], in->Bands - 1, NULL) &&
		!vips_linear1(t[1], &t[2], 255.0 / (235 - 16), -16.0 / (235 - 16) * all, NULL) &&
		!whole(t[2], in->BandFmt, &t[3]))
		result = vips_bandjoin2(t[0], t[3], out, NULL);
	g_object_unref(scope);
	return result;
}

int
thumbd_straighten(VipsImage *in, gboolean multiplied, gboolean limited,
	VipsImage **out)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 2);
	int result = -1;

	if (!(limited ? stretch(in, &t[0]) : vips_copy(in, &t[0], NULL))) {
		if (!multiplied)
			result = vips_copy(t[0], out, NULL);
		else if (!vips_unpremultiply(t[0], &t[1], NULL))
			result = whole(t[1], in->BandFmt, out);
	}
	g_object_unref(scope);
	return result;
}

int
thumbd_normalize(VipsImage *in, ThumbdProfile profile, VipsImage **out)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 3);
	VipsInterpretation space = in->Bands < 3 ?
		VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
	int result = -1;

	if (!transform(in, profile, &t[0]) &&
		!vips_colourspace(t[0], &t[1], space, NULL) &&
		!bound(t[1], &t[2]) &&
		!vips_autorot(t[2], out, NULL))
		result = 0;
	g_object_unref(scope);
	return result;
}
