/* SPDX-License-Identifier: MIT */

#include "vips.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* The last warning that was not taken yet. libpng's own text of an error is one, and
 * libvips' error then only says that there was an error. */
static char warning[200];
static GMutex warning_lock; /* libvips has threads */

static void
remember(G_GNUC_UNUSED const char *domain, G_GNUC_UNUSED GLogLevelFlags level,
	const char *message, G_GNUC_UNUSED void *data)
{
	/* It follows each decoder's own text. */
	if (g_str_has_prefix(message, "error in tile"))
		return;
	g_mutex_lock(&warning_lock);
	g_strlcpy(warning, message, sizeof(warning));
	g_mutex_unlock(&warning_lock);
}

char *
thumbd_take_warning(void)
{
	char *text;

	g_mutex_lock(&warning_lock);
	text = g_strdup(warning);
	*warning = '\0';
	g_mutex_unlock(&warning_lock);
	return text;
}

void
thumbd_settings(void)
{
	/* A damaged original would fill the log with its warnings. */
	g_log_set_handler("VIPS", G_LOG_LEVEL_WARNING, remember, NULL);
	vips_block_untrusted_set(TRUE);
	/* A site can ask for these two of the loaders that libvips calls untrusted. They
	 * see no file of another format, as every loader is called by its name. */
	vips_operation_block_set("VipsForeignLoadSvg", FALSE);
	vips_operation_block_set("VipsForeignLoadJxl", FALSE);
	vips_concurrency_set(1);
	vips_leak_set(FALSE);
#ifdef M_ARENA_MAX
	/* With an arena for each of the library's threads, freed memory would stay there. */
	mallopt(M_ARENA_MAX, 2);
#endif
}

/* The metadata of libvips 8.14's HEIF loader is freed with the picture that was
 * loaded, and pictures made of that still point to it. XMP has a name of its own
 * there. */
static int
hold(VipsImage *image)
{
	char **fields = vips_image_get_fields(image);
	int i;

	if (!fields)
		return -1;
	for (i = 0; fields[i]; i++) {
		const char *name = fields[i];
		const void *data;
		size_t length;

		if (vips_image_get_typeof(image, name) != VIPS_TYPE_BLOB ||
			(!g_str_has_prefix(name, "heif-mime-") && strcmp(name, VIPS_META_EXIF_NAME)) ||
			vips_image_get_blob(image, name, &data, &length))
			continue;
		if (*name == 'h' && g_strstr_len(data, length, "<rdf:RDF"))
			name = VIPS_META_XMP_NAME;
		vips_image_set_blob_copy(image, name, data, length);
		if (name != fields[i])
			vips_image_remove(image, fields[i]);
	}
	g_strfreev(fields);
	/* Only the container says how the picture is turned. The loader dropped the
	 * orientation of EXIF, but a new EXIF block brings it back. */
	vips_autorot_remove_angle(image);
	return 0;
}

VipsSource *
thumbd_source(const void *content, size_t length)
{
	VipsBlob *copy = vips_blob_copy(content, length);
	VipsSource *source = vips_source_new_from_blob(copy);

	vips_area_unref(VIPS_AREA(copy));
	return source;
}

/* The options of a loader that reads from top to bottom and takes no damaged file. */
#define STRICT "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR

static int
load_jpeg(VipsSource *source, const ThumbdLoading *l, VipsImage **out)
{
	return vips_jpegload_source(source, out, "shrink", l->divisor, STRICT, NULL);
}

static int
load_png(VipsSource *source, G_GNUC_UNUSED const ThumbdLoading *l, VipsImage **out)
{
	return vips_pngload_source(source, out, STRICT, NULL);
}

static int
load_webp(VipsSource *source, const ThumbdLoading *l, VipsImage **out)
{
	VipsImage *header;
	int result;

	if (vips_webpload_source(source, &header, "scale", l->scale, "n", l->frames, STRICT, NULL))
		return -1;
	if (l->scale == 1) {
		*out = header;
		return 0;
	}
	result = thumbd_webp(source, header, out);
	g_object_unref(header);
	return result;
}

static int
load_heif(VipsSource *source, G_GNUC_UNUSED const ThumbdLoading *l, VipsImage **out)
{
	return vips_heifload_source(source, out, STRICT, NULL) || hold(*out);
}

static int
load_gif(VipsSource *source, const ThumbdLoading *l, VipsImage **out)
{
	return vips_gifload_source(source, out, "n", l->frames, STRICT, NULL);
}

/* Strips lie anywhere in the file: decode all to know all is there. */
static int
load_tiff(VipsSource *source, const ThumbdLoading *l, VipsImage **out)
{
	return vips_tiffload_source(source, out, "memory", TRUE,
		"page", l->page, "subifd", l->subifd,
		"fail_on", VIPS_FAIL_ON_ERROR, NULL);
}

static int
load_svg(VipsSource *source, G_GNUC_UNUSED const ThumbdLoading *l, VipsImage **out)
{
	return vips_svgload_source(source, out, STRICT, NULL);
}

static int
load_jxl(VipsSource *source, G_GNUC_UNUSED const ThumbdLoading *l, VipsImage **out)
{
	return vips_jxlload_source(source, out, STRICT, NULL);
}

/* The formats of originals. */
static const struct {
	const char *format;
	int (*load)(VipsSource *source, const ThumbdLoading *l, VipsImage **out);
} decoders[] = {
	{ "jpg", load_jpeg },
	{ "png", load_png },
	{ "webp", load_webp },
	{ "avif", load_heif },
	{ "heic", load_heif },
	{ "gif", load_gif },
	{ "tiff", load_tiff },
	{ "svg", load_svg },
	{ "jxl", load_jxl },
};

int
thumbd_load(VipsSource *source, const ThumbdLoading *l, VipsImage **out)
{
	size_t i;

	for (i = 0; i < G_N_ELEMENTS(decoders); i++)
		if (!strcmp(decoders[i].format, l->format))
			return decoders[i].load(source, l, out);
	vips_error("thumbd", "no decoder for format %s", l->format);
	return -1;
}

void *
thumbd_like(VipsImage *in, int width, int height, size_t room, VipsImage **out,
	size_t *stride)
{
	VipsImage *t = vips_image_new_memory();
	size_t lines;

	if (vips_image_pipelinev(t, VIPS_DEMAND_STYLE_ANY, in, NULL))
		goto fail;
	t->Xsize = width;
	lines = room / VIPS_IMAGE_SIZEOF_LINE(t) + 1;
	t->Ysize = (int) VIPS_MAX((size_t) height, lines);
	if (vips_image_write_prepare(t))
		goto fail;
	/* The lines behind the picture do not belong to it. */
	t->Ysize = height;
	*stride = VIPS_IMAGE_SIZEOF_LINE(t);
	*out = t;
	return VIPS_IMAGE_ADDR(t, 0, 0);
fail:
	g_object_unref(t);
	return NULL;
}

int
thumbd_black_like(VipsImage *in, int width, int height, VipsImage **out)
{
	VipsImage *t = vips_image_new_memory();

	if (vips_image_pipelinev(t, VIPS_DEMAND_STYLE_ANY, in, NULL))
		goto fail;
	vips_image_init_fields(t, width, height, 1, VIPS_FORMAT_UCHAR, VIPS_CODING_NONE,
		VIPS_INTERPRETATION_B_W, in->Xres, in->Yres);
	if (vips_image_write_prepare(t))
		goto fail;
	memset(VIPS_IMAGE_ADDR(t, 0, 0), 0, VIPS_IMAGE_SIZEOF_IMAGE(t));
	*out = t;
	return 0;
fail:
	g_object_unref(t);
	return -1;
}

int
thumbd_frame(VipsImage *in, int top, int height, VipsImage **out)
{
	return vips_extract_area(in, out, 0, top, in->Xsize, height, NULL);
}

/* The gray that differs most from the visible colors of in, a picture of bytes with
 * alpha in memory. Most drawings are black or white; if a drawing is both, it is seen
 * on gray. */
static double
contrast(VipsImage *in)
{
	static const int grays[] = { 255, 0, 128, 192, 64 };
	const int enough = 96; /* more of a difference counts no more */
	const VipsPel *p = VIPS_IMAGE_ADDR(in, 0, 0);
	int bands = in->Bands;
	double seen[256] = { 0 };
	double best = -1;
	double gray = 0;
	guint64 i;
	size_t g;

	for (i = 0; i < VIPS_IMAGE_N_PELS(in); i++, p += bands)
		seen[bands > 2 ? (p[0] * 77 + p[1] * 150 + p[2] * 29) >> 8 : p[0]] += p[bands - 1];
	for (g = 0; g < G_N_ELEMENTS(grays); g++) {
		double sum = 0;
		int level;

		for (level = 0; level < 256; level++)
			sum += seen[level] * VIPS_MIN(abs(level - grays[g]), enough);
		if (sum > best) {
			best = sum;
			gray = grays[g];
		}
	}
	return gray;
}

/* The median of the samples of one band of in. */
static int
median(VipsImage *in, int band)
{
	const VipsPel *p = VIPS_IMAGE_ADDR(in, 0, 0) + band;
	gint64 pixels = VIPS_IMAGE_N_PELS(in);
	gint64 count[256] = { 0 };
	gint64 below = 0;
	gint64 i;
	int value;

	for (i = 0; i < pixels; i++, p += in->Bands)
		count[*p]++;
	for (value = 0; below + count[value] <= pixels / 2; value++)
		below += count[value];
	return value;
}

/* Whether the pixel p is of a color. A JPEG has some noise in a ground. */
static gboolean
alike(const VipsPel *p, const int *color, int bands)
{
	const int noise = 8;
	int i;

	for (i = 0; i < bands; i++)
		if (abs(p[i] - color[i]) > noise)
			return FALSE;
	return TRUE;
}

/* Makes the ground of in, a picture of bytes with alpha in memory, transparent. The
 * ground is the color of more than half of the pixels, if there is one: each of its
 * samples is then the median of its band. */
static void
erase_ground(VipsImage *in)
{
	VipsPel *first = VIPS_IMAGE_ADDR(in, 0, 0);
	VipsPel *end = first + VIPS_IMAGE_SIZEOF_IMAGE(in);
	int bands = in->Bands;
	int color[THUMBD_BANDS];
	guint64 ground = 0;
	VipsPel *p;
	int i;

	for (i = 0; i < bands; i++)
		color[i] = median(in, i);
	for (p = first; p < end; p += bands)
		ground += alike(p, color, bands);
	if (ground <= VIPS_IMAGE_N_PELS(in) / 2)
		return;
	for (p = first; p < end; p += bands)
		if (alike(p, color, bands))
			p[bands - 1] = 0;
}

/* The picture in on the ground from which it differs most. libvips would flatten
 * transparent ground to floats, which it searches 20 times slower, and onto black, so
 * that black drawings would be invisible. Its attention counts green as dull and blue as
 * bright, both for the drawing and for the ground. */
static int
reground(VipsImage *in, gboolean all, VipsImage **out)
{
	VipsObject *scope = VIPS_OBJECT(vips_image_new());
	VipsImage **t = (VipsImage **) vips_object_local_array(scope, 2);
	VipsArrayDouble *ground;
	int result = -1;

	/* A copy of its own, as pixels are changed. */
	if ((vips_image_hasalpha(in) ? vips_copy(in, &t[0], NULL)
								 : vips_addalpha(in, &t[0], NULL)) ||
		!(t[1] = vips_image_copy_memory(t[0])))
		goto done;
	if (all)
		erase_ground(t[1]);
	ground = vips_array_double_newv(1, contrast(t[1]));
	result = vips_flatten(t[1], out, "background", ground, NULL);
	vips_area_unref(VIPS_AREA(ground));
done:
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

	if (reground(in, interesting == VIPS_INTERESTING_ATTENTION, &t[0]) ||
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
thumbd_keep_lines(VipsImage *in, VipsImage **out)
{
	return vips_linecache(in, out, "tile_height", 16,
		"access", VIPS_ACCESS_SEQUENTIAL, "persistent", TRUE, NULL);
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

void
thumbd_describe(VipsImage *image, const void *exif, size_t length)
{
	vips_image_set_blob_copy(image, VIPS_META_EXIF_NAME, exif, length);
}

void
thumbd_orient(VipsImage *image, int orientation)
{
	vips_image_set_int(image, VIPS_META_ORIENTATION, orientation);
}

void
thumbd_embed(VipsImage *image, const void *profile, size_t length)
{
	vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, profile, length);
}

size_t
thumbd_bytes(VipsImage *in)
{
	return VIPS_IMAGE_SIZEOF_IMAGE(in);
}

void *
thumbd_pixels(VipsImage *in)
{
	return VIPS_IMAGE_ADDR(in, 0, 0);
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
