/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ready.h - a restored disk made ready to boot, once the image on it is proven.
 *
 * Each step is reported by itself (event "step") and none changes the verdict on the image: what
 * was restored stays restored.  A step that was ordered and failed gives the run its own exit code.
 */
#ifndef BMR_AGENT_READY_READY_H
#define BMR_AGENT_READY_READY_H

#include "imaging/disk/target.h"

struct bmr_err;
struct bmr_session;

/* Exit code: restored and proven, but a step that was ordered for after that failed. */
#define BMR_EXIT_NOT_READY 73

/* Before anything is written: is all right with the steps' orders that can be known by now (a host
 * name's form, whether a seed can be fetched)?  Errors: those of config.h, BMR_E_USAGE, source.h's. */
int bmr_ready_check(struct bmr_session *s, struct bmr_err *e);

/* Take the steps, in their order, that the session's parameters ask for, on the restored target.
 * image_size: bytes of the image; the disk may be larger.  Says each step on the screen, in the log
 * and as an event.  Returns how many ordered steps failed. */
unsigned bmr_ready_run(struct bmr_session *s, const struct bmr_target_info *target,
                       uint64_t image_size);

#endif
