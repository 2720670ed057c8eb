/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_PNG_UNFILTER_H
#define THUMBD_PNG_UNFILTER_H

#include <stddef.h>
#include <stdint.h>

/* Loops may read so many bytes beyond the end of a line. A loop for one line may write
 * one byte beyond it, too. */
#define UNFILTER_SLACK 16

/* How many types of filters there are: none, sub, up, average, Paeth. */
#define FILTERS 5

/* Undoes the filter of a line: in has n filtered bytes, out gets n bytes. The line above
 * is at up; bpp, 1 to 4, is the number of bytes of a pixel. in and up do not overlap
 * with out. */
typedef void (*Unfilter)(uint8_t *restrict out, const uint8_t *restrict in,
	const uint8_t *restrict up, size_t n, int bpp);

/* The loops for a kind of processor. All give the same bytes. */
typedef struct {
	Unfilter line[FILTERS]; /* by the filter's type */
	/* Two lines of Paeth's filter at once, or NULL. The second line is n + 1 bytes
	 * behind the first at in, and n bytes behind it at out. */
	Unfilter paeth_twice;
} Unfilters;

extern const Unfilters unfilters_plain;

/* The fastest loops that this processor has for pixels of bpp bytes. */
Unfilters unfilters_best(int bpp);

#endif
