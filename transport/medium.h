/* SPDX-License-Identifier: GPL-3.0-or-later */
/* medium.h - file systems on this machine's disks, read without changing them; private to
 * transport/.
 *
 * They are mounted without a place in the tree (fsmount(2), Linux 5.2): nothing is to be cleaned up
 * when the program is killed.
 */
#ifndef BMR_TRANSPORT_MEDIUM_H
#define BMR_TRANSPORT_MEDIUM_H

#include <stdbool.h>
#include <sys/types.h>

struct bmr_err;
struct bmr_place;

/* A block device and what is on it. */
struct medium {
	char device[64]; /* "/dev/sdb1" */
	dev_t number;
	char type[24]; /* as blkid(8) calls it; "" if there is no file system */
};

/* Wanted, or not?  Called for each block device with the value of the tag asked for (NULL: it has
 * none).  0: go on; 1: enough; -1: *e is set. */
typedef int medium_visit(void *ctx, const struct medium *m, const char *value, struct bmr_err *e);

/* Look at every block device with a medium in it, in the order of the names, without udev: by
 * libblkid's low-level probing.  tag: "UUID", "LABEL", "PARTUUID", "PARTLABEL".
 * Returns what visit returned last.  Errors: BMR_E_SOURCE. */
int bmr_medium_each(const char *sysfs, const char *tag, medium_visit *visit, void *ctx,
                    struct bmr_err *e);

/* Can it be mounted? */
bool bmr_medium_readable(const struct medium *m);

/* Mount it read-only, without replaying a journal.  *root is a descriptor of its root directory, to
 * be closed by the caller.  Errors: BMR_E_SOURCE. */
int bmr_medium_mount(const struct medium *m, int *root, struct bmr_err *e);

/* Find what a disk: or cdrom: URL names and mount it; *root as above.
 * Errors: BMR_E_NET (not there), BMR_E_SOURCE. */
int bmr_medium_find(const struct bmr_place *place, struct medium *m, int *root, struct bmr_err *e);

/* Open path (absolute) below root for reading; links cannot lead out of it.  -1 and errno. */
int bmr_medium_open_file(int root, const char *path);

#endif
