/* SPDX-License-Identifier: GPL-3.0-or-later */
/* loop.h - a part of a disk or file as a block device of its own (loop(4)). */
#ifndef BMR_IMAGING_DISK_LOOP_H
#define BMR_IMAGING_DISK_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bmr_err;

struct bmr_loop_part {
	int file;        /* borrowed: the disk; needed for the call only */
	uint64_t offset; /* bytes */
	uint64_t
		length; /* bytes; the rest of a last sector is not shown, nor what the file ends before */
	unsigned
		sector; /* the device's logical sectors, in bytes; 512 where the part does not fit them */
	bool writable;
};

/* Set up a free device; path (of size bytes) gets its name, *fd its descriptor, to be closed.  The
 * device goes with the last who has it open, also when the program is killed.
 * Errors: BMR_E_TARGET of a writable one, else BMR_E_SOURCE. */
int bmr_loop_open(const struct bmr_loop_part *part, char *path, size_t size, int *fd,
                  struct bmr_err *e);

#endif
