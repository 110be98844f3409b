/* SPDX-License-Identifier: GPL-3.0-or-later */
/* clock.h - time for deadlines: never set back, counted in milliseconds. */
#ifndef BMR_TRANSPORT_CLOCK_H
#define BMR_TRANSPORT_CLOCK_H

#include <limits.h>
#include <stdint.h>
#include <time.h>

/* Milliseconds of CLOCK_MONOTONIC.  Any thread. */
static inline uint64_t bmr_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* What is left until `deadline` (milliseconds of bmr_clock_ms) as poll(2) takes it; 0: it passed. */
static inline int bmr_clock_left(uint64_t deadline)
{
	uint64_t now = bmr_clock_ms();

	if (deadline <= now)
		return 0;
	return deadline - now > INT_MAX ? INT_MAX : (int)(deadline - now);
}

#endif
