/* SPDX-License-Identifier: GPL-3.0-or-later */
/* grow_fs.h - a file system made as large as its device, by its own tools.
 *
 * ext2, ext3, ext4: e2fsck -fp, resize2fs.  xfs: xfs_growfs, btrfs: btrfs filesystem resize, both
 * while it is mounted where only this process looks; devices, set-id bits and programs on it mean
 * nothing there.
 */
#ifndef BMR_AGENT_READY_GROW_FS_H
#define BMR_AGENT_READY_GROW_FS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct bmr_err;
struct bmr_volume;
struct bmr_volumes;

/* Can a file system of this kind (as blkid(8) calls it) be grown? */
bool bmr_grow_fs_can(const char *type);

/* Grow it to the end of the device.  One that has that size already stays.  stop may be NULL.
 * Errors: BMR_E_TARGET, those of child.h; each with what the tool said. */
int bmr_grow_fs(const char *device, const char *type, const atomic_bool *stop, struct bmr_err *e);

/* Grow a physical volume to the end of its device, one of v, which is open; then the last logical
 * volume of its group by all that is free, and what it holds.  "Last" is the one with a file system
 * that can grow; of several the one that is called root.  *text gets the one, and why.
 * Errors: BMR_E_TARGET (none, or several and none is called root: the physical volume is grown
 * all the same), those of child.h. */
int bmr_grow_lvm(const struct bmr_volumes *v, const struct bmr_volume *pv, char *text, size_t len,
                 struct bmr_err *e);

#endif
