/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/disk/duplicate.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "imaging/disk/disk.h"
#include "imaging/image.h"
#include "imaging/bmr/manifest.h"

struct search {
	const struct bmr_disk *other; /* the one that is looked at */
	char *text;
	size_t len;
};

/* --- what another disk has --- */

static bool found(const struct search *s, const char *what, const char *value, unsigned number)
{
	const struct bmr_disk *d = s->other;
	char where[32] = "";

	if (number > 0)
		snprintf(where, sizeof where, " (partition %u)", number);
	snprintf(s->text, s->len, "'%s' (serial %s) has the same %s %s%s", d->path,
	         d->serial[0] ? d->serial : "none", what, value, where);
	return true;
}

static bool has_table(const struct search *s, const char *value)
{
	return value && *value && strcasecmp(value, s->other->table_uuid) == 0 &&
	       found(s, "partition table", value, 0);
}

static bool has_partition(const struct search *s, const char *value)
{
	for (size_t i = 0; value && *value && i < s->other->content_count; i++)
		if (strcasecmp(value, s->other->contents[i].part_uuid) == 0)
			return found(s, "partition", value, s->other->contents[i].number);
	return false;
}

static bool has_content(const struct search *s, const char *type, const char *value)
{
	bool pv = type && strcmp(type, "LVM2_member") == 0;

	if (!value || !*value || (type && strcmp(type, "linux_raid_member") == 0))
		return false;
	for (size_t i = 0; i < s->other->content_count; i++)
		if (strcasecmp(value, s->other->contents[i].uuid) == 0)
			return found(s, pv ? "physical volume" : "file system", value,
			             s->other->contents[i].number);
	return false;
}

/* --- what is looked for --- */

static const char *sibling(const struct bmr_manifest *m, const char *name, size_t stem,
                           const char *last)
{
	char other[BMR_FACT_NAME_MOST + 8];

	snprintf(other, sizeof other, "%.*s%s", (int)stem, name, last);
	return bmr_manifest_get(m, other);
}

static bool has_fact(const struct search *s, const struct bmr_manifest *m,
                     const struct bmr_fact *fact)
{
	const char *last = strrchr(fact->name, '.');

	if (strncmp(fact->name, "partition.", 10) == 0 && strcmp(last, ".uuid") == 0)
		return has_partition(s, fact->value);
	if (last && strcmp(last, ".fs_uuid") == 0)
		return has_content(s, sibling(m, fact->name, (size_t)(last - fact->name), ".fs"),
		                   fact->value);
	return false;
}

static bool has_of_image(const struct search *s, const void *wanted)
{
	const struct bmr_image *image = wanted;
	const struct bmr_manifest *m = image->manifest;

	if (has_table(s, image->layout.uuid))
		return true;
	for (uint32_t i = 0; m && i < m->fact_count; i++)
		if (has_fact(s, m, &m->facts[i]))
			return true;
	return false;
}

static bool has_of_disk(const struct search *s, const void *wanted)
{
	const struct bmr_disk *disk = wanted;

	if (has_table(s, disk->table_uuid))
		return true;
	for (size_t i = 0; i < disk->content_count; i++)
		if (has_partition(s, disk->contents[i].part_uuid) ||
		    has_content(s, disk->contents[i].type, disk->contents[i].uuid))
			return true;
	return false;
}

/* --- among which --- */

static bool counts(const struct bmr_disk *disk, const struct bmr_disk *target)
{
	if (disk->dev == target->dev || disk->medium)
		return false;
	if (disk->wwn[0] && strcasecmp(disk->wwn, target->wwn) == 0)
		return false;
	return disk->kind == BMR_DISK_DISK || disk->kind == BMR_DISK_OTHER;
}

static bool search(const struct bmr_disk_list *list, const struct bmr_disk *target,
                   bool (*has)(const struct search *, const void *), const void *wanted, char *text,
                   size_t len)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct search s = {&list->disks[i], text, len};

		if (counts(s.other, target) && has(&s, wanted))
			return true;
	}
	return false;
}

bool bmr_duplicate_of_image(const struct bmr_disk_list *list, const struct bmr_disk *target,
                            const struct bmr_image *image, char *text, size_t len)
{
	return search(list, target, has_of_image, image, text, len);
}

bool bmr_duplicate_of_disk(const struct bmr_disk_list *list, const struct bmr_disk *target,
                           char *text, size_t len)
{
	return search(list, target, has_of_disk, target, text, len);
}
