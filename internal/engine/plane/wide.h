/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_WIDE_H
#define THUMBD_WIDE_H

/* Compiles a loop over whole numbers twice, the second time for processors that add
 * eight or sixteen numbers at once. The results are the same on every processor. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif

#endif
