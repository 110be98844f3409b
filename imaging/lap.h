/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lap.h - where a worker's time goes: added up by stage, in the progress of a run. */
#ifndef BMR_IMAGING_LAP_H
#define BMR_IMAGING_LAP_H

#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#include "imaging/phase.h"

/* Nanoseconds of a clock that is never set. */
static inline uint64_t bmr_lap_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* A stage that began at *since has ended, and the next one begins.  progress may be NULL. */
static inline void bmr_lap(struct bmr_restore_progress *progress, enum bmr_stage stage,
                           uint64_t *since)
{
	uint64_t now = bmr_lap_now();

	if (progress)
		atomic_fetch_add(&progress->stage_ns[stage], now - *since);
	*since = now;
}

#endif
