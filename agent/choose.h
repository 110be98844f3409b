/* SPDX-License-Identifier: GPL-3.0-or-later */
/* choose.h - finds the one disk that is meant, waiting for it where disks still appear. */
#ifndef BMR_AGENT_CHOOSE_H
#define BMR_AGENT_CHOOSE_H

#include <stdbool.h>

#include "imaging/disk/disk.h"
#include "imaging/disk/target.h"

struct bmr_err;
struct bmr_job;
struct bmr_select_rules;
struct bmr_session;

/* Pick the target of an unattended restore by the session's target= (which must be there), overwrite=
 * and confirm=, for the image of job.  Waits up to wait_s for a disk that matches, and until two looks at the machine
 * agree.  If none is picked, all disks and why each dropped out are shown and reported.
 * *target is ready for bmr_job_restore.
 * Errors: BMR_E_USAGE (hints), BMR_E_REFUSED, BMR_E_STOPPED. */
int bmr_choose_target(struct bmr_job *job, unsigned wait_s, struct bmr_target_info *target,
                      struct bmr_err *e);

/* Pick the one disk that a capture reads, by the session's target=.  It needs no consent, may be
 * write-protected, and may be held by what does not write to it: the caller checks that.  The same
 * errors. */
int bmr_choose_source(struct bmr_session *session, unsigned wait_s, struct bmr_target_info *disk,
                      struct bmr_err *e);

/* Show all disks and what the rules say of each; as screen lines and as the event "disks". */
void bmr_choose_show(struct bmr_session *session, const struct bmr_select_rules *rules,
                     const struct bmr_disk_list *list);

/* The whole disks that the image of job comes from, for rules.source_disks; at most `most`, none if
 * it comes over a network.  Errors: those of bmr_disk_of. */
int bmr_choose_source_disks(struct bmr_job *job, dev_t *disks, size_t most, size_t *count,
                            struct bmr_err *e);

#endif
