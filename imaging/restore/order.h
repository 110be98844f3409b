/* SPDX-License-Identifier: GPL-3.0-or-later */
/* order.h - what a restore is told to do: the struct that restore.c and its engines, body.c for
 * streams and chunked.c for bmr images, share. */
#ifndef BMR_IMAGING_RESTORE_ORDER_H
#define BMR_IMAGING_RESTORE_ORDER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "imaging/phase.h"

struct bmr_digest_value;
struct bmr_image;
struct bmr_log;
struct bmr_source;
struct bmr_source_options;
struct bmr_target_info;
struct bmr_trust;

struct bmr_restore {
	struct bmr_source *source;
	const struct bmr_image *image;         /* from bmr_image_inspect of this source */
	const struct bmr_target_info *target;  /* from bmr_target_look */
	const struct bmr_digest_value *sha256; /* expected; NULL: not known */
	bool compare;                          /* read the disk first, write only what differs */
	bool read_back;   /* false: nothing is proven, and the result says so */
	bool fit_table;   /* on a larger disk, the backup of a GPT goes to its end */
	bool zero_unused; /* bmr images: unused runs must read as zeros, too */
	const char *base; /* bmr images: URL of the first base; NULL: as the image says */
	const struct bmr_source_options *source_options; /* for bases; may be NULL */
	const struct bmr_trust *trust; /* who must have signed bases; NULL: nobody */
	struct bmr_restore_progress *progress;
	const atomic_bool *stop; /* true: end soon with BMR_E_STOPPED; may be NULL */
	struct bmr_log *log;
	void (*phase)(void *ctx, enum bmr_phase phase); /* may be NULL; from the caller's thread */
	void *ctx;
};

/* For the parts of a restore: set the phase and tell who listens.  The caller's thread. */
static inline void bmr_restore_enter(const struct bmr_restore *r, enum bmr_phase phase)
{
	atomic_store(&r->progress->phase, (int)phase);
	if (r->phase)
		r->phase(r->ctx, phase);
}

static inline bool bmr_restore_stopped(const struct bmr_restore *r)
{
	return r->stop && atomic_load(r->stop);
}

#endif
