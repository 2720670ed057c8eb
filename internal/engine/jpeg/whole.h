/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_JPEG_WHOLE_H
#define THUMBD_JPEG_WHOLE_H

#include "decode.h"

/* jpeg_decode at 8/8. Chroma has as many samples as in the file. */
Planes *jpeg_decode_whole(int file, const JpegScale *scale, const char **why);

#endif
