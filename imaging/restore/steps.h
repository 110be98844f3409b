/* SPDX-License-Identifier: GPL-3.0-or-later */
/* steps.h - the steps of a restore (restore.h) in which the disk stops and starts being bootable,
 * and what a failure in between leaves behind.  One thread. */
#ifndef BMR_IMAGING_RESTORE_STEPS_H
#define BMR_IMAGING_RESTORE_STEPS_H

#include <stddef.h>
#include <stdint.h>

#include "imaging/restore/checked.h"

struct bmr_err;
struct bmr_restore;
struct bmr_table_fit;
struct bmr_target;

/* What a failure leaves behind. */
enum bmr_disk_state {
	BMR_DISK_UNTOUCHED,  /* LBA 0 is, or may still be, what it was, and so is the rest */
	BMR_DISK_UNBOOTABLE, /* LBA 0 is zero */
	BMR_DISK_FINISHING,  /* LBA 0 is being written; all else is right */
};

struct bmr_steps {
	const struct bmr_restore *r;
	struct bmr_target *target; /* NULL until bmr_steps_open */
	struct bmr_checked checked;
	enum bmr_disk_state state;
};

/* Open the target for writing.  Errors: bmr_target_open's. */
int bmr_steps_open(struct bmr_steps *s, const struct bmr_restore *r, struct bmr_err *e);

/* Step 2: LBA 0 is zeroed alone, flushed and read back.  Errors: BMR_E_TARGET. */
int bmr_steps_begin(struct bmr_steps *s, struct bmr_err *e);

/* An image of `size` bytes leaves the end of a longer disk as it was; what there could be taken for
 * a backup of a partition table is wiped.  Errors: BMR_E_TARGET. */
int bmr_steps_wipe_tail(struct bmr_steps *s, uint64_t size, struct bmr_err *e);

/* What the table of an image of `size` bytes, whose first len bytes these are, is to be on this disk
 * (table.h): nothing on one of its own size.  What cannot be moved on a larger disk is said and left
 * as the image has it, for it boots.  Errors: bmr_table_fit's, on a disk smaller than the table says. */
int bmr_steps_fit(const struct bmr_restore *r, const uint8_t *first, size_t len, uint64_t size,
                  struct bmr_table_fit *fit, struct bmr_err *e);

/* Steps 5 to 7: the backup of a GPT where fit has one, the first MiB (or less: len) without LBA 0, then LBA 0, each flushed and read back;
 * the kernel reads the partition table.  Errors: BMR_E_TARGET, BMR_E_REFUSED (the disk was
 * exchanged). */
int bmr_steps_finish(struct bmr_steps *s, const uint8_t *first, size_t len,
                     const struct bmr_table_fit *fit, struct bmr_err *e);

/* Close; after a failure (rc < 0) *e gets the last words, what the disk is now, and a new file is
 * made empty.  Returns rc, or -1 if closing fails. */
int bmr_steps_close(struct bmr_steps *s, int rc, struct bmr_err *e);

/* "...; while WHAT; 'DISK' was not written".  Returns -1. */
int bmr_steps_not_written(const struct bmr_restore *r, const char *what, struct bmr_err *e);

#endif
