/* SPDX-License-Identifier: GPL-3.0-or-later */
/* clock.h - time for deadlines and durations, by a clock that is never set (CLOCK_MONOTONIC), and
 * condition variables that wait by it.  Any thread. */
#ifndef BMR_BASE_CLOCK_H
#define BMR_BASE_CLOCK_H

#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <time.h>

static inline uint64_t bmr_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static inline uint64_t bmr_clock_ms(void)
{
	return bmr_clock_ns() / 1000000;
}

/* Seconds. */
static inline double bmr_clock_s(void)
{
	return (double)bmr_clock_ns() / 1e9;
}

/* What is left until `deadline` (milliseconds of bmr_clock_ms) as poll(2) takes it; 0: it passed. */
static inline int bmr_clock_left(uint64_t deadline)
{
	uint64_t now = bmr_clock_ms();

	if (deadline <= now)
		return 0;
	return deadline - now > INT_MAX ? INT_MAX : (int)(deadline - now);
}

/* A condition variable for bmr_cond_wait_ms; ended by pthread_cond_destroy. */
static inline void bmr_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

/* Wait for a signal, ms milliseconds at most; as with pthread_cond_wait the caller looks why. */
static inline void bmr_cond_wait_ms(pthread_cond_t *cond, pthread_mutex_t *lock, unsigned ms)
{
	uint64_t until = bmr_clock_ns() + (uint64_t)ms * 1000000;
	struct timespec t = {
		.tv_sec = (time_t)(until / 1000000000),
		.tv_nsec = (long)(until % 1000000000),
	};

	pthread_cond_timedwait(cond, lock, &t);
}

#endif
