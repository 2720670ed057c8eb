/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_TURN_H
#define THUMBD_TURN_H

#include "plane.h"

/* Makes the picture that is seen of one that is stored with EXIF's orientation,
 * 1 to 8. Returns NULL if there is no memory. */
Planes *planes_turn(const Planes *in, int orientation);

/* Writes in's pixels as bytes, gray or red, green and blue, line by line to out,
 * whose lines are stride apart. Chroma of half as many samples across and down
 * is repeated: an encoder that halves it again by means gets it back. */
void planes_pixels(const Planes *in, uint8_t *out, size_t stride);

#endif
