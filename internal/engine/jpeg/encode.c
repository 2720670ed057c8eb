/* SPDX-License-Identifier: MIT */

#include "encode.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

/* libjpeg leaves a call that fails by calling error_exit. */
typedef struct {
	struct jpeg_error_mgr manager; /* first, as libjpeg knows it alone */
	jmp_buf out;
	char *text; /* JMSG_LENGTH_MAX */
} Failure;

static void
fail(j_common_ptr c)
{
	Failure *f = (Failure *) c->err;

	f->manager.format_message(c, f->text);
	longjmp(f->out, 1);
}

static void
say_nothing(j_common_ptr c, int level)
{
	(void) c;
	(void) level;
}

/* The file that is written. libjpeg's own loses its buffer in a call that fails. */
typedef struct {
	struct jpeg_destination_mgr manager; /* first, as libjpeg knows it alone */
	uint8_t *data;
	size_t size;
} Destination;

/* Makes room for size bytes. The first used bytes stay. */
static void
grow(j_compress_ptr c, size_t size, size_t used)
{
	Destination *d = (Destination *) c->dest;
	uint8_t *data = realloc(d->data, size);

	if (!data)
		ERREXIT1(c, JERR_OUT_OF_MEMORY, 0);
	d->data = data;
	d->size = size;
	d->manager.next_output_byte = data + used;
	d->manager.free_in_buffer = size - used;
}

static void
start_file(j_compress_ptr c)
{
	grow(c, 64 << 10, 0);
}

static boolean
grow_file(j_compress_ptr c)
{
	size_t size = ((Destination *) c->dest)->size;

	grow(c, 2 * size, size);
	return TRUE;
}

static void
end_file(j_compress_ptr c)
{
	(void) c;
}

/* The scans of a progressive file: first all means, then colors, then luma but
 * for the lowest bit of each coefficient, from coarse to fine, and then these
 * bits. libjpeg's own ten scans take 1.4 times as long for the same bytes. */
static const jpeg_scan_info color_scans[] = {
	{ 3, { 0, 1, 2 }, 0, 0, 0, 0 },
	{ 1, { 1 }, 1, 63, 0, 0 },
	{ 1, { 2 }, 1, 63, 0, 0 },
	{ 1, { 0 }, 1, 8, 0, 1 },
	{ 1, { 0 }, 9, 63, 0, 1 },
	{ 1, { 0 }, 1, 63, 1, 0 },
};

static const jpeg_scan_info gray_scans[] = {
	{ 1, { 0 }, 0, 0, 0, 0 },
	{ 1, { 0 }, 1, 8, 0, 1 },
	{ 1, { 0 }, 9, 63, 0, 1 },
	{ 1, { 0 }, 1, 63, 1, 0 },
};

static void
settings(struct jpeg_compress_struct *c, const JpegEncoding *e)
{
	jpeg_set_defaults(c);
	jpeg_set_quality(c, e->quality, TRUE);
	c->optimize_coding = TRUE;
	c->write_JFIF_header = FALSE; /* not needed: a file without it is YCbCr */
	if (e->progressive) {
		int gray = c->input_components == 1;

		c->scan_info = gray ? gray_scans : color_scans;
		c->num_scans = gray ? 4 : 6;
	}
}

/* Sets whether chroma has half as many samples across and down as luma. */
static void
subsample(struct jpeg_compress_struct *c, int halved)
{
	int i;

	for (i = 0; i < c->num_components; i++) {
		c->comp_info[i].h_samp_factor = i == 0 && halved ? 2 : 1;
		c->comp_info[i].v_samp_factor = i == 0 && halved ? 2 : 1;
	}
}

/* Repeats the last sample of each line to the end of its last block. */
static void
pad(Plane *p)
{
	int y;

	for (y = 0; y < p->height; y++) {
		uint8_t *line = plane_line(p, y);
		int end = (p->width + DCTSIZE - 1) / DCTSIZE * DCTSIZE;

		memset(line + p->width, line[p->width - 1], (size_t) (end - p->width));
	}
}

/* Hands over a row of MCUs. Below the last line it goes on. */
static void
write_row(struct jpeg_compress_struct *c, const Planes *planes, int row)
{
	JSAMPROW lines[3][2 * DCTSIZE];
	JSAMPARRAY all[3] = { lines[0], lines[1], lines[2] };
	int i, j;

	for (i = 0; i < planes->count; i++) {
		const Plane *p = &planes->plane[i];
		int n = c->comp_info[i].v_samp_factor * DCTSIZE;

		for (j = 0; j < n; j++) {
			int y = row * n + j;

			lines[i][j] = plane_line(p, y < p->height ? y : p->height - 1);
		}
	}
	jpeg_write_raw_data(c, all, (JDIMENSION) (c->comp_info[0].v_samp_factor * DCTSIZE));
}

static void
write_planes(struct jpeg_compress_struct *c, Planes *planes, const JpegEncoding *e)
{
	const Plane *luma = &planes->plane[0];
	const Plane *chroma = &planes->plane[1];
	int row, i;

	c->image_width = (JDIMENSION) luma->width;
	c->image_height = (JDIMENSION) luma->height;
	c->input_components = planes->count;
	c->in_color_space = planes->count == 1 ? JCS_GRAYSCALE : JCS_YCbCr;
	settings(c, e);
	c->raw_data_in = TRUE;
	/* A chroma plane of one sample may be both; halved it has fewer bytes. */
	subsample(c, planes->count == 3 && 2 * chroma->width <= luma->width + 1 &&
		2 * chroma->height <= luma->height + 1);
	for (i = 0; i < planes->count; i++)
		pad(&planes->plane[i]);
	jpeg_start_compress(c, TRUE);
	for (row = 0; c->next_scanline < c->image_height; row++)
		write_row(c, planes, row);
}

static void
write_pixels(struct jpeg_compress_struct *c, const JpegPixels *p, const JpegEncoding *e)
{
	c->image_width = (JDIMENSION) p->width;
	c->image_height = (JDIMENSION) p->height;
	c->input_components = p->bands;
	c->in_color_space = p->bands == 1 ? JCS_GRAYSCALE : JCS_RGB;
	settings(c, e);
	subsample(c, p->bands == 3 && e->halved);
	jpeg_start_compress(c, TRUE);
	while (c->next_scanline < c->image_height) {
		JSAMPROW line = (JSAMPROW) (p->data + (ptrdiff_t) c->next_scanline * p->stride);

		jpeg_write_scanlines(c, &line, 1);
	}
}

/* Encodes planes, or pixels if there are no planes. */
static int
encode(Planes *planes, const JpegPixels *pixels, const JpegEncoding *e,
	uint8_t **out, size_t *length, char *error)
{
	struct jpeg_compress_struct c;
	Failure failure = { .text = error };
	Destination to = { .manager = { .init_destination = start_file,
						   .empty_output_buffer = grow_file,
						   .term_destination = end_file } };

	memset(&c, 0, sizeof(c));
	c.err = jpeg_std_error(&failure.manager);
	failure.manager.error_exit = fail;
	failure.manager.emit_message = say_nothing;
	if (setjmp(failure.out)) {
		jpeg_destroy_compress(&c);
		free(to.data);
		return -1;
	}
	jpeg_create_compress(&c);
	c.dest = &to.manager;
	if (planes)
		write_planes(&c, planes, e);
	else
		write_pixels(&c, pixels, e);
	jpeg_finish_compress(&c);
	jpeg_destroy_compress(&c);
	*out = to.data;
	*length = to.size - to.manager.free_in_buffer;
	return 0;
}

int
jpeg_encode(Planes *planes, const JpegEncoding *e, uint8_t **out,
	size_t *length, char *error)
{
	return encode(planes, NULL, e, out, length, error);
}

int
jpeg_encode_pixels(const JpegPixels *pixels, const JpegEncoding *e,
	uint8_t **out, size_t *length, char *error)
{
	return encode(NULL, pixels, e, out, length, error);
}
