/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_VIPS_H
#define THUMBD_VIPS_H

#include <vips/vips.h>

/* Every function returns 0, or -1 with libvips' error buffer set. The caller frees the
 * result in out. */

/* A format is its name in package thumb, for example "jpg". */

typedef enum {
	THUMBD_METADATA_NONE,
	THUMBD_METADATA_COPYRIGHT,
	THUMBD_METADATA_ALL,
} ThumbdMetadata;

/* The use of an embedded color profile: none, or by its relative or perceptual table. */
typedef enum {
	THUMBD_PROFILE_NONE,
	THUMBD_PROFILE_RELATIVE,
	THUMBD_PROFILE_PERCEPTUAL,
} ThumbdProfile;

typedef struct {
	int left, top, width, height;
} ThumbdRect;

/* The part source of a picture is resized to width x height, and cut is cut from the
 * result. source counts as across x down pixels. If a decoder has left out a part of a
 * pixel, these are not whole numbers. */
typedef struct {
	ThumbdRect source;
	double across, down;
	int width, height;
	ThumbdRect cut;
} ThumbdPlan;

/* The last steps, on a picture of the right size. */
typedef struct {
	gboolean gray;
	double blur; /* sigma in pixels, or 0 */
	double sharpen, sharpen_sigma; /* weight of the detail, or 0; sigma of its blur */
	gboolean background; /* whether there is one: red, green, blue */
	double color[3];
	gboolean opaque; /* the format has no alpha */
	int left, top, width, height; /* the place on the canvas, and the canvas' size */
} ThumbdFinish;

/* A block of metadata, or NULL. */
typedef struct {
	const void *data;
	size_t length;
} ThumbdBlock;

typedef struct {
	const char *format;
	gboolean opaque; /* the format has no alpha */
	ThumbdMetadata metadata;
	ThumbdBlock exif, xmp, iptc; /* for THUMBD_METADATA_ALL */
	const char *artist, *copyright; /* for THUMBD_METADATA_COPYRIGHT, or NULL */
	int quality; /* 1 to 100, or 0: the format has none */
	int frames; /* that lie below one another; 1: a still */
	const int *delay; /* of each frame, in milliseconds, or NULL */
	int loop; /* how often all are shown; 0: for ever */
	gboolean palette; /* the original has one */
} ThumbdEncoding;

/* The option of libvips' encoders for metadata. */
#if VIPS_MAJOR_VERSION > 8 || VIPS_MINOR_VERSION >= 15
#define THUMBD_STRIP(strip) \
	"keep", (strip) ? VIPS_FOREIGN_KEEP_NONE : VIPS_FOREIGN_KEEP_ALL
#else
#define THUMBD_STRIP(strip) "strip", (strip)
#endif

/* From so many pixels a JPEG is progressive. */
#define THUMBD_PROGRESSIVE (400 * 400)

/* Settings of the library that bimg has started. */
void thumbd_settings(void);

/* Returns and forgets the last warning of libvips, or "". The caller frees it with
 * g_free. */
char *thumbd_take_warning(void);

/* How a file is opened. A JPEG is scaled to 1/divisor, a WebP to scale, no other format.
 * Only of GIF and WebP more frames than one are loaded, below one another. */
typedef struct {
	const char *format;
	int divisor;
	double scale;
	int frames;
	int page, subifd; /* of a TIFF; -1: the page itself */
} ThumbdLoading;

typedef enum {
	THUMBD_SAMPLES_PLAIN,
	THUMBD_SAMPLES_DEEP,
	THUMBD_SAMPLES_FLOAT,
	THUMBD_SAMPLES_YCBCR,
	THUMBD_SAMPLES_LAB8,
	THUMBD_SAMPLES_LAB16,
} ThumbdSampleKind;

/* The samples of a TIFF's pixel. extra is the number of samples behind its color, alpha
 * the index of alpha among them, or -1. */
typedef struct {
	ThumbdSampleKind kind;
	int extra, alpha;
	double luma[3], reference[6]; /* of YCbCr */
} ThumbdSamples;

/* A source of a copy of a file's content. */
VipsSource *thumbd_source(const void *content, size_t length);

/* A loader opens only a file of its own format. It reads the header. The pixels are
 * read on demand, from top to bottom; if a WebP is scaled, they are read at once. */
int thumbd_load(VipsSource *source, const ThumbdLoading *l, VipsImage **out);

/* The TIFF in that libvips has loaded, as a picture of 8 or 16 bits that is gray,
 * RGB or CMYK, with alpha or without. Fails if libvips has read other bands than
 * s says. */
int thumbd_samples(VipsImage *in, const ThumbdSamples *s, VipsImage **out);

/* The mean of all samples of in, a picture of floats. */
int thumbd_mean_of_floats(VipsImage *in, double *mean);

/* The still WebP in source, scaled to the size of header. libvips has read header. */
int thumbd_webp(VipsSource *source, VipsImage *header, VipsImage **out);

/* A picture of bytes of another size, with everything of in except its pixels, in
 * memory of at least room bytes. Returns its first line, or NULL with the error buffer
 * set. */
void *thumbd_like(VipsImage *in, int width, int height, size_t room,
	VipsImage **out, size_t *stride);

/* A black picture of one band of bytes, in memory, with the metadata of in. */
int thumbd_black_like(VipsImage *in, int width, int height, VipsImage **out);

/* The frame of in, whose frames lie below one another, that begins at line top. Frames
 * must be read in their order. */
int thumbd_frame(VipsImage *in, int top, int height, VipsImage **out);

/* Shrinks in: n x n pixels become one, their mean, for example 100x50 pixels by 3 become
 * 34x17. At the right and at the bottom it may be the mean of fewer. n is at most
 * SHRINK_MOST. The result is in memory. */
int thumbd_shrink(VipsImage *in, int n, VipsImage **out);

/* Shrinks in as thumbd_shrink does, by nx across and by ny down. ny is at most SHRINK_MOST.
 * If in is a picture of bytes, its colors are weighted by alpha. In a picture of other
 * numbers, the caller has multiplied the colors by alpha. */
int thumbd_shrink_raw(VipsImage *in, int nx, int ny, VipsImage **out);

/* The first across x down pixels of in, a picture of bytes, in a size that is smaller
 * or the same. Colors are weighted by alpha. */
int thumbd_reduce_bytes(VipsImage *in, double across, double down, int width,
	int height, VipsImage **out);

/* The first across x down pixels of in in another size: by Lanczos3 if the size is
 * smaller, by a bicubic interpolation if it is larger. Colors are weighted by alpha. */
int thumbd_resize(VipsImage *in, double across, double down, int width,
	int height, VipsImage **out);

/* The picture that plan makes of in, in memory. */
int thumbd_resize_and_cut(VipsImage *in, const ThumbdPlan *plan, VipsImage **out);

/* The picture in with colors that are not multiplied by alpha; multiplied says if those
 * of in are. In a limited alpha, 16 is transparent and 235 opaque, in place of 0 and
 * 255. */
int thumbd_straighten(VipsImage *in, gboolean multiplied, gboolean limited,
	VipsImage **out);

/* The most bands of a picture that thumbd_normalize has made: red, green, blue
 * and alpha. */
#define THUMBD_BANDS 4

/* The picture in as it is seen: upright, in 8-bit sRGB or gray, with one alpha or none,
 * from samples of any type. */
int thumbd_normalize(VipsImage *in, ThumbdProfile profile, VipsImage **out);

/* The place of the part of width x height that shows most of in. */
int thumbd_seek(VipsImage *in, int width, int height,
	VipsInteresting interesting, int *left, int *top);

/* A part of in. */
int thumbd_cut(VipsImage *in, const ThumbdRect *part, VipsImage **out);

/* The picture in, finished. */
int thumbd_finish(VipsImage *in, const ThumbdFinish *f, VipsImage **out);

/* The picture in with its alpha multiplied by opacity. If in has no alpha, it gets
 * one. */
int thumbd_fade(VipsImage *in, double opacity, VipsImage **out);

/* The picture mark laid over in, from left and top. */
int thumbd_overlay(VipsImage *in, VipsImage *mark, int left, int top,
	VipsImage **out);

/* Frames of one size below one another, in memory. */
int thumbd_join(VipsImage **frames, int n, VipsImage **out);

/* The picture in as a file. *buffer is freed with g_free. */
int thumbd_encode(VipsImage *in, const ThumbdEncoding *e, void **buffer,
	size_t *length);

/* The picture in, as bytes in memory, with the bands of a file: no alpha if it is opaque
 * throughout, and white below transparent pixels if the format has no alpha. */
int thumbd_flat(VipsImage *in, gboolean opaque, VipsImage **out);

/* A gray picture of bytes in memory, black. */
int thumbd_gray(int width, int height, VipsImage **out);

/* The first picture in a file of this format, for example "webp", as one band in
 * memory. The picture is gray. */
int thumbd_decode_gray(const void *file, size_t length, const char *format,
	VipsImage **out);

/* The first line of in, a picture in memory. */
void *thumbd_pixels(VipsImage *in);

/* The picture in as a PNG, without metadata if strip is set: with a palette if it
 * has few colors, or if fewer is set and fewer colors look the same. */
int thumbd_save_png(VipsImage *in, gboolean strip, gboolean fewer, void **buffer,
	size_t *length);

/* The picture in of bytes as a PNG without a palette. If strip is set, it has no
 * metadata. */
int thumbd_pack_png(VipsImage *in, gboolean strip, void **buffer, size_t *length);

/* Metadata of the picture, which still owns it. */
int thumbd_blob(VipsImage *in, const char *name, void **data, size_t *length);
int thumbd_ints(VipsImage *in, const char *name, int **data, int *n);

/* Gives a picture an EXIF block. Nobody else may use the picture. */
void thumbd_describe(VipsImage *image, const void *exif, size_t length);

/* Gives a picture an orientation of EXIF's. Nobody else may use the picture. */
void thumbd_orient(VipsImage *image, int orientation);

/* Gives a picture a color profile. Nobody else may use the picture. */
void thumbd_embed(VipsImage *image, const void *profile, size_t length);

/* The memory that the decoded picture takes. */
size_t thumbd_bytes(VipsImage *in);

/* The picture in, in a form that lets its last lines be read again: if a loader reads
 * from top to bottom, it forgets them between two readers. */
int thumbd_keep_lines(VipsImage *in, VipsImage **out);

/* Reads all lines of a picture that are not read yet. */
int thumbd_drain(VipsImage *in);

/* Whether there is room for n more bytes of memory. */
gboolean thumbd_room(size_t n);

#endif
