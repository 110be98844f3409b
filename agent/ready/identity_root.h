/* SPDX-License-Identifier: GPL-3.0-or-later */
/* identity_root.h - the root file system of a restored system: found, mounted, and left again.
 *
 * It is what holds /etc/os-release.  It is never part of this system's tree (fsmount(2)), set-id
 * bits, devices and programs on it mean nothing, and no link leads out of it.
 */
#ifndef BMR_AGENT_READY_IDENTITY_ROOT_H
#define BMR_AGENT_READY_IDENTITY_ROOT_H

#include <stddef.h>

struct bmr_err;
struct bmr_volume;
struct bmr_volumes;

struct bmr_root {
	const struct bmr_volume *volume; /* of those it was found among */
	char subvolume[256];             /* of btrfs, where it is not the default one; else "" */
	char name[300];                  /* "partition 3 (ext4)" */
};

/* Find the one; every file system is looked at read-only, no journal is replayed.
 * Errors: BMR_E_DATA: none or several, naming what was found; BMR_E_STOPPED. */
int bmr_root_find(const struct bmr_volumes *v, struct bmr_root *root, struct bmr_err *e);

/* Mount it for writing; *folder is its "/" and is to be given to bmr_root_leave.
 * Errors: BMR_E_TARGET. */
int bmr_root_enter(const struct bmr_root *root, int *folder, struct bmr_err *e);

/* Write all of it to the disk and unmount it; returns when it is no longer in use, or after 10 s
 * with BMR_E_TARGET. */
int bmr_root_leave(const struct bmr_root *root, int *folder, struct bmr_err *e);

#endif
