/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_PNG_PEER_H
#define THUMBD_PNG_PEER_H

#include <stddef.h>
#include <stdint.h>

/* Decodes a PNG by libpng, with what is less than 8 bits or indexed made samples of 8
 * bits. Returns 0, or -1 for what libpng refuses. *warned is how often it warns.
 * *out is freed with free. */
int peer_decode(const uint8_t *data, size_t length, uint8_t **out, int *width,
	int *height, int *bands, int *warned);

#endif
