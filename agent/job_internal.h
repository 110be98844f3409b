/* SPDX-License-Identifier: GPL-3.0-or-later */
/* job_internal.h - what the parts of job.h share: job.c, job_verify.c; merge.c. */
#ifndef BMR_AGENT_JOB_INTERNAL_H
#define BMR_AGENT_JOB_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bmr_chain;
struct bmr_err;
struct bmr_job;
struct bmr_json;
struct bmr_session;
struct bmr_signer;
struct bmr_target_info;

#define BMR_BYTES_TEXT_SIZE 64

/* "2,147,483,648 bytes (2.00 GiB)"; returns buf. */
char *bmr_job_bytes_text(uint64_t bytes, char *buf, size_t len);

/* In the live system the machine does something next, after a good end or another:
 * "\nbmr: next: reboot"; else "". */
const char *bmr_job_next_text(const struct bmr_session *s, bool good, char *buf, size_t len);

/* Look at the job's image; with keys, its signature comes first.  Errors: as bmr_job_open. */
int bmr_job_inspect(struct bmr_job *job, struct bmr_err *e);

/* Member "signed": who signed the image. */
void bmr_job_signer_json(const struct bmr_signer *signer, struct bmr_json *j);

/* Would damage be seen?  By a checksum of the format's, a manifest, a signature, or bmr.sha256=. */
bool bmr_job_can_tell(const struct bmr_job *job);

/* Name the disk that is written or compared, and warn if it says that it is failing. */
void bmr_job_show_target(struct bmr_job *job, const struct bmr_target_info *target);

/* Show the job's progress until bmr_screen_unwatch. */
void bmr_job_watch(struct bmr_job *job);

/* The same for work that reads each chunk of a bmr image once. */
void bmr_job_watch_chain(struct bmr_job *job, const struct bmr_chain *chain);

#endif
