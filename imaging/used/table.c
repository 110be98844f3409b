/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <blkid.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/size.h"
#include "imaging/layout.h"
#include "imaging/used/internal.h"

#define PART_UNIT 512u /* of libblkid's list, whatever the disk's sectors are */
#define PARTS_MOST 1024
#define GAP_EDGE (32 * BMR_MIB) /* boot loaders behind the table, RAID's marks before the end */

struct table {
	char type[32]; /* "gpt", "dos"; "" none */
	char uuid[40];
	blkid_partlist list; /* libblkid's */
	int count;
};

/* One place that is one piece of the disk. */
static int take_piece(struct bmr_used_look *look, const char *name, const char *fact,
                      uint64_t offset, uint64_t size, const char *why, struct bmr_err *e)
{
	struct bmr_used_piece piece = {.offset = offset, .length = size};
	struct bmr_used_place place = {
		.name = name, .fact = fact, .pieces = &piece, .count = 1, .size = size};

	return why ? bmr_used_whole(look, &place, why, e) : bmr_used_content(look, &place, true, e);
}

static int take_disk(struct bmr_used_look *look, const char *why, struct bmr_err *e)
{
	return take_piece(look, "the disk", "disk", 0, look->options->size, why, e);
}

/* --- between partitions --- */

/* Of what lies in [from, to) outside the (packed) partitions, both edges of each gap. */
static int take_gaps(struct bmr_used_look *look, const struct bmr_used_list *parts, uint64_t from,
                     uint64_t to, uint64_t edge, struct bmr_err *e)
{
	for (size_t i = 0; i <= parts->count && from < to; i++) {
		uint64_t start = i < parts->count ? parts->ranges[i].offset : to;
		uint64_t end = i < parts->count ? start + parts->ranges[i].length : to;
		uint64_t gap_end = bmr_size_min(start, to);

		if (gap_end > from) {
			uint64_t length = bmr_size_min(edge, gap_end - from);

			if (bmr_used_list_add(&look->list, from, length, e) < 0 ||
			    bmr_used_list_add(&look->list, gap_end - length, length, e) < 0)
				return -1;
		}
		if (end > from)
			from = end;
	}
	return 0;
}

/* The backup of a GPT is not at the end of a disk that has grown. */
static int take_backup(struct bmr_used_look *look, struct bmr_err *e)
{
	AUTO_FREE uint8_t *head = malloc(BMR_LAYOUT_HEAD);
	struct bmr_layout layout;
	uint64_t edge;
	ssize_t len;

	if (!head)
		return bmr_err_nomem(e, "the start of a disk");
	len = pread(look->fd, head, BMR_LAYOUT_HEAD, 0);
	if (len <= 0)
		return 0; /* libblkid has read it; the edges are taken */
	bmr_layout_read(head, (size_t)len, &layout);
	if (layout.needed > look->options->size)
		return 0;
	edge = bmr_size_min(BMR_USED_EDGE, layout.needed);
	return bmr_used_list_add(&look->list, layout.needed - edge, edge, e);
}

/* --- partitions --- */

static bool range_of(const struct bmr_used_look *look, blkid_partition part,
                     struct bmr_used_range *range)
{
	blkid_loff_t start = blkid_partition_get_start(part);
	blkid_loff_t size = blkid_partition_get_size(part);

	return start >= 0 && size > 0 && bmr_size_mul((uint64_t)start, PART_UNIT, &range->offset) &&
	       bmr_size_mul((uint64_t)size, PART_UNIT, &range->length) &&
	       bmr_size_inside(range->offset, range->length, look->options->size);
}

static const char *text_or_none(const char *text)
{
	return text ? text : "";
}

static int tell_partition(struct bmr_used_look *look, const char *fact, blkid_partition part,
                          const struct bmr_used_range *range, struct bmr_err *e)
{
	const char *type = blkid_partition_get_type_string(part);
	char number[16];

	snprintf(number, sizeof number, "0x%02x", (unsigned)blkid_partition_get_type(part));
	if (bmr_used_fact(look, fact, "start", e, "%llu", (unsigned long long)range->offset) < 0 ||
	    bmr_used_fact(look, fact, "size", e, "%llu", (unsigned long long)range->length) < 0 ||
	    bmr_used_fact(look, fact, "type", e, "%s", type ? type : number) < 0 ||
	    bmr_used_fact(look, fact, "name", e, "%s",
	                  text_or_none(blkid_partition_get_name(part))) < 0)
		return -1;
	return bmr_used_fact(look, fact, "uuid", e, "%s",
	                     text_or_none(blkid_partition_get_uuid(part)));
}

/* BSD and the like have a table of their own within a partition. */
static bool is_nested(blkid_partition part)
{
	return blkid_parttable_get_parent(blkid_partition_get_table(part)) != NULL;
}

static int take_partition(struct bmr_used_look *look, blkid_partition part,
                          const struct bmr_used_range *range, struct bmr_err *e)
{
	char fact[24];
	char name[24];

	snprintf(fact, sizeof fact, "partition.%d", blkid_partition_get_partno(part));
	snprintf(name, sizeof name, "partition %d", blkid_partition_get_partno(part));
	if (tell_partition(look, fact, part, range, e) < 0)
		return -1;
	if (blkid_partition_is_extended(part))
		return 0;
	return take_piece(look, name, fact, range->offset, range->length,
	                  is_nested(part) ? "it stands in another partition's own table" : NULL, e);
}

/* Its links, one before each logical partition, are where nobody tells: all of its gaps. */
static int take_extended(struct bmr_used_look *look, const struct bmr_used_list *parts,
                         const struct table *t, struct bmr_err *e)
{
	for (int i = 0; i < t->count; i++) {
		blkid_partition part = blkid_partlist_get_partition(t->list, i);
		struct bmr_used_range range;

		if (!blkid_partition_is_extended(part) || !range_of(look, part, &range))
			continue;
		if (take_gaps(look, parts, range.offset, range.offset + range.length, UINT64_MAX,
		              e) < 0)
			return -1;
	}
	return 0;
}

static int take_partitions(struct bmr_used_look *look, const struct table *t,
                           struct bmr_used_list *parts, struct bmr_err *e)
{
	for (int i = 0; i < t->count; i++) {
		blkid_partition part = blkid_partlist_get_partition(t->list, i);
		struct bmr_used_range range;

		if (!part || !range_of(look, part, &range))
			return take_disk(look, "a partition is not inside it", e);
		if (!blkid_partition_is_extended(part) &&
		    bmr_used_list_add(parts, range.offset, range.length, e) < 0)
			return -1;
		if (take_partition(look, part, &range, e) < 0)
			return -1;
	}
	bmr_used_list_pack(parts);
	if (take_gaps(look, parts, 0, look->options->size, GAP_EDGE, e) < 0 ||
	    take_extended(look, parts, t, e) < 0)
		return -1;
	return take_backup(look, e);
}

/* --- the table --- */

static const char *why_not(const struct table *t, const struct bmr_used_found *found)
{
	if (strcmp(t->type, "gpt") != 0 && strcmp(t->type, "dos") != 0)
		return "its partition table is of another kind than GPT and MBR";
	if (found->type[0])
		return "it has both a partition table and another mark";
	return t->count > PARTS_MOST ? "it has too many partitions" : NULL;
}

static int take_table(struct bmr_used_look *look, const struct table *t, struct bmr_err *e)
{
	struct bmr_used_list parts = {0};
	struct bmr_used_found found;
	const char *why;
	int rc;

	if (bmr_used_fact(look, "table", "type", e, "%s", t->type) < 0 ||
	    bmr_used_fact(look, "table", "uuid", e, "%s", t->uuid) < 0)
		return -1;
	if (bmr_used_probe(look->fd, look->options->sector, 0, look->options->size, &found, e) < 0)
		return bmr_used_is_fatal(e) ? -1 : take_disk(look, "it cannot be probed", e);
	/* A boot sector of a file system has the mark of an MBR, but no partitions. */
	if (t->count == 0 && found.type[0])
		return take_disk(look, NULL, e);
	why = why_not(t, &found);
	if (why)
		return take_disk(look, why, e);
	rc = take_partitions(look, t, &parts, e);
	bmr_used_list_clear(&parts);
	return rc;
}

static void copy_value(blkid_probe probe, const char *name, char *out, size_t size)
{
	const char *value;

	if (blkid_probe_lookup_value(probe, name, &value, NULL) == 0)
		snprintf(out, size, "%s", value);
}

static int probe_table(blkid_probe probe, struct bmr_used_look *look, struct table *t,
                       struct bmr_err *e)
{
	int rc;

	blkid_probe_enable_superblocks(probe, 0);
	blkid_probe_enable_partitions(probe, 1);
	errno = 0;
	if (blkid_probe_set_device(probe, look->fd, 0, (blkid_loff_t)look->options->size) != 0)
		return bmr_err_set(e, BMR_E_TARGET, errno, "it cannot be probed");
	blkid_probe_set_sectorsize(probe, look->options->sector);
	rc = blkid_do_safeprobe(probe);
	if (rc < 0)
		return bmr_err_set(e, BMR_E_TARGET, errno, "its partition table cannot be read");
	if (rc > 0)
		return 0;
	copy_value(probe, "PTTYPE", t->type, sizeof t->type);
	copy_value(probe, "PTUUID", t->uuid, sizeof t->uuid);
	t->list = blkid_probe_get_partitions(probe); /* overwrites the values */
	t->count = t->list ? blkid_partlist_numof_partitions(t->list) : 0;
	return 0;
}

int bmr_used_table(struct bmr_used_look *look, struct bmr_err *e)
{
	blkid_probe probe = blkid_new_probe();
	struct table t = {.type = ""};
	int rc;

	if (!probe)
		return bmr_err_nomem(e, "a probe");
	rc = probe_table(probe, look, &t, e);
	if (rc < 0) {
		struct bmr_err why = *e;

		rc = take_disk(look, why.msg, e);
	} else {
		rc = t.type[0] ? take_table(look, &t, e) : take_disk(look, NULL, e);
	}
	blkid_free_probe(probe);
	return rc;
}
