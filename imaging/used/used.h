/* SPDX-License-Identifier: GPL-3.0-or-later */
/* used.h - which bytes of a disk hold something: partition tables, what lies between partitions, and
 * of each file system the blocks that it uses.
 *
 * File systems are asked by partclone's programs, LVM by lvm2's, as children with a deadline; nothing
 * of a file system is parsed here.  On any doubt (unclean, unknown, a feature that a map is known to
 * get wrong, a program that fails) the range is used as a whole, and said so.
 */
#ifndef BMR_IMAGING_USED_USED_H
#define BMR_IMAGING_USED_USED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bmr_err;
struct bmr_log;
struct bmr_manifest;

struct bmr_used_range { /* bytes of the disk; multiples of the sector size but at its end */
	uint64_t offset;
	uint64_t length;
};

struct bmr_used {
	struct bmr_used_range *ranges; /* in order, apart from each other */
	size_t count;
	uint64_t bytes;
};

struct bmr_used_options {
	const char *path;           /* block device or regular file */
	uint64_t size;              /* bytes */
	unsigned sector;            /* logical sector size */
	bool all;                   /* everything counts as used; facts are gathered all the same */
	struct bmr_manifest *facts; /* gets "table.*", "partition.N.*", "lvm.*": what was found, and
				       "….capture" why a range is taken whole; may be NULL */
	unsigned limit_ms;          /* of each program that is asked; 0: ten minutes and more for
				       large disks */
	struct bmr_log *log;        /* doubts are said here; may be NULL */
	const atomic_bool *stop;    /* true: end soon with BMR_E_STOPPED; may be NULL */
};

/* Look at a disk that nobody writes to; reads only.  *used is cleared by bmr_used_clear.
 * Errors: BMR_E_TARGET (the disk cannot be read), BMR_E_NOMEM, BMR_E_STOPPED.  That a program is
 * missing is not an error: what it would have told is taken whole. */
int bmr_used_find(const struct bmr_used_options *options, struct bmr_used *used, struct bmr_err *e);
void bmr_used_clear(struct bmr_used *used);

/* Does [offset, offset + length) meet a used range? */
bool bmr_used_meets(const struct bmr_used *used, uint64_t offset, uint64_t length);

#endif
