/* SPDX-License-Identifier: GPL-3.0-or-later */
/* progress.h - how far a restore is, and how fast: numbers for screens and events.  Pure: the clock
 * is handed in. */
#ifndef BMR_AGENT_PROGRESS_H
#define BMR_AGENT_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "imaging/restore/restore.h"

#define BMR_METER_WINDOW 8 /* samples that make "now" */

/* A rate from samples; one thread.  Starts as {0}. */
struct bmr_meter {
	struct {
		double at; /* seconds */
		uint64_t bytes;
	} samples[BMR_METER_WINDOW];
	unsigned count; /* ever taken in this phase */
	enum bmr_phase phase;
	double start;
};

struct bmr_progress_view {
	enum bmr_phase phase;
	uint64_t done;       /* bytes of the disk in this phase */
	uint64_t total;      /* the same; 0 unknown */
	double fraction;     /* 0 .. 1; -1 unknown */
	double rate_now;     /* bytes a second over the last samples */
	double rate_mean;    /* since the phase began */
	double seconds_left; /* -1 unknown */
};

/* Look at the counters at time `now` (any monotonic seconds).  A new phase starts the meter anew.
 * file_size: of the compressed image, UINT64_MAX unknown; disk_size: of the disk inside, 0 unknown.
 * Of the file's share and the disk's the smaller one counts, so that 100 % is the end of both. */
void bmr_progress_look(const struct bmr_restore_progress *p, uint64_t file_size, uint64_t disk_size,
                       double now, struct bmr_meter *meter, struct bmr_progress_view *view);

/* "writing   43 %  1.72 GiB of 4.00 GiB  412 MiB/s, mean 398 MiB/s, 0:05 left"; fits 79
 * columns.  Returns buf. */
char *bmr_progress_text(const struct bmr_progress_view *view, char *buf, size_t len);

/* What a phase is called on a screen: "writing", "reading back", ... */
const char *bmr_progress_phase_text(enum bmr_phase phase);

#endif
