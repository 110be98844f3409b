/* SPDX-License-Identifier: GPL-3.0-or-later */
/* layout.h - what an image's first bytes say about the disk it was taken from.  Pure.
 *
 * A stream often does not say how long it is before its end; its partition table does.  So a disk
 * that is too small or has other sectors is refused before anything is written, and an image that
 * ends before its last partition is known to be cut.
 *
 * MBR: any PC manual.  GPT: UEFI specification 2.10, section 5.3.
 */
#ifndef BMR_IMAGING_LAYOUT_H
#define BMR_IMAGING_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BMR_LAYOUT_HEAD (1024 * 1024) /* how much of an image is looked at, at most */

enum bmr_table {
	BMR_TABLE_NONE,
	BMR_TABLE_DOS,
	BMR_TABLE_GPT
};

struct bmr_layout {
	enum bmr_table table;
	unsigned sector;   /* logical sector it was made for; 0 unknown */
	uint64_t needed;   /* bytes up to the end of what the table speaks of, its backup
				      included; 0 unknown */
	uint64_t used_end; /* bytes up to the end of the last partition; 0 none */
	uint64_t
		backup_end; /* GPT: bytes up to the end of its backup, where the disk ended; else 0 */
	unsigned partitions; /* entries in use */
	char uuid[37];       /* of the table, as libblkid writes it; "" none */
	bool damaged;        /* a GPT was meant to be here, but its header's checksum is wrong */
};

/* Look at the first len bytes of an image (BMR_LAYOUT_HEAD of them, or all if it is shorter).
 * Hostile bytes give a layout too, never more than what stands in them. */
void bmr_layout_read(const uint8_t *head, size_t len, struct bmr_layout *layout);

/* "GPT, 512-byte sectors, 3 partitions" or the like; returns buf. */
char *bmr_layout_text(const struct bmr_layout *layout, char *buf, size_t len);

#endif
