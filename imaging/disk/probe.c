/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/disk/internal.h"

#include "base/cleanup.h"
#include "base/size.h"
#include "imaging/disk/disk.h"

#include <blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/cdrom.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#define CONTENT_MAX 128
#define PART_UNIT 512u /* of libblkid's partition list, whatever the disk's sectors are */

static void cleanup_probe(blkid_probe *probe)
{
	blkid_free_probe(*probe);
}

#define AUTO_PROBE __attribute__((cleanup(cleanup_probe)))

static void probe_error(struct bmr_disk *disk, int sys, const char *what)
{
	if (disk->probe_error[0] != '\0')
		return;
	if (sys != 0)
		snprintf(disk->probe_error, sizeof disk->probe_error, "%s: %s", what,
		         strerror(sys));
	else
		snprintf(disk->probe_error, sizeof disk->probe_error, "%s", what);
}

/* A signature with a bad checksum still says that something is, or was, there. */
static blkid_probe new_probe(int fd, uint64_t start, uint64_t size, unsigned sector)
{
	blkid_probe probe = blkid_new_probe();

	if (!probe)
		return NULL;
	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL |
	                                                 BLKID_SUBLKS_USAGE | BLKID_SUBLKS_UUID |
	                                                 BLKID_SUBLKS_BADCSUM);
	if (blkid_probe_set_device(probe, fd, (blkid_loff_t)start, (blkid_loff_t)size) != 0) {
		blkid_free_probe(probe);
		return NULL;
	}
	blkid_probe_set_sectorsize(probe, sector);
	return probe;
}

static bool value_of(blkid_probe probe, const char *name, char *out, size_t size)
{
	const char *data;
	size_t len;

	if (blkid_probe_lookup_value(probe, name, &data, &len) != 0)
		return false;
	bmr_disk_attr_clean(out, size, data, strnlen(data, len));
	return *out != '\0';
}

/* What a probe found, into one content: libblkid's -2 means several that contradict each other. */
static void take_found(blkid_probe probe, int result, struct bmr_disk_content *content)
{
	if (result == -2)
		snprintf(content->type, sizeof content->type, "ambiguous");
	else if (result == 0)
		value_of(probe, "TYPE", content->type, sizeof content->type);
	value_of(probe, "LABEL", content->label, sizeof content->label);
	value_of(probe, "UUID", content->uuid, sizeof content->uuid);
}

static void add_content(struct bmr_disk *disk, const struct bmr_disk_content *content)
{
	if (disk->content_count < CONTENT_MAX)
		disk->contents[disk->content_count++] = *content;
}

static void probe_partition(int fd, struct bmr_disk *disk, blkid_partition part)
{
	int number = blkid_partition_get_partno(part);
	const char *uuid = blkid_partition_get_uuid(part);
	struct bmr_disk_content content = {.number = number > 0 ? (unsigned)number : 0};
	int result;

	/* The table may say anything. */
	if (!bmr_size_mul((uint64_t)blkid_partition_get_start(part), PART_UNIT, &content.start) ||
	    !bmr_size_mul((uint64_t)blkid_partition_get_size(part), PART_UNIT, &content.size))
		return;
	snprintf(content.part_uuid, sizeof content.part_uuid, "%s", uuid ? uuid : "");
	if (blkid_partition_is_extended(part)) {
		snprintf(content.type, sizeof content.type, "extended");
	} else if (content.size > 0 && bmr_size_inside(content.start, content.size, disk->size)) {
		AUTO_PROBE blkid_probe probe =
			new_probe(fd, content.start, content.size, disk->logical_sector);

		result = probe ? blkid_do_safeprobe(probe) : -1;
		if (result == -1)
			probe_error(disk, errno, "cannot read a partition");
		if (probe)
			take_found(probe, result, &content);
	}
	add_content(disk, &content);
}

static void probe_table(int fd, struct bmr_disk *disk, blkid_probe probe)
{
	blkid_partlist list;
	int count;

	if (!value_of(probe, "PTTYPE", disk->table, sizeof disk->table))
		return;
	value_of(probe, "PTUUID", disk->table_uuid, sizeof disk->table_uuid);
	list = blkid_probe_get_partitions(probe);
	count = list ? blkid_partlist_numof_partitions(list) : 0;
	for (int i = 0; i < count && i < CONTENT_MAX; i++) {
		blkid_partition part = blkid_partlist_get_partition(list, i);

		if (part)
			probe_partition(fd, disk, part);
	}
}

static void probe_content(int fd, struct bmr_disk *disk)
{
	struct bmr_disk_content whole = {.size = disk->size};
	AUTO_PROBE blkid_probe probe = new_probe(fd, 0, 0, disk->logical_sector);
	int result;

	disk->contents = calloc(CONTENT_MAX, sizeof *disk->contents);
	if (!probe || !disk->contents) {
		probe_error(disk, probe ? ENOMEM : errno, "cannot be probed");
		return;
	}
	blkid_probe_enable_partitions(probe, 1);
	errno = 0;
	result = blkid_do_safeprobe(probe);
	if (result == -1)
		probe_error(disk, errno, "cannot read its content");
	take_found(probe, result, &whole);
	if (whole.type[0] != '\0')
		add_content(disk, &whole);
	probe_table(fd, disk, probe);
	disk->holds_something = disk->content_count > 0 || disk->table[0] != '\0';
}

/* libblkid skips over some read errors; the first bytes decide what the disk is taken for. */
static bool start_is_readable(int fd, struct bmr_disk *disk)
{
	size_t len = disk->size < 4096 ? (size_t)disk->size : 4096;
	char start[4096];
	ssize_t got = pread(fd, start, len, 0);

	if (got == (ssize_t)len)
		return true;
	probe_error(disk, got < 0 ? errno : 0,
	            got < 0 ? "cannot read its start" : "ends within the first 4096 bytes");
	return false;
}

/* A node left over from another disk, or a file in its place, would answer for the wrong one. */
static bool is_the_device(const struct bmr_disk_env *env, int fd, struct bmr_disk *disk)
{
	struct stat st;

	if (fstat(fd, &st) != 0) {
		probe_error(disk, errno, "cannot open");
		return false;
	}
	if (S_ISBLK(st.st_mode) && st.st_rdev == disk->dev)
		return true;
	/* The disks of a made-up machine are files. */
	if (S_ISREG(st.st_mode) && strcmp(env->dev, "/dev") != 0)
		return true;
	probe_error(disk, 0, "its device node is another device");
	return false;
}

static void find_medium(const struct bmr_disk_env *env, int fd, struct bmr_disk *disk)
{
	for (size_t i = 0; i < disk->content_count && !disk->medium; i++)
		if (strcmp(disk->contents[i].type, "iso9660") == 0 ||
		    strcmp(disk->contents[i].type, "ambiguous") == 0)
			disk->medium =
				bmr_disk_medium(fd, disk->contents[i].start, env->medium_id_file);
}

/* Reading a drive whose tray is open waits until the driver loses patience. */
static bool drive_is_empty(int fd, const struct bmr_disk *disk)
{
	return disk->kind == BMR_DISK_OPTICAL &&
	       ioctl(fd, CDROM_DRIVE_STATUS, CDSL_CURRENT) != CDS_DISC_OK && errno != ENOTTY;
}

void bmr_disk_probe(const struct bmr_disk_env *env, struct bmr_disk *disk)
{
	/* A floppy drive or a network disk without its server answers after seconds, if ever, and
	 * is no candidate anyway. */
	if (disk->size == 0 || disk->kind == BMR_DISK_OTHER)
		return;
	AUTO_FD int fd = open(disk->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		probe_error(disk, errno, "cannot open");
	} else if (is_the_device(env, fd, disk)) {
		errno = 0;
		if (drive_is_empty(fd, disk)) {
			disk->size = 0;
			return;
		}
		if (start_is_readable(fd, disk)) {
			probe_content(fd, disk);
			find_medium(env, fd, disk);
		}
	}
	if (disk->probe_error[0] != '\0')
		disk->holds_something = true;
}
