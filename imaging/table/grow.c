/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/table/grow.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"
#include "imaging/layout.h"
#include "imaging/table/fdisk.h"
#include "imaging/disk/target.h"
#include "imaging/used/internal.h" /* bmr_used_probe */

#define REREAD_TIMEOUT_MS 10000

struct disk {
	struct bmr_fdisk f; /* first: libfdisk keeps its address */
	int fd;
	unsigned sector;
};

/* Of a file nobody says the sector size but its GPT. */
static unsigned sector_of(int fd, const struct bmr_target_info *target)
{
	AUTO_FREE uint8_t *head = malloc(BMR_LAYOUT_HEAD);
	struct bmr_layout layout;
	ssize_t len = head ? pread(fd, head, BMR_LAYOUT_HEAD, 0) : -1;

	if (!target->is_file || len < 0)
		return target->sector;
	bmr_layout_read(head, (size_t)len, &layout);
	return layout.sector ? layout.sector : target->sector;
}

static int open_disk(const struct bmr_target_info *target, bool writable, struct disk *d,
                     struct bmr_err *e)
{
	int flags = writable ? O_RDWR | (target->is_file ? 0 : O_EXCL) : O_RDONLY;
	int rc;

	d->fd = open(target->path, flags | O_CLOEXEC);
	if (d->fd < 0)
		return bmr_err_set(e, errno == EBUSY ? BMR_E_REFUSED : BMR_E_TARGET, errno,
		                   "cannot open '%s'", target->path);
	d->sector = sector_of(d->fd, target);
	rc = bmr_fdisk_open(&d->f, d->fd, target->path, d->sector, !writable, e);
	if (rc == 0 && !fdisk_has_label(d->f.context)) {
		bmr_fdisk_close(&d->f);
		rc = bmr_err_set(e, BMR_E_TARGET, 0, "'%s' has no partition table", target->path);
	}
	if (rc < 0)
		close(d->fd);
	return rc;
}

static void close_disk(struct disk *d)
{
	bmr_fdisk_close(&d->f);
	close(d->fd);
}

/* --- which --- */

/* The one that ends last; NULL: none.  A reference, to be dropped. */
static struct fdisk_partition *find_last(struct fdisk_table *table)
{
	struct fdisk_partition *last = NULL;

	for (size_t i = 0; i < fdisk_table_get_nents(table); i++) {
		struct fdisk_partition *part = fdisk_table_get_partition(table, i);

		if (!fdisk_partition_is_used(part) || fdisk_partition_is_container(part) ||
		    !fdisk_partition_has_end(part))
			continue;
		if (!last || fdisk_partition_get_end(part) > fdisk_partition_get_end(last))
			last = part;
	}
	if (last)
		fdisk_ref_partition(last);
	return last;
}

static int get_last(struct disk *d, struct fdisk_partition **last, struct bmr_err *e)
{
	struct fdisk_table *table = NULL;
	int rc = fdisk_get_partitions(d->f.context, &table);

	*last = rc == 0 ? find_last(table) : NULL;
	fdisk_unref_table(table);
	if (rc != 0)
		return bmr_fdisk_failed(&d->f, rc, "read the partitions", e);
	return *last ? 0 : bmr_err_set(e, BMR_E_TARGET, 0, "there is no partition");
}

/* The first sector that it cannot have. */
static uint64_t limit_of(const struct disk *d)
{
	uint64_t last = fdisk_get_last_lba(d->f.context);
	uint64_t mib = BMR_MIB / d->sector;

	/* An MBR has 32 bits for a size and for a place. */
	if (fdisk_is_label(d->f.context, DOS) && last > UINT32_MAX - 1)
		last = UINT32_MAX - 1;
	return (last + 1) / mib * mib;
}

static void describe(const struct disk *d, struct fdisk_partition *part, struct bmr_last_part *last)
{
	uint64_t start = fdisk_partition_get_start(part);
	uint64_t size = fdisk_partition_get_size(part);
	uint64_t limit = limit_of(d);
	uint64_t grown = limit > start + size ? limit - start : size;

	*last = (struct bmr_last_part){.number = (unsigned)fdisk_partition_get_partno(part) + 1,
	                               .start = start * d->sector,
	                               .size = size * d->sector,
	                               .grown = grown * d->sector};
}

int bmr_grow_find(const struct bmr_target_info *target, struct bmr_last_part *last,
                  struct bmr_err *e)
{
	struct bmr_used_found found = {.type = ""};
	struct fdisk_partition *part;
	struct disk d;
	int rc;

	if (open_disk(target, false, &d, e) < 0)
		return -1;
	rc = get_last(&d, &part, e);
	if (rc == 0) {
		describe(&d, part, last);
		fdisk_unref_partition(part);
		rc = bmr_used_probe(d.fd, d.sector, last->start, last->size, &found, e);
		snprintf(last->type, sizeof last->type, "%s", found.type);
	}
	close_disk(&d);
	return rc < 0 ? bmr_err_while(e, "looking for the last partition of '%s'", target->path)
	              : 0;
}

/* --- growing --- */

static int set_size(struct disk *d, size_t number, uint64_t size, struct bmr_err *e)
{
	struct fdisk_partition *wanted = fdisk_new_partition();
	int rc = wanted ? fdisk_partition_set_size(wanted, size) : -ENOMEM;

	if (rc == 0)
		rc = fdisk_set_partition(d->f.context, number, wanted);
	fdisk_unref_partition(wanted);
	if (rc != 0)
		return bmr_fdisk_failed(&d->f, rc, "resize the partition", e);
	return 0;
}

/* The extended partition ends where its last logical one does. */
static int grow_parent(struct disk *d, struct fdisk_partition *part, uint64_t end,
                       struct bmr_err *e)
{
	struct fdisk_partition *parent = NULL;
	size_t number;
	int rc;

	if (!fdisk_partition_is_nested(part) || !fdisk_is_label(d->f.context, DOS))
		return 0;
	if (fdisk_partition_get_parent(part, &number) != 0 ||
	    fdisk_get_partition(d->f.context, number, &parent) != 0)
		return bmr_err_set(e, BMR_E_TARGET, 0, "its extended partition is not found");
	rc = set_size(d, number, end - fdisk_partition_get_start(parent), e);
	fdisk_unref_partition(parent);
	return rc;
}

static int write_table(struct disk *d, struct bmr_err *e)
{
	int rc;

	d->f.said[0] = '\0';
	rc = fdisk_write_disklabel(d->f.context);
	if (rc != 0)
		return bmr_fdisk_failed(&d->f, rc, "write the partition table", e);
	if (fsync(d->fd) < 0)
		return bmr_err_set(e, BMR_E_TARGET, errno, "cannot flush the partition table");
	return 0;
}

static int resize(const struct bmr_target_info *target, const struct bmr_last_part *last,
                  struct bmr_err *e)
{
	struct fdisk_partition *part;
	struct disk d;
	int rc;

	if (open_disk(target, true, &d, e) < 0)
		return -1;
	rc = get_last(&d, &part, e);
	if (rc == 0) {
		rc = grow_parent(&d, part, (last->start + last->grown) / d.sector, e);
		if (rc == 0)
			rc = set_size(&d, last->number - 1, last->grown / d.sector, e);
		if (rc == 0)
			rc = write_table(&d, e);
		fdisk_unref_partition(part);
	}
	close_disk(&d);
	return rc;
}

/* Past the cache of what was written, and by libfdisk's own judgement. */
static int check(const struct bmr_target_info *target, const struct bmr_last_part *last,
                 struct bmr_err *e)
{
	struct bmr_last_part now;
	struct disk d;
	int rc;

	if (open_disk(target, false, &d, e) < 0)
		return -1;
	rc = bmr_fdisk_check(&d.f, e);
	close_disk(&d);
	if (rc < 0 || bmr_grow_find(target, &now, e) < 0)
		return -1;
	if (now.number != last->number || now.start != last->start || now.size != last->grown)
		return bmr_err_set(e, BMR_E_TARGET, 0,
		                   "partition %u has %" PRIu64 " bytes and not %" PRIu64,
		                   now.number, now.size, last->grown);
	return 0;
}

/* Its cache is dropped too, so that what is read next comes from the disk. */
static int tell_kernel(const struct bmr_target_info *target, struct bmr_err *e)
{
	struct bmr_target *t;
	const char *reason = NULL;
	int rc;

	if (bmr_target_open(target, &t, e) < 0)
		return -1;
	rc = bmr_target_drop_cache(t, e);
	if (rc == 0 && !bmr_target_reread_table(t, REREAD_TIMEOUT_MS, &reason))
		rc = bmr_err_set(e, BMR_E_TARGET, 0,
		                 "the kernel does not read the new partition table: %s", reason);
	return bmr_target_close(t, e) < 0 ? -1 : rc;
}

int bmr_grow_partition(const struct bmr_target_info *target, const struct bmr_last_part *last,
                       struct bmr_err *e)
{
	if (resize(target, last, e) < 0 || tell_kernel(target, e) < 0 || check(target, last, e) < 0)
		return bmr_err_while(e, "growing partition %u of '%s'", last->number, target->path);
	return 0;
}
