/* SPDX-License-Identifier: MIT */

#include "vips.h"

#include <math.h>
#include <string.h>

/* How the bands of a TIFF that libvips has read become those of a picture. */
typedef struct {
	const ThumbdSamples *s;
	int colors; /* that the pixel has */
	gboolean light; /* floats are light: no profile describes them */
} Job;

/* The curve of sRGB, of light from 0 to 1. */
static float
curve(float light)
{
	return light <= 0.0031308f ? 12.92f * light
							   : 1.055f * powf(light, 1 / 2.4f) - 0.055f;
}

/* Not a number is black. */
static float
clip(float v)
{
	return v >= 0 ? VIPS_MIN(v, 1) : 0;
}

static guint16
deep(float v)
{
	return (guint16) (65535 * clip(v) + 0.5f);
}

static guint8
byte(double v)
{
	return (guint8) (VIPS_CLIP(0, v, 255) + 0.5);
}

static void
ycbcr(const ThumbdSamples *s, const guint8 *p, guint8 *q)
{
	const double *r = s->reference, *luma = s->luma;
	double y = (p[0] - r[0]) * 255 / (r[1] - r[0]);
	double cb = (p[1] - r[2]) * 127 / (r[3] - r[2]);
	double cr = (p[2] - r[4]) * 127 / (r[5] - r[4]);
	double red = y + cr * (2 - 2 * luma[0]);
	double blue = y + cb * (2 - 2 * luma[2]);

	q[0] = byte(red);
	q[1] = byte((y - luma[0] * red - luma[2] * blue) / luma[1]);
	q[2] = byte(blue);
}

static double
cubed(double f)
{
	return f > 6 / 29.0 ? f * f * f : (f - 4 / 29.0) * 108 / 841;
}

/* CIE L*a*b* under the white of sRGB, as libvips takes it. */
static void
lab(double l, double a, double b, guint16 *q)
{
	double fy = (l + 16) / 116;
	double x = 0.95047 * cubed(fy + a / 500);
	double y = cubed(fy);
	double z = 1.08883 * cubed(fy - b / 200);

	q[0] = deep(curve(clip(3.2404542 * x - 1.5371385 * y - 0.4985314 * z)));
	q[1] = deep(curve(clip(-0.9692660 * x + 1.8760108 * y + 0.0415560 * z)));
	q[2] = deep(curve(clip(0.0556434 * x - 0.2040259 * y + 1.0572252 * z)));
}

/* The samples of a pixel, each made a sample of 16 bits. */
static void
scaled(const Job *job, const void *p, guint16 *q)
{
	const guint32 *whole = p;
	const float *part = p;
	int n = job->colors + (job->s->alpha >= 0 ? 1 : 0);
	int i;

	for (i = 0; i < n; i++) {
		int from = i < job->colors ? i : job->colors + job->s->alpha;

		if (job->s->kind == THUMBD_SAMPLES_DEEP)
			q[i] = whole[from] >> 16;
		else if (i < job->colors && job->light)
			q[i] = deep(curve(clip(part[from])));
		else
			q[i] = deep(part[from]);
	}
}

static void
pixel(const Job *job, const VipsPel *p, VipsPel *q)
{
	const gint16 *labs = (const gint16 *) p;

	switch (job->s->kind) {
	case THUMBD_SAMPLES_YCBCR:
		ycbcr(job->s, p, q);
		break;
	case THUMBD_SAMPLES_LAB8:
		lab(p[0] * 100 / 255.0, (gint8) p[1], (gint8) p[2], (guint16 *) q);
		break;
	case THUMBD_SAMPLES_LAB16:
		lab(labs[0] * 100 / 32767.0, labs[1] / 256.0, labs[2] / 256.0, (guint16 *) q);
		break;
	default:
		scaled(job, p, (guint16 *) q);
	}
}

static int
lines(VipsRegion *region, void *seq, G_GNUC_UNUSED void *a, void *b,
	G_GNUC_UNUSED gboolean *stop)
{
	VipsRegion *in = seq;
	const VipsRect *r = &region->valid;
	size_t from = VIPS_IMAGE_SIZEOF_PEL(in->im);
	size_t to = VIPS_IMAGE_SIZEOF_PEL(region->im);
	int x, y;

	if (vips_region_prepare(in, r))
		return -1;
	for (y = 0; y < r->height; y++) {
		const VipsPel *p = VIPS_REGION_ADDR(in, r->left, r->top + y);
		VipsPel *q = VIPS_REGION_ADDR(region, r->left, r->top + y);

		for (x = 0; x < r->width; x++, p += from, q += to)
			pixel(b, p, q);
	}
	return 0;
}

static int
convert(VipsImage *in, Job *job, VipsImage **out)
{
	VipsImage *t = vips_image_new();
	Job *kept = VIPS_NEW(t, Job);
	ThumbdSamples *samples = VIPS_NEW(t, ThumbdSamples);
	gboolean bytes = job->s->kind == THUMBD_SAMPLES_YCBCR;

	vips_object_local(t, g_object_ref(in));
	*samples = *job->s;
	*kept = *job;
	kept->s = samples;
	if (vips_image_pipelinev(t, VIPS_DEMAND_STYLE_THINSTRIP, in, NULL)) {
		g_object_unref(t);
		return -1;
	}
	t->Bands = job->colors + (job->s->alpha >= 0 ? 1 : 0);
	t->BandFmt = bytes ? VIPS_FORMAT_UCHAR : VIPS_FORMAT_USHORT;
	t->Coding = VIPS_CODING_NONE;
	if (in->Type != VIPS_INTERPRETATION_CMYK)
		t->Type = bytes ? VIPS_INTERPRETATION_sRGB
			: job->colors < 3 ? VIPS_INTERPRETATION_GREY16
							  : VIPS_INTERPRETATION_RGB16;
	/* A profile of Lab does not describe the new samples. */
	if (job->s->kind == THUMBD_SAMPLES_LAB8 || job->s->kind == THUMBD_SAMPLES_LAB16)
		vips_image_remove(t, VIPS_META_ICC_NAME);
	if (vips_image_generate(t, vips_start_one, lines, vips_stop_one, in, kept)) {
		g_object_unref(t);
		return -1;
	}
	*out = t;
	return 0;
}

/* The color of in and its alpha, without other samples. */
static int
keep(VipsImage *in, int colors, int alpha, VipsImage **out)
{
	VipsImage *t[2];
	int result;

	if (alpha < 0)
		return vips_extract_band(in, out, 0, "n", colors, NULL);
	if (alpha == 0)
		return vips_extract_band(in, out, 0, "n", colors + 1, NULL);
	if (vips_extract_band(in, &t[0], 0, "n", colors, NULL))
		return -1;
	if (vips_extract_band(in, &t[1], colors + alpha, NULL)) {
		g_object_unref(t[0]);
		return -1;
	}
	result = vips_bandjoin2(t[0], t[1], out, NULL);
	g_object_unref(t[0]);
	g_object_unref(t[1]);
	return result;
}

/* The format of the bands that libvips gives samples of a kind. */
static gboolean
expected(VipsImage *in, const ThumbdSamples *s)
{
	static const VipsBandFormat formats[] = {
		[THUMBD_SAMPLES_DEEP] = VIPS_FORMAT_UINT,
		[THUMBD_SAMPLES_FLOAT] = VIPS_FORMAT_FLOAT,
		[THUMBD_SAMPLES_YCBCR] = VIPS_FORMAT_UCHAR,
		[THUMBD_SAMPLES_LAB8] = VIPS_FORMAT_UCHAR,
		[THUMBD_SAMPLES_LAB16] = VIPS_FORMAT_SHORT,
	};
	VipsCoding coding = s->kind == THUMBD_SAMPLES_LAB8 ?
		VIPS_CODING_LABQ : VIPS_CODING_NONE;

	if (in->Coding != coding || in->Bands <= s->extra)
		return FALSE;
	if (s->kind == THUMBD_SAMPLES_PLAIN)
		return in->BandFmt == VIPS_FORMAT_UCHAR || in->BandFmt == VIPS_FORMAT_USHORT;
	return in->BandFmt == formats[s->kind];
}

int
thumbd_samples(VipsImage *in, const ThumbdSamples *s, VipsImage **out)
{
	Job job = { s, in->Bands - s->extra, FALSE };

	if (!expected(in, s)) {
		vips_error("thumbd", "libvips reads %d bands of format %d", in->Bands, in->BandFmt);
		return -1;
	}
	switch (s->kind) {
	case THUMBD_SAMPLES_PLAIN:
		if (s->extra == 0) {
			*out = g_object_ref(in);
			return 0;
		}
		return keep(in, job.colors, s->alpha, out);
	case THUMBD_SAMPLES_FLOAT:
		job.light = vips_image_get_typeof(in, VIPS_META_ICC_NAME) == 0;
		break;
	case THUMBD_SAMPLES_LAB8:
		job.colors = 3;
		break;
	default:
		break;
	}
	return convert(in, &job, out);
}

/* vips_avg fails if one sample is not a number. */
int
thumbd_mean_of_floats(VipsImage *in, double *mean)
{
	VipsRegion *region = vips_region_new(in);
	VipsRect line = { 0, 0, in->Xsize, 1 };
	size_t n = (size_t) in->Xsize * in->Bands;
	double sum = 0;
	size_t i;

	for (; line.top < in->Ysize; line.top++) {
		const float *p;

		if (vips_region_prepare(region, &line)) {
			g_object_unref(region);
			return -1;
		}
		p = (const float *) VIPS_REGION_ADDR(region, 0, line.top);
		for (i = 0; i < n; i++)
			sum += p[i];
	}
	g_object_unref(region);
	*mean = sum / ((double) n * in->Ysize);
	return 0;
}
