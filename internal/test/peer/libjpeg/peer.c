/* SPDX-License-Identifier: MIT */

#include "peer.h"

#include <setjmp.h>
#include <string.h>

typedef struct {
	struct jpeg_error_mgr manager;
	jmp_buf out;
} Failure;

static void
fail(j_common_ptr c)
{
	longjmp(((Failure *) c->err)->out, 1);
}

/* A warning is as bad as an error. */
static void
message(j_common_ptr c, int level)
{
	if (level < 0)
		fail(c);
}

static struct jpeg_error_mgr *
errors(Failure *f)
{
	jpeg_std_error(&f->manager);
	f->manager.error_exit = fail;
	f->manager.emit_message = message;
	return &f->manager;
}

int
peer_make(const Making *m, const uint8_t *pixels, uint8_t **out, unsigned long *length)
{
	static const J_COLOR_SPACE spaces[5] = { 0, JCS_GRAYSCALE, 0, JCS_RGB, JCS_CMYK };
	struct jpeg_compress_struct c;
	Failure f;
	int i;

	*out = NULL;
	c.err = errors(&f);
	if (setjmp(f.out)) {
		/* Only libjpeg knows its buffer: it may have moved. */
		jpeg_destroy_compress(&c);
		return -1;
	}
	jpeg_create_compress(&c);
	jpeg_mem_dest(&c, out, length);
	c.image_width = (JDIMENSION) m->width;
	c.image_height = (JDIMENSION) m->height;
	c.input_components = m->bands;
	c.in_color_space = spaces[m->bands];
	jpeg_set_defaults(&c);
	if (m->rgb)
		jpeg_set_colorspace(&c, JCS_RGB);
	jpeg_set_quality(&c, m->quality, TRUE);
	for (i = 0; i < m->bands; i++) {
		c.comp_info[i].h_samp_factor = i ? m->ch : m->h;
		c.comp_info[i].v_samp_factor = i ? m->cv : m->v;
	}
	c.optimize_coding = m->optimize;
	c.arith_code = m->arithmetic;
	c.restart_interval = (unsigned) m->interval;
	c.scan_info = m->scan_count ? m->scans : NULL;
	c.num_scans = m->scan_count;
	jpeg_start_compress(&c, TRUE);
	while (c.next_scanline < c.image_height) {
		JSAMPROW line = (JSAMPROW) pixels + (size_t) c.next_scanline * (size_t) (m->width * m->bands);

		jpeg_write_scanlines(&c, &line, 1);
	}
	jpeg_finish_compress(&c);
	jpeg_destroy_compress(&c);
	return 0;
}

/* Reads the header of a file. An error jumps to the setjmp of the caller. */
static void
begin(j_decompress_ptr c, const uint8_t *data, size_t length)
{
	jpeg_create_decompress(c);
	jpeg_mem_src(c, data, length);
	jpeg_read_header(c, TRUE);
}

static void
copy_component(j_decompress_ptr c, int n, jvirt_barray_ptr from, Coefficients *out)
{
	jpeg_component_info *info = &c->comp_info[n];
	JDIMENSION y;

	out->columns = (int) info->width_in_blocks;
	out->rows = (int) info->height_in_blocks;
	out->width = (int) info->downsampled_width;
	out->height = (int) info->downsampled_height;
	out->coefficients = malloc((size_t) out->columns * (size_t) out->rows * 128);
	memcpy(out->quantum, info->quant_table->quantval, sizeof(out->quantum));
	for (y = 0; y < info->height_in_blocks; y++) {
		JBLOCKARRAY row = c->mem->access_virt_barray((j_common_ptr) c, from, y, 1, FALSE);

		memcpy(out->coefficients + (size_t) y * (size_t) out->columns * 64, row[0],
			(size_t) out->columns * 128);
	}
}

int
peer_coefficients(const uint8_t *data, size_t length, Coefficients out[3], int *count)
{
	struct jpeg_decompress_struct c;
	jvirt_barray_ptr *arrays;
	Failure f;
	int i;

	memset(out, 0, 3 * sizeof(*out));
	c.err = errors(&f);
	if (setjmp(f.out)) {
		jpeg_destroy_decompress(&c);
		return -1;
	}
	begin(&c, data, length);
	arrays = jpeg_read_coefficients(&c);
	*count = c.num_components;
	for (i = 0; i < c.num_components && i < 3; i++)
		copy_component(&c, i, arrays[i], &out[i]);
	jpeg_finish_decompress(&c);
	jpeg_destroy_decompress(&c);
	return 0;
}

int
peer_luma(const uint8_t *data, size_t length, int eighths, uint8_t **out, int *width, int *height)
{
	struct jpeg_decompress_struct c;
	Failure f;

	*out = NULL;
	c.err = errors(&f);
	if (setjmp(f.out)) {
		jpeg_destroy_decompress(&c);
		free(*out);
		*out = NULL;
		return -1;
	}
	begin(&c, data, length);
	c.scale_num = (unsigned) eighths;
	c.scale_denom = 8;
	c.out_color_space = JCS_GRAYSCALE;
	jpeg_start_decompress(&c);
	*width = (int) c.output_width;
	*height = (int) c.output_height;
	*out = malloc((size_t) *width * (size_t) *height);
	while (c.output_scanline < c.output_height) {
		JSAMPROW line = *out + (size_t) c.output_scanline * (size_t) *width;

		jpeg_read_scanlines(&c, &line, 1);
	}
	jpeg_finish_decompress(&c);
	jpeg_destroy_decompress(&c);
	return 0;
}

int
peer_sampling(const uint8_t *data, size_t length, int factors[6], int *progressive)
{
	struct jpeg_decompress_struct c;
	Failure f;
	int i;

	c.err = errors(&f);
	if (setjmp(f.out)) {
		jpeg_destroy_decompress(&c);
		return -1;
	}
	begin(&c, data, length);
	*progressive = c.progressive_mode;
	for (i = 0; i < c.num_components && i < 3; i++) {
		factors[2 * i] = c.comp_info[i].h_samp_factor;
		factors[2 * i + 1] = c.comp_info[i].v_samp_factor;
	}
	jpeg_destroy_decompress(&c);
	return 0;
}
