/* SPDX-License-Identifier: MIT */

#include "vips.h"

#include <malloc.h>
#include <math.h>
#include <sys/mman.h>

static void
quiet(const char *domain, GLogLevelFlags level, const char *message, void *data)
{
}

void
thumbd_settings(void)
{
	/* A damaged original would fill the log with its warnings; what matters
	 * comes back as an error. */
	g_log_set_handler("VIPS", G_LOG_LEVEL_WARNING, quiet, NULL);
	vips_block_untrusted_set(TRUE);
	/* Of the loaders that libvips calls untrusted, those for which a site can
	 * ask. They see no file of another format, as every loader is called by
	 * its name. */
	vips_operation_block_set("VipsForeignLoadSvg", FALSE);
	vips_operation_block_set("VipsForeignLoadJxl", FALSE);
	vips_concurrency_set(1);
	vips_leak_set(FALSE);
#ifdef M_ARENA_MAX
	/* Arenas for each of the library's threads would keep what they freed. */
	mallopt(M_ARENA_MAX, 2);
#endif
}

int
thumbd_load(VipsSource *source, const ThumbdLoading *l, VipsImage **out)
{
	int pages = l->animated ? -1 : 1;

	switch (l->format) {
	case THUMBD_JPEG:
		return vips_jpegload_source(source, out, "shrink", l->shrink,
			"access", VIPS_ACCESS_SEQUENTIAL,
			"fail_on", VIPS_FAIL_ON_ERROR, NULL);
	case THUMBD_PNG:
		return vips_pngload_source(source, out,
			"access", VIPS_ACCESS_SEQUENTIAL,
			"fail_on", VIPS_FAIL_ON_ERROR, NULL);
	case THUMBD_WEBP:
		return vips_webpload_source(source, out, "scale", l->scale, "n", pages,
			"access", VIPS_ACCESS_SEQUENTIAL,
			"fail_on", VIPS_FAIL_ON_ERROR, NULL);
	case THUMBD_AVIF:
	case THUMBD_HEIC:
		return vips_heifload_source(source, out,
			"access", VIPS_ACCESS_SEQUENTIAL,
			"fail_on", VIPS_FAIL_ON_ERROR, NULL);
	case THUMBD_GIF:
		return vips_gifload_source(source, out, "n", pages,
			"access", VIPS_ACCESS_SEQUENTIAL,
			"fail_on", VIPS_FAIL_ON_ERROR, NULL);
	case THUMBD_TIFF:
		/* Strips lie anywhere in the file: decode all to know all is there. */
		return vips_tiffload_source(source, out, "memory", TRUE,
			"fail_on", VIPS_FAIL_ON_ERROR, NULL);
	case THUMBD_SVG:
		return vips_svgload_source(source, out, "scale", l->scale,
			"access", VIPS_ACCESS_SEQUENTIAL,
			"fail_on", VIPS_FAIL_ON_ERROR, NULL);
	case THUMBD_JXL:
		return vips_jxlload_source(source, out,
			"access", VIPS_ACCESS_SEQUENTIAL,
			"fail_on", VIPS_FAIL_ON_ERROR, NULL);
	}
	vips_error("thumbd", "no loader for format %d", l->format);
	return -1;
}

gboolean
thumbd_has(const char *operation)
{
	return vips_type_find("VipsOperation", operation) != 0;
}

int
thumbd_frame(VipsImage *in, int top, int height, VipsImage **out)
{
	return vips_extract_area(in, out, 0, top, in->Xsize, height, NULL);
}

static int
extract(VipsImage *in, const ThumbdRect *r, VipsImage **out)
{
	if (r->width == in->Xsize && r->height == in->Ysize)
		return vips_copy(in, out, NULL);
	return vips_extract_area(in, out, r->left, r->top, r->width, r->height,
		NULL);
}

/* One axis of a reduction: how long the picture is made, by lines like its last
 * one, and how long it then becomes, of which more than wanted is cut off. */
typedef struct {
	int from, to;
	double factor;
} Axis;

/* vips_reduce takes whole pixels and centers what becomes of them, so that of
 * an axis of 116.5 pixels all is a quarter of a pixel off. Some more pixels at
 * the end, of which as exactly as can be some more come out, undo that. */
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

/* To a smaller size. vips_resize would take the part of a pixel that is left
 * over for a whole one, and what it makes be off by up to one at the other
 * end. */
static int
lanczos(VipsImage *in, double across, double down, int width, int height,
	VipsImage **out)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 2);
	Axis x = axis(across, width);
	Axis y = axis(down, height);
	ThumbdRect wanted = { 0, 0, width, height };
	int result = -1;

	if ((x.from == in->Xsize && y.from == in->Ysize
				? vips_copy(in, &t[0], NULL)
				: vips_embed(in, &t[0], 0, 0, x.from, y.from,
					  "extend", VIPS_EXTEND_COPY, NULL)) ||
		vips_reduce(t[0], &t[1], x.factor, y.factor, NULL) ||
		extract(t[1], &wanted, out))
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

	if (w < in->Xsize || h < in->Ysize
			? lanczos(in, across, down, w, h, &t[0])
			: vips_copy(in, &t[0], NULL))
		goto done;
	if (t[0]->Xsize == width && t[0]->Ysize == height) {
		*out = g_object_ref(t[0]);
		result = 0;
		goto done;
	}
	/* vips_resize of libvips 8.14 enlarges half a pixel to the right of where
	 * it should. In memory, as tiles are read from left to right. */
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

/* The means of nx x ny pixels, whatever they are. */
static int
means(VipsImage *in, int nx, int ny, VipsImage **out)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 4);
	int result = -1;

	if (nx == 1 && ny == 1)
		result = vips_copy(in, out, NULL);
	else if (in->BandFmt == VIPS_FORMAT_UCHAR || !vips_image_hasalpha(in))
		result = thumbd_mean(in, nx, ny, out);
	else if (!vips_premultiply(in, &t[0], NULL) &&
		!thumbd_mean(t[0], nx, ny, &t[1]) &&
		!vips_unpremultiply(t[1], &t[2], NULL) &&
		!vips_linear1(t[2], &t[3], 1.0,
			vips_band_format_isint(in->BandFmt) ? 0.5 : 0.0, NULL))
		result = vips_cast(t[3], out, in->BandFmt, NULL);
	g_object_unref(scope);
	return result;
}

/* Colors that alpha does not multiply would bleed from the transparent parts
 * into the edges of the others. As many pixels as leave twice as many for
 * Lanczos3 become their mean first. */
static int
resize(VipsImage *in, const ThumbdPlan *plan, VipsImage **out)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 6);
	gboolean alpha = vips_image_hasalpha(in) &&
		(plan->width != in->Xsize || plan->height != in->Ysize);
	int nx = VIPS_MAX(1, (int) (plan->across / plan->width / 2));
	int ny = VIPS_MAX(1, (int) (plan->down / plan->height / 2));
	int result = -1;

	if (means(in, nx, ny, &t[0]) ||
		(alpha ? vips_premultiply(t[0], &t[1], NULL) : vips_copy(t[0], &t[1], NULL)) ||
		thumbd_resize(t[1], plan->across / nx, plan->down / ny, plan->width, plan->height, &t[2]) ||
		extract(t[2], &plan->cut, &t[3]))
		goto done;
	if (!alpha) {
		*out = g_object_ref(t[3]);
		result = 0;
		goto done;
	}
	/* vips_cast truncates. */
	if (vips_unpremultiply(t[3], &t[4], NULL) ||
		vips_linear1(t[4], &t[5], 1.0,
			vips_band_format_isint(in->BandFmt) ? 0.5 : 0.0, NULL) ||
		vips_cast(t[5], out, in->BandFmt, NULL))
		goto done;
	result = 0;
done:
	g_object_unref(scope);
	return result;
}

int
thumbd_shrink(VipsImage *in, int n, VipsImage **out)
{
	VipsImage *t;

	if (means(in, n, n, &t))
		return -1;
	*out = vips_image_copy_memory(t);
	g_object_unref(t);
	return *out ? 0 : -1;
}

int
thumbd_reduce(VipsImage *in, const ThumbdPlan *plan, VipsImage **out)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 2);
	int result = -1;

	if (!extract(in, &plan->source, &t[0]) &&
		!resize(t[0], plan, &t[1]) &&
		(*out = vips_image_copy_memory(t[1])))
		result = 0;
	g_object_unref(scope);
	return result;
}

/* A profile that can't be used is as good as none: browsers show such pictures
 * too. */
static int
transform(VipsImage *in, ThumbdProfile profile, VipsImage **out)
{
	gboolean cmyk = in->Type == VIPS_INTERPRETATION_CMYK;
	const void *data;
	size_t length;

	if (profile != THUMBD_PROFILE_NONE &&
		!vips_image_get_blob(in, VIPS_META_ICC_NAME, &data, &length) &&
		vips_icc_is_compatible_profile(in, data, length) &&
		!vips_icc_transform(in, out, "srgb", "embedded", TRUE, "depth", 8,
			"intent", profile == THUMBD_PROFILE_PERCEPTUAL ?
				VIPS_INTENT_PERCEPTUAL : VIPS_INTENT_RELATIVE,
			"black_point_compensation", TRUE, NULL))
		return 0;
	vips_error_clear();
	if (cmyk)
		return vips_icc_transform(in, out, "srgb", "input_profile", "cmyk",
			"depth", 8, "intent", VIPS_INTENT_RELATIVE,
			"black_point_compensation", TRUE, NULL);
	return vips_copy(in, out, NULL);
}

int
thumbd_normalize(VipsImage *in, ThumbdProfile profile, VipsImage **out)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 2);
	VipsInterpretation space = in->Bands < 3 ?
		VIPS_INTERPRETATION_B_W : VIPS_INTERPRETATION_sRGB;
	int result = -1;

	if (!transform(in, profile, &t[0]) &&
		!vips_colourspace(t[0], &t[1], space, NULL) &&
		!vips_autorot(t[1], out, NULL))
		result = 0;
	g_object_unref(scope);
	return result;
}

int
thumbd_seek(VipsImage *in, int width, int height, VipsInteresting interesting,
	int *left, int *top)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 3);
	int result = -1;

	/* libvips would flatten it to floats, and search those 20 times slower. */
	if ((vips_image_hasalpha(in) ? vips_flatten(in, &t[0], NULL)
								 : vips_copy(in, &t[0], NULL)) ||
		!(t[1] = vips_image_copy_memory(t[0])) ||
		vips_smartcrop(t[1], &t[2], width, height, "interesting", interesting, NULL))
		goto done;
	*left = -t[2]->Xoffset;
	*top = -t[2]->Yoffset;
	result = 0;
done:
	g_object_unref(scope);
	return result;
}

int
thumbd_cut(VipsImage *in, const ThumbdRect *part, VipsImage **out)
{
	return extract(in, part, out);
}

int
thumbd_drain(VipsImage *in)
{
	double *point;
	int n;

	if (vips_getpoint(in, &point, &n, 0, in->Ysize - 1, NULL))
		return -1;
	g_free(point);
	return 0;
}

int
thumbd_blob(VipsImage *in, const char *name, void **data, size_t *length)
{
	return vips_image_get_blob(in, name, (const void **) data, length);
}

int
thumbd_ints(VipsImage *in, const char *name, int **data, int *n)
{
	return vips_image_get_array_int(in, name, data, n);
}

size_t
thumbd_bytes(VipsImage *in)
{
	return VIPS_IMAGE_SIZEOF_IMAGE(in);
}

gboolean
thumbd_room(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return FALSE;
	munmap(p, n);
	return TRUE;
}
