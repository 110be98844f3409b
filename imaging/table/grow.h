/* SPDX-License-Identifier: GPL-3.0-or-later */
/* grow.h - the last partition of a restored disk, made to reach its end.
 *
 * The last one is the one that ends last on the disk, whatever its number.  libfdisk writes the
 * table; a logical partition of an MBR takes its extended one with it.
 */
#ifndef BMR_IMAGING_TABLE_GROW_H
#define BMR_IMAGING_TABLE_GROW_H

#include <stdbool.h>
#include <stdint.h>

struct bmr_err;
struct bmr_target_info;

struct bmr_last_part {
	unsigned number; /* as the kernel counts, from 1 */
	uint64_t start;  /* bytes */
	uint64_t size;   /* bytes */
	uint64_t grown;  /* bytes it can have: up to the end of the disk or what the table can
			    say, in whole MiB; size if there is no room */
	char type[32];   /* what it holds, as blkid(8) calls it; "" unknown */
};

/* Look for it.  Errors: BMR_E_TARGET (no table, no partition; cannot be read), BMR_E_NOMEM. */
int bmr_grow_find(const struct bmr_target_info *target, struct bmr_last_part *last,
                  struct bmr_err *e);

/* Give it all of last->grown, flush, and look whether the table says so.  The kernel is told, where
 * it keeps partitions of this disk; nobody may have it open.
 * Errors: BMR_E_TARGET, BMR_E_REFUSED (in use), BMR_E_NOMEM. */
int bmr_grow_partition(const struct bmr_target_info *target, const struct bmr_last_part *last,
                       struct bmr_err *e);

#endif
