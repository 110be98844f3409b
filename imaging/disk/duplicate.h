/* SPDX-License-Identifier: GPL-3.0-or-later */
/* duplicate.h - two disks of one machine with the same identifier: the restored system could start
 * from, or mount, the wrong one.
 *
 * Compared are the identifiers of partition tables, partitions, file systems and physical volumes, as
 * libblkid tells them.  An array's members share theirs by design and do not count; nor do loop and
 * mapped devices, optical discs, the boot medium, and a disk that is the target by another cable (the
 * same WWN).  Pure.
 */
#ifndef BMR_IMAGING_DISK_DUPLICATE_H
#define BMR_IMAGING_DISK_DUPLICATE_H

#include <stdbool.h>
#include <stddef.h>

struct bmr_disk;
struct bmr_disk_list;
struct bmr_image;

/* Has another disk of the list than target an identifier of the image?  Of an image without a
 * manifest only that of its partition table is known.  *text gets the disk and the identifier:
 * "'/dev/sdb' (serial X) has the same file system 0123-4567 (partition 2)". */
bool bmr_duplicate_of_image(const struct bmr_disk_list *list, const struct bmr_disk *target,
                            const struct bmr_image *image, char *text, size_t len);

/* The same for what is on the target. */
bool bmr_duplicate_of_disk(const struct bmr_disk_list *list, const struct bmr_disk *target,
                           char *text, size_t len);

#endif
