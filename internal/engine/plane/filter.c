/* SPDX-License-Identifier: MIT */

#include "resize.h"

#include <math.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

static int
clip(int low, int v, int high)
{
	return v < low ? low : v > high ? high : v;
}

/* The Lanczos window of three lobes. sin 3y is (3 - 4 sin^2 y) sin y, so one
 * sine is enough. */
static double
lobes(double x)
{
	double y = x * pi / 3;
	double square = sin(y) * sin(y);

	if (fabs(x) < 1e-9)
		return 1;
	if (fabs(x) >= 3)
		return 0;
	return square * (3 - 4 * square) / (3 * y * y);
}

/* Adds the window around a center to w. w[0] is the weight of old sample first. values has
 * room for the window. */
static void
add_window(double center, double factor, int have, int first, double *w, double *values)
{
	int from = (int) ceil(center - 3 * factor);
	int to = (int) floor(center + 3 * factor);
	double sum = 0;
	int k;

	for (k = from; k <= to; k++)
		sum += values[k - from] = lobes((k - center) / factor);
	for (k = from; k <= to; k++)
		w[clip(0, k, have - 1) - first] += values[k - from] / sum;
}

/* Rounds w, numbers with the sum parts, to the weights of new sample i. The largest
 * weight takes the rest of rounding, so that the sum of the weights is exactly 1. */
static void
set_weights(Filter *f, int i, const double *w, int parts)
{
	int16_t *weights = f->weights + (size_t) i * (size_t) f->taps;
	int rest = 1 << WEIGHT_BITS;
	int most = 0;
	int k;

	f->used[i] = 1;
	for (k = 0; k < f->taps; k++) {
		weights[k] = (int16_t) rint(w[k] / parts * (1 << WEIGHT_BITS));
		rest -= weights[k];
		if (weights[k] > weights[most])
			most = k;
		if (weights[k])
			f->used[i] = k + 1;
	}
	weights[most] = (int16_t) (weights[most] + rest);
}

int
filter_init(Filter *f, const Span *s, int have)
{
	double length = s->step / s->parts;
	double factor = length > 1 ? length : 1;
	size_t wanted = (size_t) s->wanted;
	double *w, *values; /* a window has at most as many samples as taps */
	int i, p;

	f->wanted = s->wanted;
	f->taps = ((int) (6 * factor + s->step - length) + 2 + TAPS - 1) / TAPS * TAPS;
	f->first = malloc(wanted * sizeof(*f->first));
	f->used = malloc(wanted * sizeof(*f->used));
	f->weights = malloc(wanted * (size_t) f->taps * sizeof(*f->weights));
	w = malloc(2 * (size_t) f->taps * sizeof(*w));
	if (!f->first || !f->used || !f->weights || !w) {
		free(w);
		return -1;
	}
	values = w + f->taps;
	for (i = 0; i < s->wanted; i++) {
		double center = s->from + i * s->step + length / 2 - 0.5;

		f->first[i] = clip(0, (int) ceil(center - 3 * factor), have - 1);
		memset(w, 0, (size_t) f->taps * sizeof(*w));
		for (p = 0; p < s->parts; p++)
			add_window(center + p * length, factor, have, f->first[i], w, values);
		set_weights(f, i, w, s->parts);
	}
	free(w);
	return 0;
}

void
filter_clear(Filter *f)
{
	free(f->first);
	free(f->used);
	free(f->weights);
	memset(f, 0, sizeof(*f));
}
