/* SPDX-License-Identifier: GPL-3.0-or-later */
/* internal.h - what the steps of ready.h share. */
#ifndef BMR_AGENT_READY_INTERNAL_H
#define BMR_AGENT_READY_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bmr_err;
struct bmr_session;
struct bmr_target_info;

struct bmr_ready {
	struct bmr_session *session;
	const struct bmr_target_info *target;
	uint64_t image_size; /* bytes */
};

/* A step: *did says whether there was anything to do, text (of size len) what was done, in a few
 * words; both are empty before.  Returns -1 after filling e. */
typedef int bmr_ready_step(const struct bmr_ready *r, bool *did, char *text, size_t len,
                           struct bmr_err *e);

/* bmr_ready_check of the step identity. */
int bmr_ready_check_identity(struct bmr_session *s, struct bmr_err *e);

bmr_ready_step bmr_ready_table;      /* the backup GPT at the end of the disk */
bmr_ready_step bmr_ready_grow;       /* grow= */
bmr_ready_step bmr_ready_identity;   /* hostname=, identity=, seed= */
bmr_ready_step bmr_ready_boot_entry; /* bootentry= */
bmr_ready_step bmr_ready_boot_next;  /* bootnext= */

#endif
