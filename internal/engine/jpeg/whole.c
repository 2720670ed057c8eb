/* SPDX-License-Identifier: MIT */

/* A file at its full size, by libjpeg: its transform of whole blocks is the fastest.
 * libjpeg hands over the planes before it would enlarge chroma and make pixels, which
 * saves a quarter of its time. */

#include "whole.h"

#include "decoder.h"

#include <setjmp.h>
#include <stdio.h>

#include <jpeglib.h>

typedef struct {
	struct jpeg_decompress_struct c;
	struct jpeg_error_mgr errors;
	struct jpeg_source_mgr source;
	struct jpeg_progress_mgr progress;
	Input input;
	Planes *planes;
	jmp_buf out; /* libjpeg leaves a call that fails by a jump */
} Whole;

static void
fail(j_common_ptr c)
{
	longjmp(((Whole *) c)->out, 1);
}

/* If level is below 0, it is a warning, and libjpeg would go on. */
static void
fail_at_warning(j_common_ptr c, int level)
{
	if (level < 0)
		fail(c);
}

static void
count_scans(j_common_ptr c)
{
	if (((Whole *) c)->c.input_scan_number > SCANS_MAX)
		fail(c);
}

static void
do_nothing(j_decompress_ptr c)
{
	(void) c;
}

/* Reads more input: libjpeg has consumed all of it. */
static boolean
read_on(j_decompress_ptr c)
{
	Whole *w = (Whole *) c;

	w->input.at = w->input.end;
	if (!input_has(&w->input, 1))
		fail((j_common_ptr) c);
	w->source.next_input_byte = w->input.at;
	w->source.bytes_in_buffer = (size_t) (w->input.end - w->input.at);
	return TRUE;
}

static void
pass_over(j_decompress_ptr c, long n)
{
	Whole *w = (Whole *) c;

	while (n > 0 && (size_t) n > w->source.bytes_in_buffer) {
		n -= (long) w->source.bytes_in_buffer;
		read_on(c);
	}
	if (n > 0) {
		w->source.next_input_byte += n;
		w->source.bytes_in_buffer -= (size_t) n;
	}
}

/* Whether the file is of a kind that becomes planes. */
static int
is_known(const struct jpeg_decompress_struct *c, const JpegScale *scale)
{
	const jpeg_component_info *luma = &c->comp_info[0], *chroma = luma + 1;

	if (c->image_width != (JDIMENSION) scale->width ||
		c->image_height != (JDIMENSION) scale->height || c->data_precision != 8 ||
		c->arith_code)
		return 0;
	if (c->num_components == 1)
		return c->jpeg_color_space == JCS_GRAYSCALE;
	return c->num_components == 3 && c->jpeg_color_space == JCS_YCbCr &&
		luma->h_samp_factor <= 2 && luma->v_samp_factor <= 2 &&
		luma->h_samp_factor == c->max_h_samp_factor &&
		luma->v_samp_factor == c->max_v_samp_factor &&
		chroma[0].h_samp_factor == chroma[1].h_samp_factor &&
		chroma[0].v_samp_factor == chroma[1].v_samp_factor &&
		(scale->halved || (chroma->h_samp_factor == luma->h_samp_factor &&
			chroma->v_samp_factor == luma->v_samp_factor));
}

/* Makes planes with room for whole MCUs. */
static int
make_planes(Whole *w)
{
	const struct jpeg_decompress_struct *c = &w->c;
	int i;

	if (!(w->planes = calloc(1, sizeof(*w->planes))))
		return -1;
	w->planes->count = c->num_components;
	for (i = 0; i < c->num_components; i++) {
		const jpeg_component_info *from = &c->comp_info[i];
		Plane *p = &w->planes->plane[i];
		int h = from->h_samp_factor, v = from->v_samp_factor;

		if (plane_init(p, (int) from->width_in_blocks * DCTSIZE,
				(int) c->total_iMCU_rows * v * DCTSIZE))
			return -1;
		p->across = (double) c->image_width * h / c->max_h_samp_factor;
		p->down = (double) c->image_height * v / c->max_v_samp_factor;
		p->width = (int) from->downsampled_width;
		p->height = (int) from->downsampled_height;
	}
	return 0;
}

/* Gray may have any sampling factor: T.81 A.2.2 gives it no meaning then. */
static void
read_row(Whole *w, int row)
{
	JSAMPROW lines[3][MAX_SAMP_FACTOR * DCTSIZE];
	JSAMPARRAY all[3] = { lines[0], lines[1], lines[2] };
	int i, j;

	for (i = 0; i < w->c.num_components; i++) {
		int n = w->c.comp_info[i].v_samp_factor * DCTSIZE;

		for (j = 0; j < n; j++)
			lines[i][j] = plane_line(&w->planes->plane[i], row * n + j);
	}
	jpeg_read_raw_data(&w->c, all, (JDIMENSION) (w->c.max_v_samp_factor * DCTSIZE));
}

/* Whether there was a scan of every component (libjpeg then has taken its table), and
 * the scans of a progressive file have made every coefficient complete. */
static int
is_complete(const struct jpeg_decompress_struct *c)
{
	int i, k;

	for (i = 0; i < c->num_components; i++) {
		if (!c->comp_info[i].quant_table)
			return 0;
		for (k = 0; c->progressive_mode && k < DCTSIZE2; k++)
			if (c->coef_bits[i][k])
				return 0;
	}
	return 1;
}

static int
decode(Whole *w, const JpegScale *scale)
{
	int row;

	if (setjmp(w->out))
		return -1;
	jpeg_create_decompress(&w->c);
	w->c.src = &w->source;
	w->c.progress = &w->progress;
	jpeg_read_header(&w->c, TRUE);
	if (!is_known(&w->c, scale))
		return -1;
	w->c.raw_data_out = TRUE;
	w->c.out_color_space = w->c.jpeg_color_space;
	w->c.do_block_smoothing = FALSE;
	jpeg_start_decompress(&w->c);
	if (!is_complete(&w->c) || make_planes(w))
		return -1;
	for (row = 0; w->c.output_scanline < w->c.output_height; row++)
		read_row(w, row);
	jpeg_finish_decompress(&w->c);
	return 0;
}

Planes *
jpeg_decode_whole(int file, const JpegScale *scale, const char **why)
{
	Whole *w = calloc(1, sizeof(*w));
	Planes *planes = NULL;

	*why = "libjpeg finds it out of order, or of a kind that is no planes";
	if (!w || input_init(&w->input, file)) {
		free(w);
		*why = "no memory";
		return NULL;
	}
	w->c.err = jpeg_std_error(&w->errors);
	w->errors.error_exit = fail;
	w->errors.emit_message = fail_at_warning;
	w->progress.progress_monitor = count_scans;
	w->source = (struct jpeg_source_mgr){ .init_source = do_nothing,
		.fill_input_buffer = read_on, .skip_input_data = pass_over,
		.resync_to_restart = jpeg_resync_to_restart, .term_source = do_nothing };
	if (decode(w, scale))
		planes_free(w->planes);
	else
		planes = w->planes;
	jpeg_destroy_decompress(&w->c);
	input_clear(&w->input);
	free(w);
	return planes;
}
