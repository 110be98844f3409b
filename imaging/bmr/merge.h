/* SPDX-License-Identifier: GPL-3.0-or-later */
/* merge.h - a chain of images as one full image: what bmr merge does.
 *
 * Every chunk is fetched, unpacked and checked against its digest; its frame is copied as it is if it
 * is packed as the new image is to be, else the chunk is packed anew.  The new image has an id of its
 * own, and the root, the facts and the time of the newest one of the chain.
 */
#ifndef BMR_IMAGING_BMR_MERGE_H
#define BMR_IMAGING_BMR_MERGE_H

#include <stdatomic.h>
#include <stdint.h>

#include "imaging/bmr/manifest.h"

struct bmr_chain;
struct bmr_err;
struct bmr_restore_progress;
struct bmr_sink;

struct bmr_merge {
	struct bmr_chain *chain;
	struct bmr_sink *sink; /* new; it is not committed here */
	enum bmr_codec_id pack;
	int level; /* of what is packed anew */
	struct bmr_restore_progress *progress;
	const atomic_bool *stop; /* true: end soon with BMR_E_STOPPED */
};

struct bmr_merge_result {
	struct bmr_manifest *manifest; /* of the new image, sealed; freed by bmr_manifest_free */
	uint64_t bytes;                /* of its file */
	uint64_t copied;               /* chunks whose frames were copied */
	uint64_t repacked;             /* and those that were packed anew */
};

/* Write the whole image.  All threads have ended on return; *result is set on success only.
 * Errors: those of sources and sink, BMR_E_DATA (a chunk is damaged: named; the chain changed
 * meanwhile), BMR_E_STOPPED, BMR_E_NOMEM. */
int bmr_merge_run(const struct bmr_merge *merge, struct bmr_merge_result *result,
                  struct bmr_err *e);

#endif
