/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_TURN_H
#define THUMBD_TURN_H

#include "plane.h"

/* Makes the picture that is seen of one that is stored with EXIF's orientation,
 * 1 to 8. Returns NULL if there is no memory. */
Planes *planes_turn(const Planes *in, int orientation);

/* Writes in's pixels as bytes, gray or red, green and blue, line by line to out. A line
 * of out begins stride bytes after the line above. If chroma has half as many samples
 * across and down, each is repeated: if an encoder halves them again by means, it gets
 * the same samples. */
void planes_pixels(const Planes *in, uint8_t *out, size_t stride);

#endif
