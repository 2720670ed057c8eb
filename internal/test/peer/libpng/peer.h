/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_PNG_PEER_H
#define THUMBD_PNG_PEER_H

#include <stddef.h>
#include <stdint.h>

/* Decodes a PNG by libpng. If its samples have less than 8 bits or are indexed, they
 * become samples of 8 bits. Returns 0, or -1 if libpng refuses the file. *warned is the
 * number of warnings. The caller frees *out with free. */
int peer_decode(const uint8_t *data, size_t length, uint8_t **out, int *width,
	int *height, int *bands, int *warned);

#endif
