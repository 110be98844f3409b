/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fdisk.h - libfdisk without its questions; for table.c and grow.c. */
#ifndef BMR_IMAGING_TABLE_FDISK_H
#define BMR_IMAGING_TABLE_FDISK_H

#include <libfdisk/libfdisk.h>
#include <stdbool.h>

struct bmr_err;

struct bmr_fdisk {
	struct fdisk_context *context;
	char said[160]; /* the last warning, for the message of an error */
};

/* Look at the open file or device fd, which stays the caller's; sector: that of its table, where it
 * is a file.  f must stay where it is until bmr_fdisk_close, which writes nothing.
 * Errors: BMR_E_TARGET, BMR_E_NOMEM. */
int bmr_fdisk_open(struct bmr_fdisk *f, int fd, const char *name, unsigned sector, bool readonly,
                   struct bmr_err *e);
void bmr_fdisk_close(struct bmr_fdisk *f);

/* Is the table whole, and where this size of disk wants it?  Errors: BMR_E_TARGET. */
int bmr_fdisk_check(struct bmr_fdisk *f, struct bmr_err *e);

/* "cannot WHAT", with what libfdisk said last, or the reason that rc (-errno) gives.  Returns -1. */
int bmr_fdisk_failed(const struct bmr_fdisk *f, int rc, const char *what, struct bmr_err *e);

#endif
