/* SPDX-License-Identifier: MIT */

#include "vips.h"

#include <string.h>

/* Whether a field of a picture stays: comments, but none with blocks that other
 * programs have put into the text of a PNG. */
static gboolean
stays(const char *field, ThumbdMetadata metadata)
{
	return metadata == THUMBD_METADATA_ALL &&
		(g_str_has_prefix(field, "png-comment-") || g_str_has_prefix(field, "jpeg-comment-")) &&
		!strstr(field, "Raw profile type");
}

static void
put(VipsImage *image, const char *field, ThumbdBlock block)
{
	if (block.data)
		vips_image_set_blob_copy(image, field, block.data, block.length);
}

/* libvips writes a field as it shows fields: without the remark in brackets
 * that it puts behind their values. */
static void
set(VipsImage *image, const char *field, const char *text)
{
	char *value;

	if (!text)
		return;
	value = g_strconcat(text, " ()", NULL);
	vips_image_set_string(image, field, value);
	g_free(value);
}

/* Writes artist and copyright into an EXIF block of their own. */
static void
claim(VipsImage *image, const ThumbdEncoding *e)
{
	static const char empty[] =
		"Exif\0\0II*\0\010\0\0\0\0\0\0\0\0"; /* no entry, no further directory */

	vips_image_set_blob_copy(image, VIPS_META_EXIF_NAME, empty, sizeof(empty));
	set(image, "exif-ifd0-Artist", e->artist);
	set(image, "exif-ifd0-Copyright", e->copyright);
}

/* Sets the metadata that makes frames below one another an animation. */
static void
animate(VipsImage *image, const ThumbdEncoding *e)
{
	if (e->frames < 2)
		return;
	vips_image_set_int(image, VIPS_META_PAGE_HEIGHT, image->Ysize / e->frames);
	vips_image_set_int(image, "loop", e->loop);
	if (e->delay)
		vips_image_set_array_int(image, "delay", e->delay, e->frames);
}

/* Sets the metadata that a thumbnail keeps. Metadata about the original's pixels is
 * dropped: it is not true of the thumbnail. */
static int
describe(VipsImage *in, const ThumbdEncoding *e, VipsImage **out)
{
	char **fields;
	int i;

	if (vips_copy(in, out, NULL))
		return -1;
	if (!(fields = vips_image_get_fields(*out)))
		return -1;
	for (i = 0; fields[i]; i++)
		if (!stays(fields[i], e->metadata))
			vips_image_remove(*out, fields[i]);
	g_strfreev(fields);
	put(*out, VIPS_META_EXIF_NAME, e->exif);
	put(*out, VIPS_META_XMP_NAME, e->xmp);
	put(*out, VIPS_META_IPTC_NAME, e->iptc);
	if (e->artist || e->copyright)
		claim(*out, e);
	/* libexif would write that the colors are not sRGB's. */
	if (vips_image_get_typeof(*out, VIPS_META_EXIF_NAME))
		set(*out, "exif-ifd2-ColorSpace", "1");
	animate(*out, e);
	return 0;
}

static int
is_opaque(VipsImage *in, gboolean *yes)
{
	VipsImage *alpha;
	double least;
	int result;

	if (vips_extract_band(in, &alpha, in->Bands - 1, NULL))
		return -1;
	result = vips_min(alpha, &least, NULL);
	g_object_unref(alpha);
	*yes = least >= 255;
	return result;
}

/* The bands of the file: no alpha if it is opaque throughout, and white below
 * transparent pixels if the format has no alpha. */
static int
flatten(VipsImage *in, gboolean opaque, VipsImage **out)
{
	gboolean plain = FALSE;
	VipsArrayDouble *white;
	int result;

	if (vips_image_hasalpha(in)) {
		if (is_opaque(in, &plain))
			return -1;
		if (plain)
			return vips_extract_band(in, out, 0, "n", in->Bands - 1, NULL);
	}
	if (!vips_image_hasalpha(in) || !opaque) {
		*out = g_object_ref(in);
		return 0;
	}
	white = vips_array_double_newv(1, 255.0);
	result = vips_flatten(in, out, "background", white, NULL);
	vips_area_unref(VIPS_AREA(white));
	return result;
}

int
thumbd_flat(VipsImage *in, gboolean opaque, VipsImage **out)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 3);
	int result = -1;

	/* Alpha is looked at before the picture is. A picture that is in memory as it shall
	 * be is not copied. */
	t[0] = in->BandFmt == VIPS_FORMAT_UCHAR ? g_object_ref(in) : NULL;
	if ((t[0] || !vips_cast_uchar(in, &t[0], NULL)) &&
		(t[1] = vips_image_hasalpha(in) ? vips_image_copy_memory(t[0]) : g_object_ref(t[0])) &&
		!flatten(t[1], opaque, &t[2]) &&
		(*out = vips_image_copy_memory(t[2])))
		result = 0;
	g_object_unref(scope);
	return result;
}

/* The picture in without black. */
static int
lighten(VipsImage *in, VipsImage **out)
{
	VipsPel *p;
	guint64 i;

	*out = vips_image_new_memory();
	if (vips_image_write(in, *out))
		return -1;
	p = VIPS_IMAGE_ADDR(*out, 0, 0);
	for (i = 0; i < VIPS_IMAGE_N_PELS(*out); i++, p += in->Bands)
		p[0] = VIPS_MAX(p[0], 1);
	return 0;
}

/* If a pixel has the same color as in the frame before, cgif leaves it out of the
 * frame. cgif takes a transparent pixel for black, its entry in the palette of the
 * frame before. So if black covers a transparent pixel, the black would be lost. */
static int
save_gif(VipsImage *in, const ThumbdEncoding *e, gboolean strip, void **buffer, size_t *length)
{
	VipsImage *t = NULL;
	int result = -1;

	if (!(e->frames > 1 && vips_image_hasalpha(in) ? lighten(in, &t) : vips_copy(in, &t, NULL)))
		result = vips_gifsave_buffer(t, buffer, length, THUMBD_STRIP(strip), "effort", 4, NULL);
	if (t)
		g_object_unref(t);
	return result;
}

/* Only the metadata of this JPEG is used: package jpeg writes the picture. */
static int
save_jpeg(VipsImage *in, G_GNUC_UNUSED const ThumbdEncoding *e, gboolean strip, void **buffer, size_t *length)
{
	return vips_jpegsave_buffer(in, buffer, length, THUMBD_STRIP(strip), NULL);
}

static int
save_png(VipsImage *in, const ThumbdEncoding *e, gboolean strip, void **buffer, size_t *length)
{
	return thumbd_save_png(in, strip, e->palette, buffer, length);
}

static int
save_webp(VipsImage *in, const ThumbdEncoding *e, gboolean strip, void **buffer, size_t *length)
{
	return vips_webpsave_buffer(in, buffer, length, THUMBD_STRIP(strip),
		"Q", e->quality, "effort", 4, NULL);
}

static int
save_avif(VipsImage *in, const ThumbdEncoding *e, gboolean strip, void **buffer, size_t *length)
{
	return vips_heifsave_buffer(in, buffer, length, THUMBD_STRIP(strip),
		"Q", e->quality, "effort", 1,
		"compression", VIPS_FOREIGN_HEIF_COMPRESSION_AV1, NULL);
}

/* The formats of thumbnails. The settings are explained in the package's
 * documentation. */
static const struct {
	const char *format;
	int (*save)(VipsImage *in, const ThumbdEncoding *e, gboolean strip,
		void **buffer, size_t *length);
} encoders[] = {
	{ "jpg", save_jpeg },
	{ "png", save_png },
	{ "webp", save_webp },
	{ "avif", save_avif },
	{ "gif", save_gif },
};

static int
save(VipsImage *in, const ThumbdEncoding *e, void **buffer, size_t *length)
{
	gboolean strip = e->metadata != THUMBD_METADATA_ALL && !e->artist && !e->copyright;
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(encoders); i++)
		if (!strcmp(encoders[i].format, e->format))
			return encoders[i].save(in, e, strip, buffer, length);
	vips_error("thumbd", "no encoder for format %s", e->format);
	return -1;
}

int
thumbd_encode(VipsImage *in, const ThumbdEncoding *e, void **buffer,
	size_t *length)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 2);
	int result = -1;

	/* The colors of a PNG are looked at before the picture is. */
	if (!thumbd_flat(in, e->opaque, &t[0]) &&
		!describe(t[0], e, &t[1]) &&
		!save(t[1], e, buffer, length))
		result = 0;
	g_object_unref(scope);
	return result;
}

int
thumbd_gray(int width, int height, VipsImage **out)
{
	VipsImage *t;

	if (vips_black(&t, width, height, NULL))
		return -1;
	*out = vips_image_copy_memory(t);
	g_object_unref(t);
	return *out ? 0 : -1;
}

int
thumbd_decode_gray(const void *file, size_t length, const char *format,
	VipsImage **out)
{
	const ThumbdLoading loading = { .format = format, .divisor = 1, .scale = 1, .frames = 1 };
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 2);
	VipsSource *source = thumbd_source(file, length);
	int result = -1;

	/* Green is nearest to luma. */
	if (source && !thumbd_load(source, &loading, &t[0]) &&
		!vips_extract_band(t[0], &t[1], t[0]->Bands < 3 ? 0 : 1, NULL) &&
		(*out = vips_image_copy_memory(t[1])))
		result = 0;
	g_object_unref(scope);
	if (source)
		g_object_unref(source);
	return result;
}
