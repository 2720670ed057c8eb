/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_JPEG_DECODER_H
#define THUMBD_JPEG_DECODER_H

#include "../plane/wide.h"
#include "decode.h"
#include "huffman.h"

/* The most scans of a file: each takes time, however short it is. */
#define SCANS_MAX 100

/* The precision of a coefficient that no scan has had, T.81 G.1.1. */
#define UNSEEN 0xff

/* A component of the frame, T.81 B.2.2. Its coefficients are sorted by their
 * number: a row of blocks has a row of numbers for each coefficient that the
 * scale needs, row major, and a last row for all other coefficients. */
typedef struct {
	int id, h, v, table; /* table: of quantization */
	int dc, ac;          /* Huffman tables, of this scan */
	int size;            /* of a decoded block, 1 to 4 */
	int across, down;    /* blocks that have a sample of the picture */
	int columns, rows;   /* blocks, with the padding of MCUs */
	int16_t prediction;  /* T.81 F.1.1.5.1 */
	uint8_t slot[64];    /* of each coefficient in zigzag order, its row */
	int last;            /* the greatest coefficient in that order that is needed */
	int16_t *coefficients;
	int16_t *dequantized; /* a row of blocks */
	uint16_t quantum[64]; /* in zigzag order */
	int latched;          /* quantum is */
	/* Of a progressive file. */
	uint8_t precision[64]; /* the lowest bit that a scan of each coefficient had */
	uint8_t decoded[64];   /* the same of decoded scans */
	int chosen, refined;   /* whether AC refinement is decoded, once that is chosen */
	uint64_t *history;     /* of each block, the set of coefficients that are not 0 */
} Component;

typedef struct {
	Input input;
	const JpegScale *scale;
	const char *why;
	Planes *planes;
	int width, height, count, progressive;
	int h, v;                /* the greatest sampling factors */
	int mcus_across, mcus_down;
	int interval;            /* MCUs between restart markers, or 0 */
	int adobe_rgb, jfif;
	int scans;
	Component component[3];
	Huffman *dc[4], *ac[4];
	uint16_t quantum[4][64]; /* in zigzag order */
	int has_quantum[4];
} Decoder;

/* The header of a scan, T.81 B.2.3. */
typedef struct {
	int count;
	Component *component[3];
	int start, end; /* Ss, Se */
	int high, low;  /* Ah, Al */
} Scan;

/* Whether the scale needs coefficient k, which has a row of its own then. */
static inline int
is_needed(const Component *c, int k)
{
	return c->slot[k] < c->size * c->size;
}

/* Sets the reason, and returns -1. */
static inline int
refuse(Decoder *d, const char *why)
{
	d->why = why;
	return -1;
}

/* The functions below return 0, or -1 with the reason set. */

/* markers.c: segments. frame and scan_header leave the input behind theirs. */
int decode_tables(Decoder *d, int marker);
int decode_frame(Decoder *d, int marker);
int decode_scan_header(Decoder *d, Scan *s);
/* Passes over a scan's data to its next marker. */
int skip_scan(Decoder *d);

/* blocks.c: the blocks of a frame. */
int blocks_init(Decoder *d);
/* Makes samples of one row of MCUs. If the file is not progressive, the coefficients have
 * only this row. */
void blocks_samples(Decoder *d, int row, int progressive);

/* The scans of T.81 F.2 and G.2, from the first byte of their data to their end. */
int decode_sequential(Decoder *d, const Scan *s);
int decode_dc(Decoder *d, const Scan *s);
int decode_ac(Decoder *d, const Scan *s);
int decode_refinement(Decoder *d, const Scan *s);

/* A restart, T.81 F.2.2.4: the marker RSTn of number next must follow. */
static inline __attribute__((always_inline)) int
restart(Bits *s, int *next)
{
	Input *in = s->input;

	if (bits_end(*s) || in->at[1] != 0xd0 + (*next & 7))
		return -1;
	in->at += 2;
	++*next;
	*s = bits_start(in);
	return 0;
}

/* Each coefficient's place in a block of 8 x 8, T.81 A.3.6: row << 3 | column. */
extern const uint8_t zigzag[64];

/* Samples of a row of blocks from its dequantized coefficients, T.81 A.3.3 with
 * the size x size lowest of them. */
void idct_row(const int16_t *coefficients, int blocks, int size, uint8_t *out,
	ptrdiff_t stride);

#endif
