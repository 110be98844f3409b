/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "agent/ready/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/ready/grow_fs.h"
#include "agent/session.h"
#include "agent/ready/volumes.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/size.h"
#include "imaging/table/grow.h"
#include "imaging/disk/target.h"

static int check_kind(const struct bmr_last_part *last, struct bmr_err *e)
{
	if (bmr_grow_fs_can(last->type) || strcmp(last->type, "LVM2_member") == 0)
		return 0;
	return bmr_err_set(e, BMR_E_TARGET, 0,
	                   "the last partition, %u, holds %s, which cannot be grown; it stays as "
	                   "it is",
	                   last->number, last->type[0] ? last->type : "nothing known");
}

static const struct bmr_volume *find_volume(const struct bmr_volumes *v, unsigned number)
{
	char name[32];

	snprintf(name, sizeof name, "partition %u", number);
	for (size_t i = 0; i < v->partitions; i++)
		if (strcmp(v->list[i].name, name) == 0)
			return &v->list[i];
	return NULL;
}

static int grow_content(const struct bmr_volumes *v, const struct bmr_last_part *last, char *what,
                        size_t len, struct bmr_err *e)
{
	const struct bmr_volume *volume = find_volume(v, last->number);

	if (!volume)
		return bmr_err_set(e, BMR_E_TARGET, 0, "partition %u is not found again",
		                   last->number);
	if (strcmp(volume->type, "LVM2_member") == 0)
		return bmr_grow_lvm(v, volume, what, len, e);
	snprintf(what, len, "its %s file system", volume->type);
	return bmr_grow_fs(volume->device, volume->type, v->stop, e);
}

static int open_and_grow(const struct bmr_ready *r, const struct bmr_last_part *last, char *what,
                         size_t len, struct bmr_err *e)
{
	AUTO_FREE struct bmr_volumes *v = malloc(sizeof *v);
	struct bmr_err second;
	int rc;

	if (!v)
		return bmr_err_nomem(e, "the volumes of the disk");
	rc = bmr_volumes_open(r->target, &r->session->stop, v, e);
	if (rc == 0)
		rc = grow_content(v, last, what, len, e);
	/* After a failure closing has nothing to add. */
	return bmr_volumes_close(v, rc < 0 ? &second : e) < 0 ? -1 : rc;
}

int bmr_ready_grow(const struct bmr_ready *r, bool *did, char *text, size_t len, struct bmr_err *e)
{
	struct bmr_last_part last;
	char what[200] = "";
	char before[16];
	char after[16];

	if (r->session->options->params.grow != BMR_GROW_LAST || r->target->is_new ||
	    r->target->size <= r->image_size)
		return 0;
	if (bmr_grow_find(r->target, &last, e) < 0 || check_kind(&last, e) < 0)
		return -1;
	/* The disk of an earlier run may have the partition grown, but not what it holds. */
	if (last.grown > last.size && bmr_grow_partition(r->target, &last, e) < 0)
		return -1;
	if (open_and_grow(r, &last, what, sizeof what, e) < 0)
		return -1;
	*did = true;
	snprintf(text, len, "partition %u has %s (it had %s), and so has %s", last.number,
	         bmr_size_text(last.grown, after, sizeof after),
	         bmr_size_text(last.size, before, sizeof before), what);
	return 0;
}
