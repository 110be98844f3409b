/* SPDX-License-Identifier: GPL-3.0-or-later */
/* internal.h - what the files of imaging/disk/ share; for nobody else. */
#ifndef BMR_IMAGING_DISK_INTERNAL_H
#define BMR_IMAGING_DISK_INTERNAL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bmr_disk;
struct bmr_disk_env;

/* attr.c: sysfs attributes.  What a device says of itself is hostile text: it comes out as
 * printable ASCII, '?' for the rest, without blanks at its ends. */

/* dir/name into path; false if it does not fit. */
bool bmr_disk_attr_path(char path[PATH_MAX], const char *dir, const char *name);
/* Up to size bytes of the file; -1 if there is none. */
ssize_t bmr_disk_attr_raw(const char *dir, const char *name, void *buf, size_t size);
/* false, with out "", if it is missing or empty. */
bool bmr_disk_attr_text(const char *dir, const char *name, char *out, size_t size);
/* 0 if it is missing or no number. */
uint64_t bmr_disk_attr_number(const char *dir, const char *name);
/* "8:16" as a device number, 0 if it is missing. */
dev_t bmr_disk_attr_dev(const char *dir);
bool bmr_disk_attr_exists(const char *dir, const char *name);
void bmr_disk_attr_clean(char *out, size_t size, const void *raw, size_t len);

/* of.c: from a device number to directories. */

/* *env with the machine's own paths where it has NULL; env may be NULL. */
struct bmr_disk_env bmr_disk_of_env(const struct bmr_disk_env *env);
/* The real directory of a device number, to be freed; NULL with errno if there is none. */
char *bmr_disk_of_dir(const struct bmr_disk_env *env, dev_t dev);
/* If dir is a partition's, cut it down to its disk's and return true. */
bool bmr_disk_of_part(char *dir);

/* place.c: where a disk is plugged in.  Fills bus and by_path.  dir: the disk's real directory
 * ("/sys/devices/.../block/sda"); usb: gets the directory of the USB device, "" if it is none. */
void bmr_disk_place(const char *dir, struct bmr_disk *disk, char usb[PATH_MAX]);

/* identity.c: fills kind, vendor, model, serial, wwn, removable. */
void bmr_disk_identity(const char *dir, const char *usb, struct bmr_disk *disk);

/* usage.c: fills used_by. */
void bmr_disk_usage(const struct bmr_disk_env *env, const char *dir, struct bmr_disk *disk);

/* probe.c: fills table, table_uuid, contents, holds_something, probe_error, medium. */
void bmr_disk_probe(const struct bmr_disk_env *env, struct bmr_disk *disk);

/* medium.c: does the ISO 9660 file system at byte `start` of fd carry the boot medium's id?
 * id: the file of env->medium_id_file. */
bool bmr_disk_medium(int fd, uint64_t start, const char *id_file);

#endif
