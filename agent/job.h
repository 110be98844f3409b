/* SPDX-License-Identifier: GPL-3.0-or-later */
/* job.h - the steps that `bmr restore`, `bmr verify`, `bmr info` and `bmr agent` share: open and
 * look at an image, check a target, restore or verify with a screen, and say how it ended. */
#ifndef BMR_AGENT_JOB_H
#define BMR_AGENT_JOB_H

#include <stdbool.h>

#include "base/digest.h"
#include "imaging/image.h"
#include "imaging/restore/restore.h"
#include "imaging/sign/trust.h"
#include "imaging/disk/target.h"
#include "transport/source.h"

struct bmr_disk;
struct bmr_err;
struct bmr_session;

struct bmr_job {
	struct bmr_session *session;
	struct bmr_source_options source_options; /* of the session's params; source borrows it */
	struct bmr_source *source;
	struct bmr_trust *trust; /* NULL: no keys, anything may be restored */
	struct bmr_signer signer;
	struct bmr_image image;
	struct bmr_digest_value sha256;
	bool has_sha256;
	struct bmr_restore_progress progress;
};

/* Open the first of urls that answers and look at the image; announces it as the event "image".
 * *job is to be cleared by bmr_job_close also after a failure.
 * If this system has keys (or --trust names some), the image must be signed.
 * Errors: those of credentials.h, bmr_trust_load, bmr_source_open_any and bmr_image_inspect_signed. */
int bmr_job_open(struct bmr_session *session, const char *urls, struct bmr_job *job,
                 struct bmr_err *e);
void bmr_job_close(struct bmr_job *job);

/* Options for opening anything with this session's parameters. */
void bmr_job_source_options(struct bmr_session *session, struct bmr_source_options *options);

/* Do the rules allow this device as a target (select.h)?  disk is filled and is to be cleared.
 * A regular file may be anything but the image itself; *disk stays empty.
 * Errors: BMR_E_REFUSED. */
int bmr_job_check_target(struct bmr_job *job, const struct bmr_target_info *target,
                         struct bmr_disk *disk, struct bmr_err *e);

/* Say what a restore to this target would do.  Errors: the target's, for it is looked at (compare=auto). */
int bmr_job_plan(struct bmr_job *job, const struct bmr_target_info *target, struct bmr_err *e);

/* Restore with progress, make the disk ready (ready.h), and say "restored" once it is proven.
 * Returns 0; BMR_EXIT_NOT_READY: restored, but not ready.  Errors: bmr_restore_run's. */
int bmr_job_restore(struct bmr_job *job, const struct bmr_target_info *target, struct bmr_err *e);

/* Verify with progress; target NULL: the image alone.  Says "verified".
 * Errors: bmr_verify_run's; BMR_E_TARGET: the disk differs; BMR_E_DATA: the digest does. */
int bmr_job_verify(struct bmr_job *job, const struct bmr_target_info *target, struct bmr_err *e);

#endif
