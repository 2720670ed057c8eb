/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_VIPS_H
#define THUMBD_VIPS_H

#include <vips/vips.h>

/* Every function returns 0, or -1 and leaves libvips' error buffer set. What
 * is returned through out belongs to the caller. */

typedef enum {
	THUMBD_JPEG = 1,
	THUMBD_PNG,
	THUMBD_WEBP,
	THUMBD_AVIF,
	THUMBD_GIF,
	THUMBD_HEIC,
	THUMBD_TIFF,
	THUMBD_SVG,
	THUMBD_JXL,
} ThumbdFormat;

typedef enum {
	THUMBD_METADATA_NONE,
	THUMBD_METADATA_COPYRIGHT,
	THUMBD_METADATA_ALL,
} ThumbdMetadata;

/* The use made of an embedded color profile, and by which of its tables. */
typedef enum {
	THUMBD_PROFILE_NONE,
	THUMBD_PROFILE_RELATIVE,
	THUMBD_PROFILE_PERCEPTUAL,
} ThumbdProfile;

typedef struct {
	int left, top, width, height;
} ThumbdRect;

/* The part source of a picture is resized to width x height, and cut is cut
 * from that. What is resized is across x down pixels of source, a part of one
 * more or less than it has where a decoder left some out. */
typedef struct {
	ThumbdRect source;
	double across, down;
	int width, height;
	ThumbdRect cut;
} ThumbdPlan;

/* What is done to a picture of the right size. */
typedef struct {
	gboolean gray;
	double blur; /* sigma in pixels, or 0 */
	double sharpen, sharpen_sigma; /* by how much of what it blurs, or 0 */
	gboolean background; /* whether there is one: red, green, blue */
	double color[3];
	gboolean opaque; /* the format has no alpha */
	int left, top, width, height; /* where it lies on a canvas of which size */
} ThumbdFinish;

/* A block of metadata, or NULL. */
typedef struct {
	const void *data;
	size_t length;
} ThumbdBlock;

typedef struct {
	ThumbdFormat format;
	ThumbdMetadata metadata;
	ThumbdBlock exif, xmp, iptc; /* for THUMBD_METADATA_ALL */
	const char *artist, *copyright; /* for THUMBD_METADATA_COPYRIGHT, or NULL */
	int quality; /* 1 to 100, or 0: the format has none */
	int frames; /* that lie below one another; 1: a still */
	const int *delay; /* of each frame, in milliseconds, or NULL */
	int loop; /* how often all are shown; 0: for ever */
	gboolean palette; /* the original has one */
} ThumbdEncoding;

/* What an encoder of libvips is told about metadata. */
#if VIPS_MAJOR_VERSION > 8 || VIPS_MINOR_VERSION >= 15
#define THUMBD_STRIP(strip) \
	"keep", (strip) ? VIPS_FOREIGN_KEEP_NONE : VIPS_FOREIGN_KEEP_ALL
#else
#define THUMBD_STRIP(strip) "strip", (strip)
#endif

/* From so many pixels a JPEG is progressive. */
#define THUMBD_PROGRESSIVE (400 * 400)

/* For loops over whole numbers, which come to the same on every processor, a
 * version for those that add eight or sixteen at once. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define THUMBD_WIDE __attribute__((target_clones("avx2", "default")))
#else
#define THUMBD_WIDE
#endif

/* Settings of the library that bimg has started. */
void thumbd_settings(void);

/* The last warning of libvips, or "", which then is forgotten. It is freed with
 * g_free. */
char *thumbd_take_warning(void);

/* How a file is opened. Only JPEG is loaded shrunk, only WebP scaled,
 * and only of GIF and WebP more frames than one, below one another. */
typedef struct {
	ThumbdFormat format;
	int shrink;
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

/* The samples of a TIFF's pixel: how many follow its color, and which of these
 * is alpha, or -1. */
typedef struct {
	ThumbdSampleKind kind;
	int extra, alpha;
	double luma[3], reference[6]; /* of YCbCr */
} ThumbdSamples;

/* A source of a copy of a file's content. */
VipsSource *thumbd_source(const void *content, size_t length);

/* A loader opens a file of its own format alone. It reads the header; pixels
 * are read when asked for, from top to bottom, but those of a WebP that is scaled
 * at once. */
int thumbd_load(VipsSource *source, const ThumbdLoading *l, VipsImage **out);

/* The TIFF in that libvips has loaded, as a picture of 8 or 16 bits that is gray,
 * RGB or CMYK, with alpha or without. Fails if libvips has read other bands than
 * s says. */
int thumbd_samples(VipsImage *in, const ThumbdSamples *s, VipsImage **out);

/* The mean of all samples of in, which are floats. */
int thumbd_mean_of_floats(VipsImage *in, double *mean);

/* The still WebP of which libvips has read the header, scaled to that's size. */
int thumbd_webp(VipsSource *source, VipsImage *header, VipsImage **out);

/* A picture of bytes of another size, with all that in has beside its pixels, in
 * memory of at least room bytes. Returns its first line, or NULL and leaves the
 * error buffer set. */
void *thumbd_like(VipsImage *in, int width, int height, size_t room,
	VipsImage **out, size_t *stride);

/* Whether the library has an operation. */
gboolean thumbd_has(const char *operation);

/* The frame that begins at a line of in. Frames are read in their order. */
int thumbd_frame(VipsImage *in, int top, int height, VipsImage **out);

/* The picture in, each pixel the mean of n x n, in memory. n is at most
 * THUMBD_MEAN. */
int thumbd_shrink(VipsImage *in, int n, VipsImage **out);

/* The most lines of which thumbd_mean makes one. The sum of a column's colors,
 * each multiplied by alpha, then fits into 32 bits. */
#define THUMBD_MEAN (1 << 15)

/* The picture in, each pixel the mean of nx x ny, and fewer at the end. ny is at
 * most THUMBD_MEAN. Colors of bytes count as far as alpha shows them; those of
 * others must have been multiplied by it. */
int thumbd_mean(VipsImage *in, int nx, int ny, VipsImage **out);

/* Whether in has an alpha that is not known to be opaque throughout: of a picture
 * in memory its pixels are looked at. */
gboolean thumbd_shows_through(VipsImage *in);

/* The picture in of bytes, of which across x down pixels count, in a size that
 * is smaller or the same. Colors count as far as alpha shows them. */
int thumbd_lanczos(VipsImage *in, double across, double down, int width,
	int height, VipsImage **out);

/* The picture in, of which across x down pixels count, in another size: by
 * Lanczos3 where that is smaller, by a bicubic interpolation where it is
 * larger. Colors are multiplied by alpha. */
int thumbd_resize(VipsImage *in, double across, double down, int width,
	int height, VipsImage **out);

/* The picture that plan makes of in, in memory. */
int thumbd_reduce(VipsImage *in, const ThumbdPlan *plan, VipsImage **out);

/* The picture in, whose colors may be multiplied by its alpha, with colors that
 * are not. In a narrow alpha 16 is nothing and 235 is all, of 255. */
int thumbd_straighten(VipsImage *in, gboolean multiplied, gboolean narrow,
	VipsImage **out);

/* The most bands of a picture that thumbd_normalize has made: red, green, blue
 * and alpha. */
#define THUMBD_BANDS 4

/* The picture in as it is to be seen: upright, in 8-bit sRGB or gray, with one
 * alpha or none, whatever samples the original has. */
int thumbd_normalize(VipsImage *in, ThumbdProfile profile, VipsImage **out);

/* Where in shows most, in a part of width x height. */
int thumbd_seek(VipsImage *in, int width, int height,
	VipsInteresting interesting, int *left, int *top);

/* A part of in. */
int thumbd_cut(VipsImage *in, const ThumbdRect *part, VipsImage **out);

/* The picture in, finished. */
int thumbd_finish(VipsImage *in, const ThumbdFinish *f, VipsImage **out);

/* The picture in with its alpha, of which there is some afterwards, multiplied
 * by opacity. */
int thumbd_fade(VipsImage *in, double opacity, VipsImage **out);

/* The picture mark laid over in, from left and top. */
int thumbd_overlay(VipsImage *in, VipsImage *mark, int left, int top,
	VipsImage **out);

/* Frames of one size below one another, in memory. */
int thumbd_join(VipsImage **frames, int n, VipsImage **out);

/* The picture in as a file. *buffer is freed with g_free. */
int thumbd_encode(VipsImage *in, const ThumbdEncoding *e, void **buffer,
	size_t *length);

/* The picture in, as bytes in memory, with the bands that a file of a format shall
 * have: no alpha that says nothing, and white below what a JPEG can't leave
 * transparent. */
int thumbd_flat(VipsImage *in, ThumbdFormat format, VipsImage **out);

/* The first line of in, which is in memory. */
void *thumbd_pixels(VipsImage *in);

/* The picture in as a PNG, without metadata if strip is set: with a palette if it
 * has few colors, or if fewer is set and fewer colors look the same. */
int thumbd_save_png(VipsImage *in, gboolean strip, gboolean fewer, void **buffer,
	size_t *length);

/* The picture in, which is of bytes, as a PNG without a palette, without metadata if
 * strip is set. */
int thumbd_pack_png(VipsImage *in, gboolean strip, void **buffer, size_t *length);

/* Metadata, which stays the picture's. */
int thumbd_blob(VipsImage *in, const char *name, void **data, size_t *length);
int thumbd_ints(VipsImage *in, const char *name, int **data, int *n);

/* Gives a picture, which is nobody else's, an EXIF block. */
void thumbd_describe(VipsImage *image, const void *exif, size_t length);

/* Gives a picture, which is nobody else's, an orientation of EXIF's. */
void thumbd_orient(VipsImage *image, int orientation);

/* Gives a picture, which is nobody else's, a color profile. */
void thumbd_embed(VipsImage *image, const void *profile, size_t length);

/* The memory that the decoded picture takes. */
size_t thumbd_bytes(VipsImage *in);

/* The picture in, of which the lines that were read last can be read again: a
 * loader that reads from top to bottom forgets them between two readers. */
int thumbd_keep_lines(VipsImage *in, VipsImage **out);

/* Reads all that is left of a picture. */
int thumbd_drain(VipsImage *in);

/* Whether there is room for n more bytes of memory. */
gboolean thumbd_room(size_t n);

#endif
