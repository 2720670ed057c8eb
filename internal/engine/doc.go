// SPDX-License-Identifier: MIT

// Package engine renders thumbnails with libvips. Only this package and the packages
// below it use cgo, and only workers use them.
//
// It is larger than other packages because every step works on the pictures of libvips
// in C and plans them in Go. Each step is a file in both languages. Steps without a
// picture of libvips are packages below it: jpeg, png, plane, probe.
//
// The package calls libvips in two ways. bimg starts it and sets it up. The picture
// itself goes through vips.c and finish.c, because bimg reads whole files into memory,
// takes a file that is cut off for a picture, corrupts pictures that it turns, leaves or
// drops color profiles without applying them, resizes colors without their alpha, and
// stretches or cuts by its own arithmetic. Its blur, sharpening and watermark are right,
// but take a file and return a file: each would decode and encode the thumbnail once
// more. If a WebP is scaled, libwebp itself decodes it (webp.c), in one thread and one
// copy.
//
// A render is: probe the file in Go, open it with the one loader for its
// format, compare the header with the limits, let the decoder scale it as far as the
// quality allows (package geometry), resize, and only then, on few pixels, apply the
// profile, turn upright, seek the part to keep, finish, lay the watermark over it, encode.
// Several outputs are made of one decode.
//
// If a JPEG is not enlarged, package jpeg decodes it at 1/8 to 4/8, or in full, into
// planes, and package plane resizes these. If the thumbnail is a JPEG, too, and needs
// no colors (no profile, filter, watermark, padding, or part to seek, and no
// max_bytes with a quality of 90 or more), it stays planes, and libjpeg encodes them.
// Otherwise the small picture becomes a picture of libvips. Lanczos3 then reduces by
// 7/5 or more, and by 4/3 or more at 4/8: SSIM of photographs with a reduction of all
// pixels is 0.99 or more. If chroma has half of luma's size, it is decoded at twice
// luma's scale, up to 4/8.
//
// libvips decodes every other JPEG: if package jpeg finds it out of order, or if its
// PNG would lack chroma. The bytes are then those of libvips.
//
// If a PNG has 8 bits, package png decodes it, with the same pixels as libvips, and
// shrinks it meanwhile, if what is left fits into maxBase. libvips decodes every other
// PNG, also if package png finds it out of order.
//
// Pictures of bytes are resized by loops of our own: shrink.c, then reduce.c, which
// call package plane. These loops know parts of pixels, and multiply colors by alpha
// in numbers of 14 bits. They take a third of the time of libvips with its floats. If
// alpha is opaque throughout, it is skipped. Pictures of other numbers go through
// vips_reduce.
//
// If a job has several outputs, a smaller output is made of the resized picture of a
// larger one, if that picture has at least 3/2 as many pixels across and down. The six
// default presets in one job take 1.4 times as long as the largest alone. They would
// take 1.6 times as long if each were made of the original.
//
// If a profile is not sRGB, its transform takes 3 ms to set up, for every size. The
// transform can't be kept from one job to the next: libvips makes it inside
// the operation that applies it, and has no parameter for it.
//
// The places of a thumbnail's pixels are exact. libvips' own resizing, and so
// vips_thumbnail, is off by up to a pixel if a scaled JPEG has lost a part of its last
// line, and by half a pixel if it enlarges. The SSIM of the luma of the corpus'
// photographs with a Lanczos3 reduction of all pixels, at 100 to 1200 pixels and before
// encoding, is 0.99 or more; with vips_thumbnail it is 0.97.
//
// Against sharp 0.35.5 with libraries of its own, processor time in milliseconds
// over photographs of 2 to 24 megapixels (make bench BENCH=stages), of an earlier version:
//
//	                      100x100     400x300    1200x900
//	                  thumbd sharp  thumbd sharp  thumbd sharp
//	all                 18.9  30.2    24.5  34.5    65.4  63.7
//	  decode            13.7  29.3    17.2  31.4    30.4  49.6
//	  read, resize       4.9   0.2     5.9   0.3    13.4   0.5
//	  encode             0.4   0.7     1.4   2.7    21.6  13.7
//	encode progressive                             21.6  26.8
//
// A step is the difference of calls with the step and without, good to half a
// millisecond. Package jpeg decodes in half of the time. At 1200x900 thumbd takes longer
// for two things: it writes a progressive JPEG, as sharp does only if told to, and it
// resizes more pixels: its decoder leaves at least 7/5 of the wanted pixels, sharp's
// 5/4. The least SSIM, as above, of these photographs is 0.996 with thumbd; with sharp
// it is 0.980, 0.933 and 0.987.
//
// Against vips_thumbnail, of photographs of 3 to 24 megapixels in WebP (make bench
// BENCH=webp):
//
//	                      100x100     400x300    1200x900
//	                  thumbd  vips  thumbd  vips  thumbd  vips
//	all                108.5 120.8   115.5 121.9   148.3 155.1
//	  decode           105.8 114.9   108.3 121.5   122.3 131.6
//	  read, resize       2.1   5.2     5.5  -1.2     7.8   5.3
//	  encode             0.6   0.6     1.6   1.6    18.2  18.2
//	by decoder alone   105.9         107.3         132.9
//	least SSIM         0.994 0.980   0.995 0.985   0.996 0.993
//
// vips_thumbnail resizes in WebP's decoder alone, by means of pixels: "by decoder alone"
// is thumbd if it did the same, in 0.87 of the time of vips_thumbnail. At 100x100 such a
// picture has a lower SSIM than the 0.99 that thumbd keeps. So thumbd asks the decoder
// for 3/2 of the wanted pixels across and down, and reduces them by Lanczos3: all sizes
// together take 0.94 of vips_thumbnail's time here, and up to 1.01 in other runs. At
// 100x100 nearly all of the time is decoding, and both decode the same. A step is a
// difference. If it is negative, this is scatter, or a copy that the whole does without.
//
// The encoders' settings are the ones beyond which more time saves little. Processor
// time and size at 1200x900 of a noisy photograph, with libvips 8.14:
//
//	JPEG  with libvips' ten scans; the six of package jpeg, which encodes all,
//	      take 0.72 of the time for the same bytes.
//	      Plain tables 3 ms, 160 kB; optimized 6 ms, 153 kB; progressive too
//	      16 ms, 147 kB, which below 400x400 pixels saves 1 % and less; a
//	      twentieth of the bytes for 7 ms at 0.5 megapixels, 15 at 1, 21 at 2
//	      and 39 at 4: no size is too large for it
//	PNG   by libpng at level 3, as it was: all photographs of the corpus at 1200
//	      pixels 13.07 MB; through libdeflate at level 2 12.81 MB, 3 12.71, 4 12.67,
//	      5 12.44, 6 12.35. 4 takes two thirds of libpng's time, 6 nearly all of
//	      it. The noisiest photograph is 3 % larger than by libpng at 4, 2 % at 6
//	WebP  effort 2 34 ms, 87 kB; 4 80 ms, 80 kB; 6 152 ms, 76 kB
//	AVIF  effort 1 40 ms, 30 kB; 2 224 ms, 33 kB and no better to see;
//	      3 322 ms, 31 kB; 4 950 ms, 29 kB
//	GIF   effort 1 209 ms, 921 kB; 4 211 ms, 885 kB; 7 239 ms, 880 kB
//
// On drawings AVIF at effort 1 takes 2.7 times as long as WebP.
//
// AVIF has effort 1 for full-size pictures too. Processor time, size and SSIM at quality
// 55, with aom 3.6, of a noisy photograph of 4000x3000 pixels (make bench
// BENCH=inplace-12mp), of four photographs of 2 megapixels together, and of a screen:
//
//	          12 MP                  4 of 2 MP             screen
//	effort 0   2.1 s, 458 kB, 0.959  2.6 s, 601 kB, 0.971  96 kB, 0.984
//	effort 1   3.1 s, 480 kB, 0.958  3.3 s, 584 kB, 0.975  79 kB, 0.991
//	effort 2   4.5 s, 506 kB, 0.958  5.1 s, 581 kB, 0.979  78 kB, 0.993
//	effort 3   7.6 s, 470 kB, 0.963  5.8 s, 585 kB, 0.981  80 kB, 0.995
//	effort 4  18.4 s, 464 kB, 0.964
//	effort 5  20.6 s, 465 kB, 0.965
//
// Effort 0 takes two thirds of the time, but a fifth more bytes for a drawing. Effort 2
// takes half as long again for the look that four points of quality give, which are 5 %
// of the bytes; and from effort 4 on a picture of 12 megapixels comes near render_time.
//
// If a PNG has at most 256 colors, it gets a palette, and every pixel keeps its color:
// for example a flat drawing of 200x150 pixels is 220 bytes and not 1179, and a disc of
// 200x200 with a soft edge on transparent ground 2404 and not 5288. Photographs have
// more colors: counting stops after some hundred pixels. If the original has a palette,
// 256 and fewer colors are tried on the thumbnail, if the structural similarity of each
// band stays 0.99 or more and the mean of no 3x3 samples changes by over 16. For example
// a drawing of 16 colors, reduced to 160x160 pixels, is 5 kB and not 20, for 20 ms.
//
// A quality of auto is chosen by a mosaic of 16 tiles of the thumbnail's luma (tiles.go):
// of all tiles in the order of what there is to see in them, every so many. It is encoded
// in a quality that is right for many pictures and decoded, and then in another that
// follows from what was lost. What counts is the structural similarity (tiles.c), in
// whole numbers, of the half of the tiles that loses most: a picture that is mostly flat
// is judged by the rest.
package engine
