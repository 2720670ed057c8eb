/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_RESIZE_H
#define THUMBD_RESIZE_H

#include "plane.h"

/* The way along one axis: wanted new samples, each step old ones long, of which
 * the first begins at from. Halving 100 samples is {0, 2, 50}; the right half of
 * that {50, 2, 25}.
 *
 * parts is 1, or 2 for chroma that is halved. Such a sample is the mean of two,
 * each half a step long, as if chroma were resized to luma's size and then halved
 * by an encoder: Lanczos3 on the coarse samples themselves would have its ripples
 * twice as wide. */
typedef struct {
	double from, step;
	int wanted;
	int parts;
} Span;

/* Weights are in 1 / 2^WEIGHT_BITS. Between the pass down and the pass across a
 * sample has BELOW bits below those of a byte. */
#define WEIGHT_BITS 14
#define BELOW 6

/* Taps are added up by so many. */
#define TAPS 8

/* The largest step of a filter: the weights of longer ones would be too coarse. */
#define STEP_MAX 64

/* Which old samples a new one is made of. */
typedef struct {
	int wanted;
	int taps;         /* of each new sample, a multiple of TAPS */
	int *first;       /* of each new sample, the first old one */
	int16_t *weights; /* taps of each new sample; the taps too many weigh 0 */
	int *used;        /* of each new sample, the taps up to the last that weighs */
} Filter;

/* Computes the weights of Lanczos3 from a line of have samples along s, whose
 * step is at most STEP_MAX. Samples beyond the ends count as the ones at the
 * ends. Returns 0, or -1 if there is no memory. */
int filter_init(Filter *f, const Span *s, int have);
void filter_clear(Filter *f);

/* The steps of a resize, line by line. Every implementation computes the same
 * numbers.
 *
 * down sums n lines of width bytes, each times its weight, into row. across makes
 * the new line of row, which has f->taps zeros behind its samples; out has room for
 * f->wanted bytes, rounded up to a multiple of TAPS.
 *
 * Pixels with alpha are multiplied by it: each color c of alpha a becomes c * a / 4
 * and alpha 255 * a / 4, rounded, so that numbers are up to 16256. Lanczos3 may make
 * up to twice as much of them. Such lines have a down and an across of their own.
 *
 * split puts the bands of a line of pixels apart, stride numbers from one to the
 * next. */
typedef struct {
	void (*down)(const uint8_t *const *lines, const int16_t *w, int n, int width,
		int16_t *row);
	void (*across)(const int16_t *row, const Filter *f, uint8_t *out);
	void (*multiply)(const uint8_t *pixels, int width, int bands, int16_t *out);
	void (*down_multiplied)(const int16_t *const *lines, const int16_t *w, int n,
		int width, int16_t *row);
	void (*across_multiplied)(const int16_t *row, const Filter *f, int16_t *out);
	void (*split)(const int16_t *row, int width, int bands, int16_t *out,
		ptrdiff_t stride);
} Passes;

extern const Passes passes_plain;

/* The fastest passes that this processor has. */
const Passes *passes_best(void);

/* Makes a picture whose plane i follows x[i] and y[i] of in's. Returns NULL if
 * there is no memory. The caller frees it with planes_free. */
Planes *planes_resize(const Planes *in, const Span x[3], const Span y[3],
	const Passes *passes);

#endif
