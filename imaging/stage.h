/* SPDX-License-Identifier: GPL-3.0-or-later */
/* stage.h - where the time of a run goes: each thread's, added up by what it did. */
#ifndef BMR_IMAGING_STAGE_H
#define BMR_IMAGING_STAGE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

/* What a thread is busy with. */
enum bmr_stage {
	BMR_STAGE_FETCH,  /* a read of the source */
	BMR_STAGE_UNPACK, /* decoding */
	BMR_STAGE_HASH,   /* SHA-256, checksums, and looking for zeros */
	BMR_STAGE_PACK,   /* compressing */
	BMR_STAGE_WRITE,  /* writing, zeroing */
	BMR_STAGE_READ,   /* reading the disk: to capture, to compare and to read back */
	BMR_STAGE_FLUSH,
	BMR_STAGE_WAIT, /* for another thread, or for the rate limit */
	BMR_STAGES
};

/* "fetch", "unpack", ... */
const char *bmr_stage_name(enum bmr_stage stage);

struct bmr_stages {
	_Atomic uint64_t ns[BMR_STAGES]; /* of all threads together */
};

/* A stage that began at *since (bmr_clock_ns) has ended, and the next one begins.  stages may be
 * NULL.  Any thread. */
static inline void bmr_lap(struct bmr_stages *stages, enum bmr_stage stage, uint64_t *since)
{
	uint64_t now = bmr_clock_ns();

	if (stages)
		atomic_fetch_add(&stages->ns[stage], now - *since);
	*since = now;
}

#endif
