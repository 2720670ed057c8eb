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
 * from that. */
typedef struct {
	ThumbdRect source;
	int width, height;
	ThumbdRect cut;
} ThumbdPlan;

typedef struct {
	ThumbdFormat format;
	ThumbdMetadata metadata;
	const char *artist, *copyright; /* for THUMBD_METADATA_COPYRIGHT, or NULL */
	int quality; /* 1 to 100, or 0: the format has none */
} ThumbdEncoding;

/* From so many pixels a JPEG is progressive. */
#define THUMBD_PROGRESSIVE (400 * 400)

/* Settings of the library that bimg has started. */
void thumbd_settings(void);

/* A loader opens a file of its own format alone. It reads the header; pixels
 * are read when asked for, from top to bottom. Only JPEG is loaded shrunk by
 * shrink, only WebP by scale. */
int thumbd_load(VipsSource *source, ThumbdFormat format, int shrink,
	double scale, VipsImage **out);

/* The picture that plan makes of in, in memory. */
int thumbd_reduce(VipsImage *in, const ThumbdPlan *plan, VipsImage **out);

/* The picture in as it is to be seen: upright, in 8-bit sRGB or gray. */
int thumbd_normalize(VipsImage *in, ThumbdProfile profile, VipsImage **out);

/* The part of in that shows most. */
int thumbd_seek(VipsImage *in, int width, int height,
	VipsInteresting interesting, VipsImage **out);

/* The picture in as a file. *buffer is freed with g_free. */
int thumbd_encode(VipsImage *in, const ThumbdEncoding *e, void **buffer,
	size_t *length);

/* A block of metadata, which stays the picture's. */
int thumbd_blob(VipsImage *in, const char *name, void **data, size_t *length);

/* The memory that the decoded picture takes. */
size_t thumbd_bytes(VipsImage *in);

/* Reads all that is left of a picture. */
int thumbd_drain(VipsImage *in);

/* Whether there is room for n more bytes of memory. */
gboolean thumbd_room(size_t n);

#endif
