/* SPDX-License-Identifier: GPL-3.0-or-later */
/* checked.h - a small write that is known to be on the medium when it returns. */
#ifndef BMR_IMAGING_RESTORE_CHECKED_H
#define BMR_IMAGING_RESTORE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bmr_err;
struct bmr_log;
struct bmr_target;

/* How often what reads back wrong is written anew. */
#define BMR_REWRITES_MAX 2

struct bmr_checked {
	struct bmr_target *target;
	bool read_back; /* false: written and flushed, but not looked at */
	struct bmr_log *log;
	uint64_t rewritten; /* counted up for every time it had to be written anew */
};

/* Write len bytes (BMR_CHUNK_SIZE at most) at off, flush, read them back past the cache; if they
 * differ, again, BMR_REWRITES_MAX times.  Alignment of off and len as in target.h; data may lie
 * anywhere.  Errors: BMR_E_TARGET, BMR_E_NOMEM. */
int bmr_checked_write(struct bmr_checked *c, const void *data, size_t len, uint64_t off,
                      struct bmr_err *e);

#endif
