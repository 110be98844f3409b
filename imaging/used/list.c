/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>

#include "base/size.h"
#include "imaging/used/internal.h"

#define RANGES_MOST ((size_t)1 << 20) /* 16 MiB of memory */
#define JOIN_LEAST 4096

static int by_offset(const void *a, const void *b)
{
	const struct bmr_used_range *x = a;
	const struct bmr_used_range *y = b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

void bmr_used_list_pack(struct bmr_used_list *list)
{
	size_t last = 0;

	if (list->count == 0)
		return;
	qsort(list->ranges, list->count, sizeof *list->ranges, by_offset);
	for (size_t i = 1; i < list->count; i++) {
		struct bmr_used_range *before = &list->ranges[last];
		const struct bmr_used_range *r = &list->ranges[i];
		uint64_t end = before->offset + before->length;

		if (r->offset > end && r->offset - end >= list->join)
			list->ranges[++last] = *r;
		else if (r->offset + r->length > end)
			before->length = r->offset + r->length - before->offset;
	}
	list->count = last + 1;
}

/* A disk in crumbs is seen more coarsely, rather than with ever more memory. */
static int make_room(struct bmr_used_list *list, struct bmr_err *e)
{
	size_t room = list->room ? 2 * list->room : 64;
	struct bmr_used_range *more;

	while (list->count >= RANGES_MOST / 2 && list->room >= RANGES_MOST) {
		list->join = list->join ? 2 * list->join : JOIN_LEAST;
		bmr_used_list_pack(list);
	}
	if (list->count < list->room)
		return 0;
	more = realloc(list->ranges, room * sizeof *more);
	if (!more)
		return bmr_err_nomem(e, "what is used of a disk");
	list->ranges = more;
	list->room = room;
	return 0;
}

int bmr_used_list_add(struct bmr_used_list *list, uint64_t offset, uint64_t length,
                      struct bmr_err *e)
{
	uint64_t end;

	if (length == 0)
		return 0;
	if (!bmr_size_add(offset, length, &end))
		return bmr_err_set(e, BMR_E_BUG, 0, "a range past the end of all numbers");
	if (list->count == list->room && make_room(list, e) < 0)
		return -1;
	list->ranges[list->count++] = (struct bmr_used_range){offset, length};
	return 0;
}

void bmr_used_list_clear(struct bmr_used_list *list)
{
	free(list->ranges);
	*list = (struct bmr_used_list){0};
}
