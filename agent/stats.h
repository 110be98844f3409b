/* SPDX-License-Identifier: GPL-3.0-or-later */
/* stats.h - the figures of a finished run: in its last event, and for --stats. */
#ifndef BMR_AGENT_STATS_H
#define BMR_AGENT_STATS_H

#include <stdint.h>
#include <stdio.h>

struct bmr_json;
struct bmr_options;
struct bmr_restore_progress;

struct bmr_stats {
	const char *event; /* "restored", "captured", ... */
	const struct bmr_restore_progress *progress;
	uint64_t bytes; /* of the disk */
	double seconds; /* that it took */
};

/* Write the figures as members of the object that is open: docs/events.md lists them. */
void bmr_stats_add(const struct bmr_stats *s, struct bmr_json *j);

/* The most memory that this process had, in bytes; workers of SMB are others. */
uint64_t bmr_stats_peak_memory(void);

/* If --stats was given: one JSON object, or a line of names and one of values as CSV (RFC 4180, but
 * lines end with a newline alone). */
void bmr_stats_print(const struct bmr_stats *s, const struct bmr_options *options, FILE *out);

#endif
