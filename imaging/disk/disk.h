/* SPDX-License-Identifier: GPL-3.0-or-later */
/* disk.h - the disks of this machine: what each is, what it holds, who uses it.  Reads only.
 *
 * Everything comes from sysfs, /proc and libblkid's probing of the disk's own content, because the
 * live system has no udev.  Paths are parameters, so that a test can show a machine that does not
 * exist.
 */
#ifndef BMR_IMAGING_DISK_DISK_H
#define BMR_IMAGING_DISK_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "imaging/disk/health.h"

struct bmr_err;

/* Where to look.  NULL members mean the machine's own: "/sys", "/proc", "/dev". */
struct bmr_disk_env {
	const char *sysfs;
	const char *proc;
	const char *dev;
	const char *medium_id_file; /* the boot medium is known by the file that this one names;
				       default "/etc/bmr/medium-id" */
};

enum bmr_disk_kind { /* what the kernel calls it */
	BMR_DISK_DISK,
	BMR_DISK_OPTICAL,
	BMR_DISK_LOOP,
	BMR_DISK_RAM,      /* ram, zram */
	BMR_DISK_MAPPED,   /* dm, md */
	BMR_DISK_MMC_BOOT, /* mmcblkNbootN, rpmb */
	BMR_DISK_OTHER,    /* nbd, floppy ... */
};

struct bmr_disk_content { /* a partition, or a file system straight on the disk (number 0) */
	unsigned number;
	uint64_t start; /* bytes */
	uint64_t size;  /* bytes */
	char type[24];  /* "ext4", "LVM2_member", "" unknown */
	char label[64];
	char uuid[64];      /* of what it holds; LVM: of the physical volume; "" none */
	char part_uuid[40]; /* of the partition; "" none */
};

struct bmr_disk {
	char name[32]; /* "sda" */
	char path[64]; /* "/dev/sda" */
	char by_path
		[128]; /* stable place in the machine, as udev's ID_PATH: "pci-0000:00:1f.2-ata-1",
			      "" unknown */
	char vendor[32];
	char model[64];
	char serial[64]; /* "" if it tells none */
	char wwn[64];
	char bus[16]; /* "sata" "nvme" "virtio" "scsi" "sas" "usb" "mmc" "xen" "" */
	enum bmr_disk_kind kind;
	dev_t dev;
	uint64_t sequence; /* kernel's diskseq, 0 if it has none: another disk has another */
	uint64_t size;     /* bytes */
	unsigned logical_sector;
	unsigned physical_sector;
	bool rotational;
	bool removable;
	bool read_only;
	bool medium;       /* bmr was booted from it */
	char used_by[128]; /* who holds it or a part of it: "sda2 mounted on /home", "" nobody */

	char table[8]; /* "gpt", "dos", "" none */
	char table_uuid[40];
	bool holds_something;     /* a partition table or a signature known to libblkid */
	char probe_error[96];     /* why the content could not be read, "" if it was */
	struct bmr_health health; /* unknown until bmr_health_ask */
	struct bmr_disk_content *contents;
	size_t content_count;
};

struct bmr_disk_list {
	struct bmr_disk *disks; /* sorted by name, sda before sdaa */
	size_t count;
};

/* List all disks, optical and virtual ones too.  A disk that cannot be probed is listed with
 * probe_error.  *list is to be cleared by bmr_disk_list_clear also after a failure.
 * Errors: BMR_E_NOMEM, BMR_E_TARGET (no sysfs). */
int bmr_disk_list_read(const struct bmr_disk_env *env, struct bmr_disk_list *list,
                       struct bmr_err *e);
void bmr_disk_list_clear(struct bmr_disk_list *list);

/* Describe one disk or partition device (of any kind) by the device number of an open file.
 * *disk is to be cleared by bmr_disk_clear.  For a partition: BMR_E_REFUSED that names its disk. */
int bmr_disk_read(const struct bmr_disk_env *env, dev_t dev, struct bmr_disk *disk,
                  struct bmr_err *e);
void bmr_disk_clear(struct bmr_disk *disk);

/* The whole disk under a device number (a partition's disk; LVM and md followed down to every
 * member): calls member() for each.  For "the disk that the image comes from". */
int bmr_disk_of(const struct bmr_disk_env *env, dev_t dev,
                void (*member)(void *ctx, dev_t whole_disk), void *ctx, struct bmr_err *e);

#endif
