/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/size.h"
#include "imaging/used/internal.h"

struct kind {
	const char *type;         /* as libblkid calls it */
	const char *fs;           /* as partclone does */
	bmr_used_doubt_fn *doubt; /* asked first */
};

static const struct kind kinds[] = {
	{"ext2", "ext2", bmr_used_doubt_ext},     {"ext3", "ext3", bmr_used_doubt_ext},
	{"ext4", "ext4", bmr_used_doubt_ext},     {"xfs", "xfs", bmr_used_doubt_xfs},
	{"btrfs", "btrfs", bmr_used_doubt_btrfs}, {"ntfs", "ntfs", bmr_used_doubt_ntfs},
	{"vfat", "vfat", bmr_used_doubt_fat},     {"exfat", "exfat", bmr_used_doubt_exfat},
};

static const struct kind *kind_of(const char *type)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(kinds[i].type, type) == 0)
			return &kinds[i];
	return NULL;
}

/* The edges hold what maps leave out: boot sectors' copies, and labels that others look for. */
static int take_edges(struct bmr_used_look *look, const struct bmr_used_place *place,
                      struct bmr_err *e)
{
	uint64_t edge = bmr_size_min(BMR_USED_EDGE, place->size);

	if (bmr_used_take(look, place, 0, edge, e) < 0)
		return -1;
	return bmr_used_take(look, place, place->size - edge, edge, e);
}

static int take_map(struct bmr_used_look *look, const struct bmr_used_place *place,
                    const struct bmr_used_list *map, uint64_t end, struct bmr_err *e)
{
	uint64_t edge = bmr_size_min(BMR_USED_EDGE, end);

	for (size_t i = 0; i < map->count; i++)
		if (bmr_used_take(look, place, map->ranges[i].offset, map->ranges[i].length, e) < 0)
			return -1;
	/* The end of the file system, and what lies between it and the end of the place. */
	return bmr_used_take(look, place, end - edge, place->size - end + edge, e);
}

static int find_map(struct bmr_used_look *look, const struct bmr_used_place *place,
                    const struct kind *kind, struct bmr_used_list *map, uint64_t *end,
                    struct bmr_err *e)
{
	struct bmr_used_device device;
	int rc;

	if (bmr_used_device_open(look, place, &device, e) < 0)
		return -1;
	rc = kind->doubt(look, &device, place->size, map, e);
	if (rc == 0)
		rc = bmr_used_partclone(look, kind->fs, &device, place->size, map, end, e);
	bmr_used_device_close(&device);
	return rc;
}

/* A failure is the reason to take it whole, but for one that ends everything. */
static int whole_because(struct bmr_used_look *look, const struct bmr_used_place *place,
                         struct bmr_err *e)
{
	struct bmr_err why = *e;

	return bmr_used_is_fatal(&why) ? -1 : bmr_used_whole(look, place, why.msg, e);
}

static int say_used(struct bmr_used_look *look, const struct bmr_used_place *place, const char *fs,
                    const struct bmr_used_list *map, struct bmr_err *e)
{
	uint64_t bytes = 0;
	char used[16];
	char size[16];

	for (size_t i = 0; i < map->count; i++)
		bytes += map->ranges[i].length;
	bmr_log_say(look->options->log, BMR_LOG_INFO, "%s: %s, %s of %s used", place->name, fs,
	            bmr_size_text(bytes, used, sizeof used),
	            bmr_size_text(place->size, size, sizeof size));
	if (bmr_used_fact(look, place->fact, "used", e, "%llu", (unsigned long long)bytes) < 0)
		return -1;
	return bmr_used_fact(look, place->fact, "capture", e, "used blocks");
}

static int take_file_system(struct bmr_used_look *look, const struct bmr_used_place *place,
                            const struct kind *kind, struct bmr_err *e)
{
	struct bmr_used_list map = {0};
	uint64_t end = 0;
	int rc;

	if (find_map(look, place, kind, &map, &end, e) < 0) {
		rc = whole_because(look, place, e);
	} else {
		bmr_used_list_pack(&map);
		rc = take_map(look, place, &map, end, e);
		if (rc == 0)
			rc = take_edges(look, place, e);
		if (rc == 0)
			rc = say_used(look, place, kind->type, &map, e);
	}
	bmr_used_list_clear(&map);
	return rc;
}

static int take_swap(struct bmr_used_look *look, const struct bmr_used_place *place,
                     struct bmr_err *e)
{
	if (take_edges(look, place, e) < 0)
		return -1;
	return bmr_used_fact(look, place->fact, "capture", e, "header");
}

/* LVM's own programs are asked when all of them are known: a group may have several here. */
static int put_aside(struct bmr_used_look *look, const struct bmr_used_place *place,
                     struct bmr_err *e)
{
	struct bmr_used_pv *more = realloc(look->pvs, (look->pv_count + 1) * sizeof *look->pvs);
	struct bmr_used_pv *pv;

	if (!more)
		return bmr_err_nomem(e, "a physical volume");
	look->pvs = more;
	pv = &look->pvs[look->pv_count++];
	*pv = (struct bmr_used_pv){.offset = place->pieces[0].offset, .size = place->size};
	snprintf(pv->name, sizeof pv->name, "%s", place->name);
	snprintf(pv->fact, sizeof pv->fact, "%s", place->fact);
	return 0;
}

static int tell(struct bmr_used_look *look, const char *fact, const struct bmr_used_found *found,
                struct bmr_err *e)
{
	if (bmr_used_fact(look, fact, "fs", e, "%s", found->type) < 0 ||
	    bmr_used_fact(look, fact, "label", e, "%s", found->label) < 0)
		return -1;
	return bmr_used_fact(look, fact, "fs_uuid", e, "%s", found->uuid);
}

static int take_unknown(struct bmr_used_look *look, const struct bmr_used_place *place,
                        const char *type, struct bmr_err *e)
{
	char why[64];

	if (!*type)
		return bmr_used_whole(look, place, "nothing in it is known", e);
	snprintf(why, sizeof why, "%s has no map", type);
	return bmr_used_whole(look, place, why, e);
}

/* What is in one piece can be read without a device, which not everybody may make. */
static int probe(const struct bmr_used_look *look, const struct bmr_used_place *place,
                 struct bmr_used_found *found, struct bmr_err *e)
{
	unsigned sector = look->options->sector;
	struct bmr_used_device device;
	int rc;

	if (place->count == 1)
		return bmr_used_probe(look->fd, sector, place->pieces[0].offset, place->size, found,
		                      e);
	if (bmr_used_device_open(look, place, &device, e) < 0)
		return -1;
	rc = bmr_used_probe(device.fd, sector, 0, place->size, found, e);
	bmr_used_device_close(&device);
	return rc;
}

int bmr_used_content(struct bmr_used_look *look, const struct bmr_used_place *place,
                     bool pv_allowed, struct bmr_err *e)
{
	const atomic_bool *stop = look->options->stop;
	struct bmr_used_found found;
	const struct kind *kind;

	if (stop && atomic_load(stop))
		return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
	if (probe(look, place, &found, e) < 0)
		return whole_because(look, place, e);
	if (tell(look, place->fact, &found, e) < 0)
		return -1;
	if (pv_allowed && strcmp(found.type, "LVM2_member") == 0)
		return put_aside(look, place, e);
	if (look->options->all)
		return bmr_used_whole(look, place, NULL, e);
	if (strcmp(found.type, "swap") == 0)
		return take_swap(look, place, e);
	kind = kind_of(found.type);
	return kind ? take_file_system(look, place, kind, e)
	            : take_unknown(look, place, found.type, e);
}
