/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/capture/careful.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "imaging/bmr/manifest.h"
#include "imaging/disk/target.h"

struct search {
	struct bmr_target *disk;
	unsigned sector;
	const atomic_bool *stop;
	struct bmr_bad_list *bad;
};

/* What Linux makes of a disk's answer that a place of it cannot be read; all else (no such device,
 * no path to it) is not about the place. */
static bool is_bad_place(const struct bmr_err *e)
{
	switch (e->sys) {
	case EIO:
	case ENODATA:   /* medium error */
	case EILSEQ:    /* wrong protection information */
	case EREMOTEIO: /* the target's own failure */
	case ETIMEDOUT:
		return e->code == BMR_E_TARGET;
	default:
		return false;
	}
}

static int add_bad(struct bmr_bad_list *bad, uint64_t off, size_t len, struct bmr_err *e)
{
	struct bmr_bad_range *last = bad->count > 0 ? &bad->ranges[bad->count - 1] : NULL;

	if (last && last->offset + last->length == off) {
		last->length += len;
		return 0;
	}
	if (bad->count == bad->room) {
		size_t room = bad->room * 2 + 16;
		struct bmr_bad_range *ranges = reallocarray(bad->ranges, room, sizeof *ranges);

		if (!ranges)
			return bmr_err_nomem(e, "the list of bad sectors");
		bad->ranges = ranges;
		bad->room = room;
	}
	bad->ranges[bad->count++] = (struct bmr_bad_range){off, len};
	return 0;
}

void bmr_bad_list_clear(struct bmr_bad_list *bad)
{
	free(bad->ranges);
	memset(bad, 0, sizeof *bad);
}

static int check_stop(const struct search *s, struct bmr_err *e)
{
	if (s->stop && atomic_load(s->stop))
		return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
	return 0;
}

/* A piece that has failed: cut in two until what is bad is one sector.  An image never asks for less
 * than a sector but at the end of a file. */
static int search(const struct search *s, uint8_t *data, size_t len, uint64_t off,
                  struct bmr_err *e)
{
	size_t half = len / 2 / s->sector * s->sector;
	size_t parts[2] = {half, len - half};

	if (len <= s->sector) {
		memset(data, 0, len);
		return add_bad(s->bad, off, len, e);
	}
	if (half == 0)
		parts[0] = s->sector, parts[1] = len - s->sector;
	for (int i = 0; i < 2; i++) {
		if (check_stop(s, e) < 0)
			return -1;
		if (bmr_target_read(s->disk, data, parts[i], off, e) < 0 &&
		    (!is_bad_place(e) || search(s, data, parts[i], off, e) < 0))
			return -1;
		data += parts[i];
		off += parts[i];
	}
	return 0;
}

/* A disk that was pulled out answers EIO for every place of it, and so does what a file lost at its
 * end. */
static int check_same(struct bmr_target *disk, struct bmr_err *e)
{
	const struct bmr_target_info *info = bmr_target_info(disk);
	struct bmr_target_info now;

	if (bmr_target_check_same(disk, e) < 0)
		return -1;
	if (!info->is_file || bmr_target_look(info->path, &now, e) < 0 || now.size >= info->size)
		return 0;
	return bmr_err_set(e, BMR_E_REFUSED, 0, "'%s' became shorter while it was read",
	                   info->path);
}

int bmr_careful_read(struct bmr_target *disk, void *data, size_t len, uint64_t off,
                     const atomic_bool *stop, struct bmr_bad_list *bad, struct bmr_err *e)
{
	struct search s = {disk, bmr_target_info(disk)->sector, stop, bad};

	for (int i = 0; i < BMR_CAREFUL_TRIES; i++) {
		if (bmr_target_read(disk, data, len, off, e) == 0)
			return 0;
		if (!is_bad_place(e) || check_stop(&s, e) < 0)
			return -1;
	}
	if (check_same(disk, e) < 0 || search(&s, data, len, off, e) < 0)
		return -1;
	return check_same(disk, e);
}
