/* SPDX-License-Identifier: GPL-3.0-or-later */
/* volumes.h - the partitions and logical volumes of a restored disk (or file) as block
 * devices of our own.
 *
 * Loop devices and not the kernel's partitions: a file has none, and a kernel that could not read
 * the new table has the old ones.  The loop devices go with the last who has them open, also when
 * the program is killed.
 */
#ifndef BMR_AGENT_READY_VOLUMES_H
#define BMR_AGENT_READY_VOLUMES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct bmr_err;
struct bmr_target_info;

#define BMR_VOLUMES_MOST 160 /* partitions and volumes; more are not looked at */

struct bmr_volume {
	char device[160]; /* path */
	char name[160];   /* "partition 3", "volume 'vg/root'", "the whole disk" */
	char type[24];    /* of the file system, as blkid(8) calls it; "" if there is none */
	int fd;           /* of a loop device; -1 for a logical volume */
};

struct bmr_volumes {
	struct bmr_volume list[BMR_VOLUMES_MOST];
	size_t count;
	size_t partitions; /* the first of list; logical volumes follow */
	int disk;
	bool active; /* volume groups were activated */
	const atomic_bool *stop;
};

/* Make them.  *v is large (allocate it), and is to be closed by bmr_volumes_close also after a
 * failure.  stop: borrowed, may be NULL.  Errors: BMR_E_TARGET, BMR_E_NOMEM, those of child.h. */
int bmr_volumes_open(const struct bmr_target_info *target, const atomic_bool *stop,
                     struct bmr_volumes *v, struct bmr_err *e);

/* Take them away again and flush the disk.  Nothing of them may be mounted.
 * Errors: BMR_E_TARGET, those of child.h. */
int bmr_volumes_close(struct bmr_volumes *v, struct bmr_err *e);

/* Activate the volume groups of those that are physical volumes, and add their volumes; and take
 * them away again (private to volumes_lvm.c). */
int bmr_volumes_activate(struct bmr_volumes *v, struct bmr_err *e);
int bmr_volumes_deactivate(struct bmr_volumes *v, struct bmr_err *e);

/* Run an lvm command that sees the physical volumes of v and nothing else, with these arguments, ended
 * by NULL.  *output, if it is not NULL, gets what it wrote, to be freed.  Errors: those of child.h. */
int bmr_volumes_lvm(const struct bmr_volumes *v, const char *command, const char *const *args,
                    char **output, struct bmr_err *e);

/* Fill type by what stands on the device. */
void bmr_volume_probe(struct bmr_volume *volume);

#endif
