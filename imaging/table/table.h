/* SPDX-License-Identifier: GPL-3.0-or-later */
/* table.h - the partition table of an image on a disk of another size.
 *
 * A GPT has a backup in the last sectors of the disk and says in its header where that is and which
 * sector is the last that a partition may use.  On a larger disk the backup would be left in the
 * middle, on a smaller one there would be none.  So the table is made to fit while the first MiB is
 * still in memory: libfdisk is shown a disk of the right size that is all holes but for it, and
 * writes there what is then written to the real one.  An MBR has nothing that depends on the size.
 *
 * UEFI specification 2.10, section 5.3.
 */
#ifndef BMR_IMAGING_TABLE_TABLE_H
#define BMR_IMAGING_TABLE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bmr_err;
struct bmr_target;
struct bmr_target_info;

struct bmr_table_fit {
	bool changed;         /* false: the image's first MiB is right for this disk as it is */
	uint8_t *first;       /* what the first bytes are to be instead; as many as were given */
	uint8_t *tail;        /* the backup */
	size_t tail_len;      /* bytes, BMR_TABLE_TAIL_MOST at most */
	uint64_t tail_offset; /* on the disk, in bytes; tail_offset + tail_len is its size */
};

#define BMR_TABLE_TAIL_MOST ((size_t)1 << 20)

/* What the first len bytes of an image (BMR_LAYOUT_HEAD, less if it is shorter), and the end of a
 * disk of disk_size bytes, are to be.  Partitions stay what and where they are; nothing but the
 * header of the GPT and the size in the protective MBR changes.  *fit is to be cleared by
 * bmr_table_fit_clear; it holds nothing after a failure.
 * Errors: BMR_E_REFUSED (a table that cannot be made to fit), BMR_E_NOMEM. */
int bmr_table_fit(const uint8_t *first, size_t len, uint64_t disk_size, struct bmr_table_fit *fit,
                  struct bmr_err *e);
void bmr_table_fit_clear(struct bmr_table_fit *fit);

/* Does the target have the backup of fit at its end?  What cannot be read is none. */
bool bmr_table_has_tail(struct bmr_target *target, const struct bmr_table_fit *fit);

/* Is what a disk begins with, `disk`, the len bytes of an image's chunk 0 but for its table, which was
 * made to fit this target, and its backup on it?  Then *tail is where on the disk that begins, in
 * bytes: on one that is only a few sectors larger, in what the image has there. */
bool bmr_table_was_fitted(struct bmr_target *target, const uint8_t *disk, const uint8_t *image,
                          size_t len, uint64_t *tail);

/* May the byte at `at` of a disk of disk_size bytes lie in such a backup?  No more than two chunks of a
 * MiB or more have such bytes. */
bool bmr_table_in_tail(uint64_t at, uint64_t disk_size);

/* Has an image, that begins with len bytes (its chunk 0), a table that a disk of disk_size bytes can
 * have only in another form? */
bool bmr_table_can_fit(const uint8_t *image, size_t len, uint64_t disk_size);

/* Open the target anew and read its table: is it a GPT, whole, and its backup at the end?
 * *is_gpt: false, nothing to say.  Errors: BMR_E_TARGET, BMR_E_NOMEM. */
int bmr_table_check(const struct bmr_target_info *target, bool *is_gpt, struct bmr_err *e);

#endif
