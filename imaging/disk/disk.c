/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/disk/disk.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"
#include "imaging/disk/internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define SYSFS_UNIT 512u /* of "size", whatever the disk's sectors are */

/* In sysfs a '!' stands for the '/' of "cciss/c0d0". */
static void device_path(const struct bmr_disk_env *env, struct bmr_disk *disk)
{
	size_t start = strlen(env->dev) + 1;

	snprintf(disk->path, sizeof disk->path, "%s/%s", env->dev, disk->name);
	for (size_t i = start; i < sizeof disk->path && disk->path[i] != '\0'; i++)
		if (disk->path[i] == '!')
			disk->path[i] = '/';
}

static void read_geometry(const char *dir, struct bmr_disk *disk)
{
	uint64_t sector = bmr_disk_attr_number(dir, "queue/logical_block_size");
	uint64_t physical = bmr_disk_attr_number(dir, "queue/physical_block_size");

	if (!bmr_size_mul(bmr_disk_attr_number(dir, "size"), SYSFS_UNIT, &disk->size))
		disk->size = 0;
	disk->logical_sector = sector >= 512 && sector <= 65536 ? (unsigned)sector : 512;
	disk->physical_sector = physical >= disk->logical_sector && physical <= 1U << 20
	                                ? (unsigned)physical
	                                : disk->logical_sector;
	disk->rotational = bmr_disk_attr_number(dir, "queue/rotational") != 0;
	disk->read_only = bmr_disk_attr_number(dir, "ro") != 0;
	disk->sequence = bmr_disk_attr_number(dir, "diskseq");
}

/* dir: the disk's real directory, whose last part is its name. */
static void read_disk(const struct bmr_disk_env *env, const char *dir, struct bmr_disk *disk)
{
	char usb[PATH_MAX];

	memset(disk, 0, sizeof *disk);
	snprintf(disk->name, sizeof disk->name, "%s", strrchr(dir, '/') + 1);
	device_path(env, disk);
	disk->dev = bmr_disk_attr_dev(dir);
	read_geometry(dir, disk);
	bmr_disk_place(dir, disk, usb);
	bmr_disk_identity(dir, usb, disk);
	bmr_disk_probe(env, disk);
	bmr_disk_usage(env, dir, disk);
}

/* A loop or ram device that holds nothing is there in name only. */
static bool is_listed(const struct bmr_disk *disk)
{
	return disk->size > 0 || (disk->kind != BMR_DISK_LOOP && disk->kind != BMR_DISK_RAM);
}

static int append(struct bmr_disk_list *list, const struct bmr_disk *disk, struct bmr_err *e)
{
	struct bmr_disk *grown = reallocarray(list->disks, list->count + 1, sizeof *list->disks);

	if (!grown)
		return bmr_err_nomem(e, "the list of disks");
	list->disks = grown;
	grown[list->count++] = *disk;
	return 0;
}

static int list_one(const struct bmr_disk_env *env, const char *block, const char *name,
                    struct bmr_disk_list *list, struct bmr_err *e)
{
	char path[PATH_MAX];
	struct bmr_disk disk;
	int rc = 0;

	if (!bmr_disk_attr_path(path, block, name))
		return 0;
	AUTO_FREE char *dir = realpath(path, NULL);
	if (!dir && errno == ENOMEM)
		return bmr_err_nomem(e, "the list of disks");
	/* Pulled out a moment ago, or one of several paths to an NVMe disk, which has no device. */
	if (!dir || bmr_disk_attr_number(dir, "hidden") != 0)
		return 0;
	read_disk(env, dir, &disk);
	if (is_listed(&disk))
		rc = append(list, &disk, e);
	if (rc < 0 || !is_listed(&disk))
		bmr_disk_clear(&disk);
	return rc;
}

/* The first two letters tell the driver ("sd", "vd", "nv"); within it sda .. sdz come before
 * sdaa. */
static int by_name(const void *a, const void *b)
{
	const char *x = ((const struct bmr_disk *)a)->name;
	const char *y = ((const struct bmr_disk *)b)->name;
	int driver = strncmp(x, y, 2);

	if (driver != 0)
		return driver;
	if (strlen(x) != strlen(y))
		return strlen(x) < strlen(y) ? -1 : 1;
	return strcmp(x, y);
}

int bmr_disk_list_read(const struct bmr_disk_env *env, struct bmr_disk_list *list,
                       struct bmr_err *e)
{
	const struct bmr_disk_env full = bmr_disk_of_env(env);
	char block[PATH_MAX];
	struct dirent *entry;
	DIR *dir;
	int rc = 0;

	*list = (struct bmr_disk_list){0};
	if (!bmr_disk_attr_path(block, full.sysfs, "block") || !(dir = opendir(block)))
		return bmr_err_set(e, BMR_E_TARGET, errno, "cannot list the disks in '%s/block'",
		                   full.sysfs);
	while (rc == 0 && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			rc = list_one(&full, block, entry->d_name, list, e);
	closedir(dir);
	if (list->count > 1)
		qsort(list->disks, list->count, sizeof *list->disks, by_name);
	return rc;
}

void bmr_disk_clear(struct bmr_disk *disk)
{
	free(disk->contents);
	disk->contents = NULL;
	disk->content_count = 0;
}

void bmr_disk_list_clear(struct bmr_disk_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		bmr_disk_clear(&list->disks[i]);
	free(list->disks);
	*list = (struct bmr_disk_list){0};
}

int bmr_disk_read(const struct bmr_disk_env *env, dev_t dev, struct bmr_disk *disk,
                  struct bmr_err *e)
{
	const struct bmr_disk_env full = bmr_disk_of_env(env);
	char name[64];

	memset(disk, 0, sizeof *disk);
	AUTO_FREE char *dir = bmr_disk_of_dir(&full, dev);
	if (!dir)
		return bmr_err_set(e, BMR_E_TARGET, errno, "no disk has the device number %u:%u",
		                   major(dev), minor(dev));
	snprintf(name, sizeof name, "%s", strrchr(dir, '/') + 1);
	if (bmr_disk_of_part(dir))
		return bmr_err_set(e, BMR_E_REFUSED, 0,
		                   "'%s' is a partition; a restore takes the whole disk '%s'", name,
		                   strrchr(dir, '/') + 1);
	read_disk(&full, dir, disk);
	return 0;
}
