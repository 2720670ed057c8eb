/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_JPEG_PEER_H
#define THUMBD_JPEG_PEER_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

typedef struct {
	int width, height, bands; /* 1: gray, 3: red, green and blue, 4: CMYK */
	int quality;
	int h, v;                 /* sampling factors of luma */
	int ch, cv;               /* of chroma */
	int interval, optimize, arithmetic, rgb;
	const jpeg_scan_info *scans;
	int scan_count; /* 0: sequential */
} Making;

typedef struct {
	int width, height; /* of the component in samples */
	int columns, rows; /* blocks */
	int16_t *coefficients; /* 64 of each block, row by row */
	uint16_t quantum[64];
} Coefficients;

/* Each returns 0, or -1 if libjpeg refuses or warns. */
int peer_make(const Making *m, const uint8_t *pixels, uint8_t **out, unsigned long *length);
int peer_coefficients(const uint8_t *data, size_t length, Coefficients out[3], int *count);
int peer_luma(const uint8_t *data, size_t length, int eighths, uint8_t **out, int *width, int *height);
int peer_sampling(const uint8_t *data, size_t length, int factors[6], int *progressive);

#endif
