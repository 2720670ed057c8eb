/* SPDX-License-Identifier: MIT */

#include "decoder.h"
#include "whole.h"

/* If the lowest bits of a coefficient are not decoded, it may be wrong by up to this
 * much, in the gain of idct.c: there a difference of 1 in all samples of a block is 8.
 * With 16, SSIM of a photograph falls below 0.99. With 12, that of a ramp under strong
 * noise is still 0.988, with 8 it is 0.994: but then photographs of quality 90 take all
 * their refinement scans. */
#define COARSE 12

/* Whether AC coefficients of c must be refined if their low lowest bits are missing. */
static int
coarse(const Decoder *d, const Component *c, int low)
{
	int most = d->scale->exact ? 0 : COARSE;
	int k;

	for (k = 1; k <= c->last && low > 0; k++)
		if (is_needed(c, k) && c->quantum[k] << low > most)
			return 1;
	return 0;
}

/* Chooses, at the first AC scan of c, if refinements of c are decoded. If so, a record of
 * all coefficients is needed, also of the ones that the scale does not need. */
static void
choose(const Decoder *d, Component *c, const Scan *scan)
{
	if (c->chosen)
		return;
	c->chosen = 1;
	c->refined = coarse(d, c, scan->low);
	if (c->refined)
		c->history = calloc((size_t) c->columns * (size_t) c->rows, sizeof(*c->history));
}

/* Checks that scans come in the order of T.81 G.1.1: each coefficient with some
 * of its bits, then with one more at a time. */
static int
follow(Decoder *d, const Scan *scan)
{
	int i, k;

	if (scan->end > 63 || scan->start > scan->end || scan->low > 13 ||
		(scan->start == 0 && scan->end > 0) || (scan->start > 0 && scan->count > 1) ||
		(scan->high && scan->high != scan->low + 1))
		return refuse(d, "a scan of no kind");
	for (i = 0; i < scan->count; i++) {
		Component *c = scan->component[i];

		for (k = scan->start; k <= scan->end; k++) {
			if (c->precision[k] != (scan->high ? scan->high : UNSEEN))
				return refuse(d, "scans are not in order");
			c->precision[k] = (uint8_t) scan->low;
		}
	}
	return 0;
}

static int
progressive_scan(Decoder *d, const Scan *scan)
{
	Component *c = scan->component[0];
	int k;

	if (follow(d, scan))
		return -1;
	if (scan->start == 0)
		return decode_dc(d, scan);
	if (!scan->high)
		choose(d, c, scan);
	if (c->refined && !c->history)
		return refuse(d, "no memory");
	if (scan->high ? !c->refined || !coarse(d, c, scan->high)
				   : !c->refined && scan->start > c->last)
		return skip_scan(d);
	if (!c->refined && coarse(d, c, scan->low))
		return refuse(d, "scans that grow coarser");
	for (k = scan->start; k <= scan->end; k++)
		c->decoded[k] = (uint8_t) scan->low;
	return scan->high ? decode_refinement(d, scan) : decode_ac(d, scan);
}

static int
scan(Decoder *d)
{
	Scan s;

	if (decode_scan_header(d, &s))
		return -1;
	if (++d->scans > SCANS_MAX)
		return refuse(d, "too many scans");
	if (d->progressive)
		return progressive_scan(d, &s);
	if (d->scans > 1)
		return refuse(d, "components in scans of their own");
	if (s.start != 0 || s.end != 63 || s.high || s.low)
		return refuse(d, "a scan of no kind");
	return decode_sequential(d, &s);
}

/* Takes the next marker. There may be more bytes FF before it, T.81 B.1.1.2. */
static int
next_marker(Decoder *d)
{
	Input *in = &d->input;

	if (!input_has(in, 2) || in->at[0] != 0xff)
		return refuse(d, "no marker where one must be");
	while (in->at[1] == 0xff) {
		in->at++;
		if (!input_has(in, 2))
			return refuse(d, "cut off");
	}
	in->at += 2;
	return in->at[-1];
}

/* At the end marker. */
static int
finish(Decoder *d)
{
	int i, k, y;

	if (!d->scans)
		return refuse(d, "no scan");
	if (!d->progressive)
		return 0;
	for (i = 0; i < d->count; i++)
		for (k = 0; k < 64; k++)
			if (d->component[i].precision[k] != 0)
				return refuse(d, "scans are missing");
	for (y = 0; y < d->mcus_down; y++)
		blocks_samples(d, y, 1);
	return 0;
}

static int
decode(Decoder *d)
{
	int marker = next_marker(d);

	if (marker != 0xd8)
		return refuse(d, "no JPEG");
	for (;;) {
		int wrong;

		switch (marker = next_marker(d)) {
		case 0xd9: /* EOI */
			return finish(d);
		case 0xc0: /* SOF0: baseline, SOF1: extended, SOF2: progressive */
		case 0xc1:
		case 0xc2:
			wrong = decode_frame(d, marker);
			break;
		case 0xda: /* SOS */
			wrong = scan(d);
			break;
		case 0xc4:
		case 0xdb:
		case 0xdd:
		case 0xe0 ... 0xef: /* APPn */
		case 0xfe:          /* COM */
			wrong = decode_tables(d, marker);
			break;
		case -1:
			return -1;
		default:
			return refuse(d, "a marker of another kind of file");
		}
		if (wrong)
			return -1;
	}
}

static void
clear(Decoder *d)
{
	int i;

	for (i = 0; i < 3; i++) {
		free(d->component[i].coefficients);
		free(d->component[i].dequantized);
		free(d->component[i].history);
	}
	for (i = 0; i < 4; i++) {
		free(d->dc[i]);
		free(d->ac[i]);
	}
	input_clear(&d->input);
	free(d);
}

Planes *
jpeg_decode(int file, const JpegScale *scale, const char **why)
{
	Decoder *d;
	Planes *planes = NULL;

	if (scale->eighths == 8)
		return jpeg_decode_whole(file, scale, why);
	d = calloc(1, sizeof(*d));
	*why = "no memory";
	if (!d)
		return NULL;
	d->scale = scale;
	if (input_init(&d->input, file) || decode(d)) {
		if (d->why)
			*why = d->why;
		planes_free(d->planes);
	}
	else
		planes = d->planes;
	clear(d);
	return planes;
}
