/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mounted.h - is a disk being written to, by a file system or as swap? */
#ifndef BMR_IMAGING_DISK_MOUNTED_H
#define BMR_IMAGING_DISK_MOUNTED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct bmr_disk_env;

/* Is a file system mounted read-write from this whole disk or a part of it, also through LVM, md or a
 * loop device, or does it hold swap that is used?  who: the first one found, "'/dev/sda2' is mounted
 * on '/home'".  env: as in disk.h.  Mounts of other mount namespaces are not seen. */
bool bmr_mounted_writable(const struct bmr_disk_env *env, dev_t disk, char *who, size_t len);

#endif
