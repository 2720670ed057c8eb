/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_RESIZE_H
#define THUMBD_RESIZE_H

#include "plane.h"

/* The way along one axis: wanted is the number of new samples, step the number of old
 * samples for each, and from the place of the first new sample. For example {0, 2, 50}
 * halves 100 samples, and {50, 2, 25} is the right half of the result.
 *
 * parts is 1, or 2 if chroma is halved. A new sample of chroma is then the mean of two,
 * each half a step long, as if chroma were resized to luma's size and then halved
 * by an encoder. If Lanczos3 worked on the coarse samples themselves, its ripples would
 * be twice as wide. */
typedef struct {
	double from, step;
	int wanted;
	int parts;
} Span;

/* A weight of 1 is 2^WEIGHT_BITS. Between the pass down and the pass across, a sample
 * is a byte's value times 2^BELOW: it has BELOW bits of fraction. */
#define WEIGHT_BITS 14
#define BELOW 6

/* The number of taps that are added at once. */
#define TAPS 8

/* The largest step of a filter: if it were larger, the weights would be too coarse. */
#define STEP_MAX 64

/* The old samples, with their weights, of each new sample. */
typedef struct {
	int wanted;
	int taps;         /* of each new sample, a multiple of TAPS */
	int *first;       /* of each new sample, the first old one */
	int16_t *weights; /* taps of each new sample; the taps too many weigh 0 */
	int *used;        /* of each new sample, the taps up to the last that weighs */
} Filter;

/* Computes the weights of Lanczos3 for a line of have samples along s. s->step is at
 * most STEP_MAX. A sample beyond an end counts as the sample at the end. Returns 0, or
 * -1 if there is no memory. */
int filter_init(Filter *f, const Span *s, int have);
void filter_clear(Filter *f);

/* The steps of a resize, line by line. Every implementation computes the same
 * numbers.
 *
 * down sums n lines of width bytes, each times its weight, into row. across makes
 * the new line from row. row has f->taps zeros behind its samples; out has room for
 * f->wanted bytes, rounded up to a multiple of TAPS.
 *
 * If pixels have alpha, each color c of alpha a becomes c * a / 4, and alpha becomes
 * 255 * a / 4, rounded: numbers of 14 bits, up to 16256. Lanczos3's rings make up to 1.28
 * times as much of them in one pass, and 1.7 times in both, so an int16_t has no room for
 * a bit more. It would not be seen either: over any ground, a color that is rounded to
 * c * a / 4 differs by at most 2/255 of a byte's step. Such lines have a down and an
 * across of their own.
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

/* Resizes each plane i of in along x[i] and y[i]. Returns NULL if there is no memory.
 * The caller frees the planes with planes_free. */
Planes *planes_resize(const Planes *in, const Span x[3], const Span y[3],
	const Passes *passes);

#endif
