/* SPDX-License-Identifier: GPL-3.0-or-later */
/* zero.h - is it all zeros?  Pure. */
#ifndef BMR_IMAGING_ZERO_H
#define BMR_IMAGING_ZERO_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* True also for len 0.  The buffer is compared with itself, one byte on: memcmp(3) is the fastest
 * loop there is for it on every CPU. */
static inline bool bmr_zero_is(const void *data, size_t len)
{
	const unsigned char *p = data;

	return len == 0 || (p[0] == 0 && memcmp(p, p + 1, len - 1) == 0);
}

#endif
