/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_JPEG_DECODE_H
#define THUMBD_JPEG_DECODE_H

#include "../plane/plane.h"

/* How a file is decoded. */
typedef struct {
	/* The size of the picture, as the caller has checked it: a file of another
	 * size is refused before any memory is taken for it. */
	int width, height;
	/* The size of the planes in eighths of the picture's, 1 to 4 or 8. */
	int eighths;
	/* Whether the thumbnail has half as many samples of chroma across and down
	 * as of luma. If so, chroma of full size is decoded at half of eighths. Chroma
	 * of half the size is decoded at twice eighths, at most at 4/8: if the
	 * thumbnail has all of it, eighths must be 1 or 2. At 8/8 chroma is as it is in
	 * the file. */
	int halved;
	/* Decode what refines a coefficient even if it is too little to be seen. */
	int exact;
} JpegScale;

/* Decodes the JPEG that the descriptor file has from its first byte on. Returns
 * NULL, and the reason in *why, for a kind of file that is left to libjpeg, and
 * for any that is not perfectly in order to its end marker: libjpeg then has
 * the last word. The caller frees the planes with planes_free.
 *
 * What is read of the file is trusted in nothing. Scans that the scale does
 * not need are walked, marker by marker, and not decoded. */
Planes *jpeg_decode(int file, const JpegScale *scale, const char **why);

#endif
