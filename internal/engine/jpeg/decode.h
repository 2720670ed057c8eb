/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_JPEG_DECODE_H
#define THUMBD_JPEG_DECODE_H

#include "../plane/plane.h"

/* How a file is decoded. */
typedef struct {
	/* The size of the picture, checked by the caller. If the file has another size, it
	 * is refused before any memory is taken for it. */
	int width, height;
	/* The size of the planes in eighths of the picture's, 1 to 4 or 8. */
	int eighths;
	/* Whether the thumbnail has half as many samples of chroma across and down
	 * as of luma. If so, chroma of full size is decoded at half of eighths. Chroma
	 * of half the size is decoded at twice eighths, at most at 4/8: if the
	 * thumbnail has all of it, eighths must be 1 or 2. At 8/8 chroma is as it is in
	 * the file. */
	int halved;
	/* Decode the refinement of a coefficient even if it is too small to be seen. */
	int exact;
	/* Use no instructions but those of every processor of this kind. The planes are the
	 * same. */
	int plain;
} JpegScale;

/* Decodes the JPEG in the descriptor file from its first byte on. If the kind of file
 * is unknown, or the file is not perfectly in order to its end marker, it returns
 * NULL, with the reason in *why: libjpeg then decides. The caller frees the planes
 * with planes_free.
 *
 * The decoder trusts no byte of the file. If the scale does not need a scan, the scan
 * is walked, marker by marker, and not decoded. */
Planes *jpeg_decode(int file, const JpegScale *scale, const char **why);

#endif
