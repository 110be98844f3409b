/* SPDX-License-Identifier: GPL-3.0-or-later */
/* verify_report.h - what a verification found: for people, for programs, and as an error. */
#ifndef BMR_AGENT_VERIFY_REPORT_H
#define BMR_AGENT_VERIFY_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/digest.h"
#include "imaging/verify_chunks.h"

struct bmr_err;
struct bmr_job;
struct bmr_log;
struct bmr_screen;
struct bmr_stats;
struct bmr_target_info;

struct bmr_verify_report {
	const struct bmr_job *job;
	const struct bmr_target_info *target; /* NULL: the image alone */
	const char *level;                    /* "sizes", "manifest", "full" */
	uint64_t size;                        /* bytes of the disk */
	uint32_t chunk_size;
	unsigned sector;
	const struct bmr_digest_value *sha256; /* NULL: not known */
	/* Of a stream differing.named is 1 at most, and its chunks are of 1 MiB. */
	struct bmr_verify_chunks_result found;
};

/* There is a disk, and it ends before the image does. */
bool bmr_verify_report_disk_is_short(const struct bmr_verify_report *r);

/* Say each wrong chunk that has a name. */
void bmr_verify_report_say(const struct bmr_verify_report *r, struct bmr_screen *screen);

/* Errors: BMR_E_DATA: the image is damaged (that comes first); BMR_E_TARGET: the disk differs. */
int bmr_verify_report_judge(const struct bmr_verify_report *r, struct bmr_err *e);

/* One JSON object and a newline; verdict is what judge said, its code BMR_E_NONE if all is well. */
void bmr_verify_report_json(const struct bmr_verify_report *r, const struct bmr_err *verdict,
                            const struct bmr_stats *stats, FILE *out);

/* The same where there is no report: the image could not be opened, or its chunks not be looked at. */
void bmr_verify_report_failed(const struct bmr_err *err, struct bmr_log *log, FILE *out);

#endif
