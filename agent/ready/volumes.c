/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/ready/volumes.h"

#include <blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "imaging/disk/loop.h"
#include "imaging/disk/target.h"

#define SECTOR 512 /* libblkid's, whatever the disk's are */

void bmr_volume_probe(struct bmr_volume *volume)
{
	blkid_probe probe = blkid_new_probe_from_filename(volume->device);
	const char *type;

	volume->type[0] = '\0';
	if (!probe)
		return;
	blkid_probe_enable_superblocks(probe, 1);
	blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE);
	if (blkid_do_safeprobe(probe) == 0 &&
	    blkid_probe_lookup_value(probe, "TYPE", &type, NULL) == 0)
		snprintf(volume->type, sizeof volume->type, "%s", type);
	blkid_free_probe(probe);
}

static int add_part(struct bmr_volumes *v, const struct bmr_loop_part *part, const char *name,
                    struct bmr_err *e)
{
	struct bmr_volume *volume = &v->list[v->count];

	if (bmr_loop_open(part, volume->device, sizeof volume->device, &volume->fd, e) < 0)
		return -1;
	snprintf(volume->name, sizeof volume->name, "%s", name);
	bmr_volume_probe(volume);
	v->count++;
	return 0;
}

static int add_partitions(struct bmr_volumes *v, blkid_partlist list, unsigned sector,
                          struct bmr_err *e)
{
	int count = blkid_partlist_numof_partitions(list);

	for (int i = 0; i < count && v->count < BMR_VOLUMES_MOST; i++) {
		blkid_partition partition = blkid_partlist_get_partition(list, i);
		struct bmr_loop_part part = {
			.file = v->disk,
			.writable = true,
			.offset = (uint64_t)blkid_partition_get_start(partition) * SECTOR,
			.length = (uint64_t)blkid_partition_get_size(partition) * SECTOR,
			.sector = sector,
		};
		char name[32];

		if (blkid_partition_is_extended(partition) || part.length == 0)
			continue;
		snprintf(name, sizeof name, "partition %d", blkid_partition_get_partno(partition));
		if (add_part(v, &part, name, e) < 0)
			return -1;
	}
	return 0;
}

/* Its partitions, or what there is without a table. */
static int add_all(struct bmr_volumes *v, const struct bmr_target_info *target, struct bmr_err *e)
{
	blkid_probe probe = blkid_new_probe();
	struct bmr_loop_part whole = {.file = v->disk, .sector = target->sector, .writable = true};
	blkid_partlist list;
	int rc;

	if (!probe || blkid_probe_set_device(probe, v->disk, 0, 0) != 0) {
		blkid_free_probe(probe);
		return bmr_err_set(e, BMR_E_TARGET, 0, "cannot look at '%s'", target->path);
	}
	list = blkid_probe_get_partitions(probe);
	whole.length = (uint64_t)blkid_probe_get_size(probe);
	if (list && blkid_partlist_numof_partitions(list) > 0)
		rc = add_partitions(v, list, target->sector, e);
	else
		rc = add_part(v, &whole, "the whole disk", e);
	blkid_free_probe(probe);
	return rc;
}

int bmr_volumes_open(const struct bmr_target_info *target, const atomic_bool *stop,
                     struct bmr_volumes *v, struct bmr_err *e)
{
	memset(v, 0, sizeof *v);
	v->stop = stop;
	v->disk = open(target->path, O_RDWR | O_CLOEXEC);
	if (v->disk < 0)
		return bmr_err_set(e, BMR_E_TARGET, errno, "cannot open '%s'", target->path);
	/* What the kernel keeps of the disk may be older than what was written past it. */
	if (!target->is_file && ioctl(v->disk, BLKFLSBUF) < 0)
		return bmr_err_set(e, BMR_E_TARGET, errno, "cannot flush '%s'", target->path);
	if (add_all(v, target, e) < 0)
		return -1;
	v->partitions = v->count;
	return bmr_volumes_activate(v, e);
}

int bmr_volumes_close(struct bmr_volumes *v, struct bmr_err *e)
{
	int rc = bmr_volumes_deactivate(v, e);

	for (size_t i = 0; i < v->partitions; i++) {
		int fd = take_fd(&v->list[i].fd);

		if (fsync(fd) < 0 && rc == 0)
			rc = bmr_err_set(e, BMR_E_TARGET, errno, "cannot flush '%s'",
			                 v->list[i].name);
		close(fd);
	}
	if (v->disk >= 0 && fsync(v->disk) < 0 && rc == 0)
		rc = bmr_err_set(e, BMR_E_TARGET, errno, "cannot flush the disk");
	if (v->disk >= 0)
		close(take_fd(&v->disk));
	v->count = v->partitions = 0;
	return rc;
}
