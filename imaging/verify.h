/* SPDX-License-Identifier: GPL-3.0-or-later */
/* verify.h - is an image whole, and does a disk hold it?  Writes nothing. */
#ifndef BMR_IMAGING_VERIFY_H
#define BMR_IMAGING_VERIFY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"

struct bmr_err;
struct bmr_image;
struct bmr_restore_progress;
struct bmr_source;
struct bmr_target_info;

struct bmr_verify {
	struct bmr_source *source;
	const struct bmr_image *image;
	const struct bmr_target_info *target; /* NULL: only the image */
	bool first_difference_ends;           /* do not go on to count them all; what cannot be
						 read differs */
	bool fitted;                          /* a table that can be made to fit a target longer
						 than the image must have been; false: it
						 may have been */
	struct bmr_restore_progress *progress;
	const atomic_bool *stop;
};

struct bmr_verify_result {
	uint64_t size; /* bytes of the disk; less than the image's if a difference ended it */
	struct bmr_digest_value sha256; /* of the image; valid if differing == 0 */
	uint64_t differing;             /* chunks of 1 MiB that differ on the disk */
	uint64_t first_difference;      /* byte of the first one that differs */
};

/* A difference is a result, not an error; a disk that is too small differs from where it ends.
 * Errors: those of source, decoder and target (reading), BMR_E_DATA also for a size that the image
 * cannot have, BMR_E_STOPPED. */
int bmr_verify_run(const struct bmr_verify *verify, struct bmr_verify_result *result,
                   struct bmr_err *e);

/* Byte of the first difference of two pieces of len bytes; len if there is none. */
size_t bmr_first_difference(const uint8_t *a, const uint8_t *b, size_t len);

#endif
