/* SPDX-License-Identifier: GPL-3.0-or-later */
/* restore.h - an image onto a disk, in the order that protects the disk.
 *
 *	1  what can be refused is refused, reading only		bmr_restore_check
 *	2  LBA 0 is zeroed alone; flush; read back		nothing boots from here on
 *	3  the body, everything but the first MiB, in any order; an old backup GPT behind the image
 *	   is wiped
 *	4  the image's digest and size are checked; flush; everything is read back past the cache;
 *	   what differs is written anew, twice at most
 *	5  sectors 1 .. the first MiB; flush; read back
 *	6  LBA 0 alone; flush; read back			only now it can boot
 *	7  the kernel is asked to read the new partition table
 *
 * In 2, 5 and 6 too, what reads back wrong is written anew, twice at most.
 *
 * Replayed power cuts at any write of this order leave a disk that is untouched, not bootable, or
 * right; see docs/architecture.md.
 */
#ifndef BMR_IMAGING_RESTORE_RESTORE_H
#define BMR_IMAGING_RESTORE_RESTORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "imaging/restore/order.h"

struct bmr_err;

struct bmr_restore_result {
	uint64_t size;     /* bytes of the disk that the image covers */
	uint64_t left_out; /* bytes at the end of the image, for which a smaller disk has no room */
	bool has_sha256;   /* false: a bmr image that carries none, and nobody asked for it */
	struct bmr_digest_value sha256;
	bool already;       /* the disk held the image: nothing was written */
	bool proven;        /* all of it was read back and is right */
	uint64_t rewritten; /* pieces (chunks, or groups of them) that had to be written anew */
};

/* Step 1: does the image fit this target?  Both sizes or sectors are in the message.
 * Errors: BMR_E_REFUSED. */
int bmr_restore_check(const struct bmr_image *image, const struct bmr_target_info *target,
                      struct bmr_err *e);

/* All steps.  On success the disk holds the image.  On failure the message ends with the state of
 * the disk: not written, or written in part and not bootable, or not to be trusted (the very last
 * write failed); a new file is made empty again.
 * Errors: those of source, decoder and target; BMR_E_DATA (digest, size, changed), BMR_E_REFUSED
 * (step 1), BMR_E_TARGET (also: reads back wrong), BMR_E_STOPPED. */
int bmr_restore_run(const struct bmr_restore *restore, struct bmr_restore_result *result,
                    struct bmr_err *e);

#endif
