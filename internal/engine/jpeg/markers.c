/* SPDX-License-Identifier: MIT */

/* Segments, T.81 B.2. Each function is called with the input at the two bytes of
 * a segment's length, behind its marker, and leaves it behind the segment. */

#include "decoder.h"

/* The content of a segment that is there to its end. */
typedef struct {
	const uint8_t *at, *end;
} Segment;

static int
open_segment(Decoder *d, Segment *s)
{
	size_t length;

	if (!input_has(&d->input, 2))
		return refuse(d, "cut off");
	length = (size_t) d->input.at[0] << 8 | d->input.at[1];
	if (length < 2 || !input_has(&d->input, length))
		return refuse(d, "cut off");
	s->at = d->input.at + 2;
	s->end = d->input.at + length;
	d->input.at = s->end;
	return 0;
}

static size_t
left(const Segment *s)
{
	return (size_t) (s->end - s->at);
}

static int
take16(Segment *s)
{
	int v = s->at[0] << 8 | s->at[1];

	s->at += 2;
	return v;
}

/* T.81 B.2.4.2. */
static int
huffman_tables(Decoder *d, Segment s)
{
	while (left(&s) >= 17) {
		int class = s.at[0] >> 4, place = s.at[0] & 0xf;
		Huffman **table;
		size_t n = 0;
		int i;

		if (class > 1 || place > 3)
			return refuse(d, "a Huffman table of no kind");
		table = &(class ? d->ac : d->dc)[place];
		if (!*table && !(*table = calloc(1, sizeof(**table))))
			return refuse(d, "no memory");
		for (i = 0; i < 16; i++)
			n += (*table)->counts[i] = s.at[1 + i];
		s.at += 17;
		if (n > 256 || n > left(&s))
			return refuse(d, "a Huffman table that does not end");
		memset((*table)->symbols, 0, sizeof((*table)->symbols));
		memcpy((*table)->symbols, s.at, n);
		s.at += n;
		if (huffman_init(*table))
			return refuse(d, "a Huffman table that is none");
	}
	return left(&s) ? refuse(d, "a Huffman table that does not end") : 0;
}

/* T.81 B.2.4.1. */
static int
quantization_tables(Decoder *d, Segment s)
{
	while (left(&s)) {
		int wide = s.at[0] >> 4, place = s.at[0] & 0xf;
		int k;

		s.at++;
		if (wide > 1 || place > 3 || left(&s) < (size_t) (64 * (wide + 1)))
			return refuse(d, "a quantization table that is none");
		for (k = 0; k < 64; k++) {
			int q = wide ? take16(&s) : *s.at++;

			/* A product with a coefficient must fit 32 bits. */
			if (q > 0x7fff)
				return refuse(d, "a quantization table of 16 bits");
			d->quantum[place][k] = (uint16_t) q;
		}
		d->has_quantum[place] = 1;
	}
	return 0;
}

int
decode_tables(Decoder *d, int marker)
{
	Segment s;

	if (open_segment(d, &s))
		return -1;
	switch (marker) {
	case 0xc4: /* DHT */
		return huffman_tables(d, s);
	case 0xdb: /* DQT */
		return quantization_tables(d, s);
	case 0xdd: /* DRI, T.81 B.2.4.4 */
		if (left(&s) != 2)
			return refuse(d, "a restart interval that is none");
		d->interval = take16(&s);
		return 0;
	case 0xe0: /* APP0, of 14 bytes as libjpeg asks */
		d->jfif |= left(&s) >= 14 && !memcmp(s.at, "JFIF", 5);
		return 0;
	case 0xee: /* APP14: the last byte is 0 for colors that are not transformed */
		d->adobe_rgb |= left(&s) >= 12 && !memcmp(s.at, "Adobe", 5) && s.at[11] == 0;
		return 0;
	}
	return 0;
}

static int
component(Decoder *d, Component *c, Segment *s)
{
	c->id = s->at[0];
	c->h = s->at[1] >> 4;
	c->v = s->at[1] & 0xf;
	c->table = s->at[2];
	s->at += 3;
	if (c->table > 3)
		return refuse(d, "a quantization table of no number");
	/* T.81 A.2.2: the scans of a single component have a block for each MCU. */
	if (d->count == 1)
		c->h = c->v = 1;
	if (c->h < 1 || c->h > 2 || c->v < 1 || c->v > 2)
		return refuse(d, "a sampling that is rare");
	d->h = c->h > d->h ? c->h : d->h;
	d->v = c->v > d->v ? c->v : d->v;
	return 0;
}

/* Of so many samples of the picture, the blocks of a component that has n for
 * each most, T.81 A.1.1. */
static int
blocks_along(int samples, int n, int most)
{
	return ((samples * n + most - 1) / most + 7) / 8;
}

/* T.81 B.2.2. */
int
decode_frame(Decoder *d, int marker)
{
	Segment s;
	int i;

	if (open_segment(d, &s))
		return -1;
	if (d->count)
		return refuse(d, "a second frame");
	if (left(&s) < 6 || s.at[0] != 8)
		return refuse(d, "samples of more than 8 bits");
	s.at++;
	d->height = take16(&s);
	d->width = take16(&s);
	d->count = *s.at++;
	d->progressive = marker == 0xc2;
	if (!d->width || !d->height)
		return refuse(d, "a height that is told later");
	/* For example a file that is written over at this moment. */
	if (d->width != d->scale->width || d->height != d->scale->height)
		return refuse(d, "another size than its caller has checked");
	if ((d->count != 1 && d->count != 3) || left(&s) != (size_t) (3 * d->count)) {
		d->count = 0;
		return refuse(d, "neither gray nor YCbCr");
	}
	for (i = 0; i < d->count; i++)
		if (component(d, &d->component[i], &s))
			return -1;
	if (d->component[0].h != d->h || d->component[0].v != d->v)
		return refuse(d, "less luma than chroma");
	d->mcus_across = (d->width + 8 * d->h - 1) / (8 * d->h);
	d->mcus_down = (d->height + 8 * d->v - 1) / (8 * d->v);
	for (i = 0; i < d->count; i++) {
		Component *c = &d->component[i];

		c->columns = d->mcus_across * c->h;
		c->rows = d->mcus_down * c->v;
		c->across = blocks_along(d->width, c->h, d->h);
		c->down = blocks_along(d->height, c->v, d->v);
	}
	/* As libjpeg tells colors without a transform. */
	if (d->count == 3 && !d->jfif && (d->adobe_rgb || (d->component[0].id == 'R' && d->component[1].id == 'G' && d->component[2].id == 'B')))
		return refuse(d, "RGB");
	return blocks_init(d);
}

/* T.81 B.2.3. */
int
decode_scan_header(Decoder *d, Scan *scan)
{
	Segment s;
	int i;
	int at = 0; /* components are in the frame's order */
	int blocks = 0;

	if (open_segment(d, &s))
		return -1;
	scan->count = left(&s) ? *s.at++ : 0;
	if (!d->count || scan->count < 1 || scan->count > d->count ||
		left(&s) != (size_t) (2 * scan->count + 3))
		return refuse(d, "a scan of nothing");
	for (i = 0; i < scan->count; i++, at++, s.at += 2) {
		Component *c;

		while (at < d->count && d->component[at].id != s.at[0])
			at++;
		if (at == d->count || s.at[1] >> 4 > 3 || (s.at[1] & 0xf) > 3)
			return refuse(d, "a scan of a component that is not there");
		c = scan->component[i] = &d->component[at];
		c->dc = s.at[1] >> 4;
		c->ac = s.at[1] & 0xf;
		blocks += c->h * c->v;
		/* Tables count as they are at a component's first scan. */
		if (!c->latched && !d->has_quantum[c->table])
			return refuse(d, "no quantization table");
		if (!c->latched)
			memcpy(c->quantum, d->quantum[c->table], sizeof(c->quantum));
		c->latched = 1;
	}
	if (scan->count > 1 && blocks > 10)
		return refuse(d, "more than ten blocks in an MCU");
	scan->start = s.at[0];
	scan->end = s.at[1];
	scan->high = s.at[2] >> 4;
	scan->low = s.at[2] & 0xf;
	return 0;
}

int
skip_scan(Decoder *d)
{
	Input *in = &d->input;
	int next = 0;

	for (;;) {
		const uint8_t *ff = memchr(in->at, 0xff, (size_t) (in->end - in->at));

		in->at = ff ? ff : in->end;
		if (!input_has(in, 2))
			return refuse(d, "cut off");
		if (in->at[0] != 0xff)
			continue;
		if (in->at[1] >= 0xd0 && in->at[1] <= 0xd7) {
			if (!d->interval || in->at[1] != 0xd0 + (next++ & 7))
				return refuse(d, "restart markers are not in order");
		}
		else if (in->at[1] != 0)
			return 0;
		in->at += 2;
	}
}
