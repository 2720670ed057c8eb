/* SPDX-License-Identifier: MIT */

#ifndef THUMBD_JPEG_SETS_H
#define THUMBD_JPEG_SETS_H

#include <stdint.h>

/* Sets of coefficients of a block, as the bits of a number. The first coefficient has
 * the highest bit: so a file's bits for all members of a set are in the set's order.
 *
 * BMI2 has instructions for what are loops in plain C. If bmi2 is set, which is a
 * constant where these functions are inlined, they are used; the results are the same. */

#define IN_SET(k) ((uint64_t) 1 << (63 - (k)))

/* The members from the number first to the number last. */
static inline uint64_t
set_of(int first, int last)
{
	return (~(uint64_t) 0 << (63 - last)) & (~(uint64_t) 0 >> first);
}

/* The first member's number. There must be one. */
static inline int
set_first(uint64_t set)
{
	return __builtin_clzll(set);
}

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

#define BMI2 __attribute__((target("bmi2,popcnt")))

BMI2 static inline uint64_t
set_chosen_bmi2(uint64_t set, uint64_t bits)
{
	return _pdep_u64(bits, set);
}

BMI2 static inline int
set_count_bmi2(uint64_t set)
{
	return (int) _mm_popcnt_u64(set);
}

/* On AMD's Excavator, Zen and Zen 2 PDEP takes time for each member, as the loops do. */
static inline int
has_bmi2(void)
{
	return __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt")
		&& !__builtin_cpu_is("amdfam17h") && !__builtin_cpu_is("bdver4");
}

#else /* these are never used */

#define BMI2
#define set_chosen_bmi2(set, bits) 0
#define set_count_bmi2(set) 0
#define has_bmi2() 0

#endif

static inline __attribute__((always_inline)) int
set_count(uint64_t set, int bmi2)
{
	return bmi2 ? set_count_bmi2(set) : __builtin_popcountll(set);
}

/* The members whose bit is 1. The lowest of bits is the last member's. */
static inline __attribute__((always_inline)) uint64_t
set_chosen(uint64_t set, uint64_t bits, int bmi2)
{
	uint64_t chosen = 0;

	if (bmi2)
		return set_chosen_bmi2(set, bits);
	for (; set; set &= set - 1, bits >>= 1)
		chosen |= (set & -set) & -(bits & 1);
	return chosen;
}

/* The set of the member that n others come before, or an empty set. */
static inline __attribute__((always_inline)) uint64_t
set_nth(uint64_t set, int n, int bmi2)
{
	if (bmi2) {
		int behind = set_count(set, bmi2) - 1 - n;

		return behind < 0 ? 0 : set_chosen(set, (uint64_t) 1 << behind, bmi2);
	}
	while (set && n-- > 0)
		set &= ~IN_SET(set_first(set));
	return set ? IN_SET(set_first(set)) : 0;
}

#endif
