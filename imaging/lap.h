/* SPDX-License-Identifier: GPL-3.0-or-later */
/* lap.h - where a worker's time goes: added up by stage, in the progress of a run. */
#ifndef BMR_IMAGING_LAP_H
#define BMR_IMAGING_LAP_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/clock.h"
#include "imaging/phase.h"

/* A stage that began at *since (bmr_clock_ns) has ended, and the next one begins.  progress may be NULL. */
static inline void bmr_lap(struct bmr_restore_progress *progress, enum bmr_stage stage,
                           uint64_t *since)
{
	uint64_t now = bmr_clock_ns();

	if (progress)
		atomic_fetch_add(&progress->stage_ns[stage], now - *since);
	*since = now;
}

#endif
