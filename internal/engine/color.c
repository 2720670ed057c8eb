/* SPDX-License-Identifier: MIT */

#include "vips.h"

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

/* A profile that can't be used is as good as none: browsers show such pictures
 * too. */
static int
transform(VipsImage *in, ThumbdProfile profile, VipsImage **out)
{
	gboolean cmyk = in->Type == VIPS_INTERPRETATION_CMYK;
	gboolean deep = vips_image_hasalpha(in) && in->BandFmt == VIPS_FORMAT_USHORT;
	const void *data;
	size_t length;

	if (profile != THUMBD_PROFILE_NONE &&
		!vips_image_get_blob(in, VIPS_META_ICC_NAME, &data, &length) &&
		vips_icc_is_compatible_profile(in, data, length) &&
		!(deep ? icc_deep : icc)(in, profile, out))
		return 0;
	vips_error_clear();
	if (cmyk)
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
