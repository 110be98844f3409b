/* SPDX-License-Identifier: GPL-3.0-or-later */
/* merge.h - `bmr merge`: an incremental image and those it is based on as one full image. */
#ifndef BMR_AGENT_MERGE_H
#define BMR_AGENT_MERGE_H

struct bmr_err;
struct bmr_session;

/* Merge as the session's parameters order (base, compress, replace, sidecar), with progress; says
 * "merged" itself.  On failure there is no file of the name `out` that was not there before.
 * Errors: BMR_E_USAGE (not a bmr image), those of bmr_job_open, bmr_chain_open, sink.h and
 * bmr_merge_run. */
int bmr_merge_image(struct bmr_session *session, const char *images, const char *out,
                    struct bmr_err *e);

#endif
