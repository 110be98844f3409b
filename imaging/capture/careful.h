/* SPDX-License-Identifier: GPL-3.0-or-later */
/* careful.h - read a disk that may have sectors which cannot be read any more: they come out as zeros,
 * and are listed. */
#ifndef BMR_IMAGING_CAPTURE_CAREFUL_H
#define BMR_IMAGING_CAPTURE_CAREFUL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct bmr_bad_range;
struct bmr_err;
struct bmr_target;

#define BMR_CAREFUL_TRIES 3 /* before a piece is cut smaller */

/* What could not be read, in order; starts as {0}. */
struct bmr_bad_list {
	struct bmr_bad_range *ranges; /* multiples of the sector size */
	size_t count;
	size_t room;
};

void bmr_bad_list_clear(struct bmr_bad_list *bad);

/* Read len bytes at off, as bmr_target_read.  If the disk says that a place of it cannot be read, try
 * again, then in halves down to one sector; what then is left becomes zeros and is added to *bad.
 * stop: true ends a long search; may be NULL.  Any thread, with a list of its own.
 * Errors: BMR_E_TARGET (another failure: the disk is gone), BMR_E_REFUSED (it was exchanged, became shorter),
 * BMR_E_STOPPED, BMR_E_NOMEM. */
int bmr_careful_read(struct bmr_target *disk, void *data, size_t len, uint64_t off,
                     const atomic_bool *stop, struct bmr_bad_list *bad, struct bmr_err *e);

#endif
