/* SPDX-License-Identifier: GPL-3.0-or-later */
/* health.h - does a disk itself report that it is failing?  No figure is weighed: its word counts.
 *
 *	NVMe	the SMART / Health log, its critical warnings
 *	SATA	SMART RETURN STATUS
 *
 * Any other disk is "unknown", and so is one that does not know, or that answers with an error.
 */
#ifndef BMR_IMAGING_DISK_HEALTH_H
#define BMR_IMAGING_DISK_HEALTH_H

#include <stddef.h>

struct bmr_disk;

enum bmr_health_verdict {
	BMR_HEALTH_UNKNOWN,
	BMR_HEALTH_GOOD,
	BMR_HEALTH_FAILING
};

struct bmr_health {
	enum bmr_health_verdict verdict;
	char text[192]; /* failing: why; good: what is remarkable all the same, or "" */
};

/* Ask the disk and fill disk->health.  It is opened read-only, and given 5 s; then the kernel
 * resets it, which takes its own time: not for a loop that looks at all disks again and again. */
void bmr_health_ask(struct bmr_disk *disk);

/* What a SMART / Health log says, log page 02h (NVM Express Base Specification 2.0, 5.16.1.3).
 * Unknown, if it is shorter than its 512 bytes or cannot be one.  Pure. */
void bmr_health_of_nvme(const void *log, size_t len, struct bmr_health *health);

/* What the sense data of an ATA PASS-THROUGH with CK_COND says of SMART RETURN STATUS (SAT-3: ATA
 * Status Return sense data descriptor; ACS-3: SMART RETURN STATUS).  Unknown, if the registers are
 * not in it or hold neither answer.  Pure. */
void bmr_health_of_ata(const void *sense, size_t len, struct bmr_health *health);

#endif
