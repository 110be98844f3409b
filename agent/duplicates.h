/* SPDX-License-Identifier: GPL-3.0-or-later */
/* duplicates.h - duplicates=: may another disk have an identifier of the image (duplicate.h)? */
#ifndef BMR_AGENT_DUPLICATES_H
#define BMR_AGENT_DUPLICATES_H

struct bmr_err;
struct bmr_job;
struct bmr_session;
struct bmr_target_info;

/* Before anything is written.  A regular file is no disk of this machine: nothing is looked at.
 * Errors: BMR_E_REFUSED, naming disk, target and identifier, unless duplicates=allow, with which it
 * is said; those of bmr_disk_list_read. */
int bmr_duplicates_check(struct bmr_job *job, const struct bmr_target_info *target,
                         struct bmr_err *e);

/* After the restore: say so if another disk has an identifier of what is now on the target. */
void bmr_duplicates_say(struct bmr_session *s, const struct bmr_target_info *target);

#endif
