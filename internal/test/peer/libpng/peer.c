/* SPDX-License-Identifier: MIT */

#include "peer.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
	const uint8_t *data;
	size_t left;
	int warned;
} Reading;

static void
next(png_structp p, png_bytep out, size_t n)
{
	Reading *r = png_get_io_ptr(p);

	if (n > r->left)
		png_error(p, "cut off");
	memcpy(out, r->data, n);
	r->data += n;
	r->left -= n;
}

static void
fail(png_structp p, png_const_charp message)
{
	(void) message;
	png_longjmp(p, 1);
}

static void
warn(png_structp p, png_const_charp message)
{
	Reading *r = png_get_error_ptr(p);

	(void) message;
	r->warned++;
}

int
peer_decode(const uint8_t *data, size_t length, uint8_t **out, int *width,
	int *height, int *bands, int *warned)
{
	Reading r = { data, length, 0 };
	png_structp p = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, fail, warn);
	png_infop info = png_create_info_struct(p);
	size_t line;
	int y;

	*out = NULL;
	if (setjmp(png_jmpbuf(p))) {
		png_destroy_read_struct(&p, &info, NULL);
		free(*out);
		return -1;
	}
	png_set_read_fn(p, &r, next);
	png_read_info(p, info);
	png_set_expand(p);
	png_read_update_info(p, info);
	*width = (int) png_get_image_width(p, info);
	*height = (int) png_get_image_height(p, info);
	*bands = png_get_channels(p, info);
	line = png_get_rowbytes(p, info);
	*out = calloc((size_t) *height, line);
	if (!*out || png_get_interlace_type(p, info) != PNG_INTERLACE_NONE)
		png_error(p, "another kind");
	for (y = 0; y < *height; y++)
		png_read_row(p, *out + (size_t) y * line, NULL);
	png_read_end(p, NULL);
	*warned = r.warned;
	png_destroy_read_struct(&p, &info, NULL);
	return 0;
}
