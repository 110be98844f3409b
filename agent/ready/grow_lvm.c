/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ready/grow_fs.h"
#include "agent/ready/volumes.h"
#include "base/err.h"

#define NAME_SIZE 160

/* What an lvm command reports as one word. */
static int ask(const struct bmr_volumes *v, const char *command, const char *field,
               const char *what, char *answer, size_t len, struct bmr_err *e)
{
	const char *const args[] = {"--noheadings", "--options", field, what, NULL};
	char *output = NULL;
	char word[NAME_SIZE] = "";

	if (bmr_volumes_lvm(v, command, args, &output, e) < 0)
		return -1;
	sscanf(output, " %159s", word);
	free(output);
	snprintf(answer, len, "%s", word);
	return 0;
}

/* Of "volume 'vg/lv'", as volumes.h names it, the part in quotes, if it is of this group. */
static bool name_of(const struct bmr_volume *volume, const char *vg, char name[NAME_SIZE])
{
	size_t len;

	if (sscanf(volume->name, "volume '%159[^']", name) != 1)
		return false;
	len = strlen(vg);
	return strncmp(name, vg, len) == 0 && name[len] == '/';
}

/* The logical volume that grows. */
static const struct bmr_volume *choose(const struct bmr_volumes *v, const char *vg,
                                       char chosen[NAME_SIZE], unsigned *count)
{
	const struct bmr_volume *found = NULL;
	bool is_root = false;

	*count = 0;
	for (size_t i = v->partitions; i < v->count; i++) {
		char name[NAME_SIZE];
		bool root;

		if (!name_of(&v->list[i], vg, name) || !bmr_grow_fs_can(v->list[i].type))
			continue;
		++*count;
		root = strcmp(strchr(name, '/') + 1, "root") == 0;
		if (found && !root)
			continue;
		found = &v->list[i];
		is_root = root;
		memcpy(chosen, name, NAME_SIZE);
	}
	return *count == 1 || is_root ? found : NULL;
}

static int extend(const struct bmr_volumes *v, const char *vg, const char *lv, struct bmr_err *e)
{
	const char *const args[] = {"--yes", "--extents", "+100%FREE", lv, NULL};
	char extents[32];

	if (ask(v, "vgs", "vg_free_count", vg, extents, sizeof extents, e) < 0)
		return -1;
	if (strcmp(extents, "0") == 0)
		return 0;
	return bmr_volumes_lvm(v, "lvextend", args, NULL, e);
}

int bmr_grow_lvm(const struct bmr_volumes *v, const struct bmr_volume *pv, char *text, size_t len,
                 struct bmr_err *e)
{
	const char *const resize[] = {pv->device, NULL};
	const struct bmr_volume *volume;
	char lv[NAME_SIZE] = "";
	char vg[NAME_SIZE];
	unsigned count;

	if (bmr_volumes_lvm(v, "pvresize", resize, NULL, e) < 0 ||
	    ask(v, "pvs", "vg_name", pv->device, vg, sizeof vg, e) < 0)
		return -1;
	volume = choose(v, vg, lv, &count);
	if (!volume)
		return bmr_err_set(e, BMR_E_TARGET, 0,
		                   "volume group '%s' has %u volumes with a file system that can "
		                   "grow%s; the room is left free in it",
		                   vg, count, count ? " and none is called root" : "");
	if (extend(v, vg, lv, e) < 0 || bmr_grow_fs(volume->device, volume->type, v->stop, e) < 0)
		return bmr_err_while(e, "growing volume '%s'", lv);
	snprintf(text, len, "volume '%s' (%s, %s)", lv, volume->type,
	         count == 1 ? "the only one with a file system" : "the one called root");
	return 0;
}
