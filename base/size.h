/* SPDX-License-Identifier: GPL-3.0-or-later */
/* size.h - byte counts and offsets: checked arithmetic, reading them from text, showing them.
 *
 * Every size and offset in bmr is bytes in a uint64_t.
 */
#ifndef BMR_BASE_SIZE_H
#define BMR_BASE_SIZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BMR_KIB ((uint64_t)1024)
#define BMR_MIB (1024 * BMR_KIB)
#define BMR_GIB (1024 * BMR_MIB)

/* *sum = a + b; false, with *sum unchanged, where it does not fit. */
static inline bool bmr_size_add(uint64_t a, uint64_t b, uint64_t *sum)
{
	uint64_t result;

	if (__builtin_add_overflow(a, b, &result))
		return false;
	*sum = result;
	return true;
}

/* *product = a * b; false, with *product unchanged, where it does not fit. */
static inline bool bmr_size_mul(uint64_t a, uint64_t b, uint64_t *product)
{
	uint64_t result;

	if (__builtin_mul_overflow(a, b, &result))
		return false;
	*product = result;
	return true;
}

/* Is [off, off + len) inside [0, size)?  Without overflow, for any three numbers. */
static inline bool bmr_size_inside(uint64_t off, uint64_t len, uint64_t size)
{
	return off <= size && len <= size - off;
}

static inline uint64_t bmr_size_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Read "4096", "100M", "1.5GiB", "500GB": a suffix K M G T P E (i, iB: powers of 1024) or KB MB
 * ... (powers of 1000); a fraction needs a suffix.  The whole text must be used.  false: not a
 * size, or over 2^64-1. */
bool bmr_size_parse(const char *text, uint64_t *bytes);

/* Write "1.5 GiB" (three figures at most, powers of 1024) to buf and return buf.  16 bytes do. */
char *bmr_size_text(uint64_t bytes, char *buf, size_t len);

#endif
