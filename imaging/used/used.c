/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/used/used.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/size.h"
#include "imaging/bmr/manifest.h"
#include "imaging/used/internal.h"

bool bmr_used_is_fatal(const struct bmr_err *e)
{
	return e->code == BMR_E_STOPPED || e->code == BMR_E_NOMEM || e->code == BMR_E_BUG;
}

int bmr_used_take(struct bmr_used_look *look, const struct bmr_used_place *place, uint64_t offset,
                  uint64_t length, struct bmr_err *e)
{
	uint64_t end = UINT64_MAX;

	bmr_size_add(offset, length, &end);
	for (size_t i = 0; i < place->count; i++) {
		const struct bmr_used_piece *piece = &place->pieces[i];
		uint64_t piece_end = piece->at + piece->length;
		uint64_t from = offset > piece->at ? offset : piece->at;
		uint64_t to = bmr_size_min(end, piece_end);

		if (from < to && bmr_used_list_add(&look->list, piece->offset + (from - piece->at),
		                                   to - from, e) < 0)
			return -1;
	}
	return 0;
}

int bmr_used_fact(struct bmr_used_look *look, const char *first, const char *last,
                  struct bmr_err *e, const char *fmt, ...)
{
	char name[BMR_FACT_NAME_MOST + 1];
	char value[BMR_FACT_VALUE_MOST + 1];
	va_list ap;

	if (!look->options->facts)
		return 0;
	snprintf(name, sizeof name, "%s.%s", first, last);
	va_start(ap, fmt);
	vsnprintf(value, sizeof value, fmt, ap);
	va_end(ap);
	return bmr_manifest_fact(look->options->facts, name, value, e);
}

int bmr_used_whole(struct bmr_used_look *look, const struct bmr_used_place *place, const char *why,
                   struct bmr_err *e)
{
	if (bmr_used_take(look, place, 0, place->size, e) < 0)
		return -1;
	if (!why)
		return bmr_used_fact(look, place->fact, "capture", e, "whole");
	bmr_log_say(look->options->log, BMR_LOG_NOTICE, "%s is captured whole: %s", place->name,
	            why);
	return bmr_used_fact(look, place->fact, "capture", e, "whole: %s", why);
}

/* To whole sectors, and not past the end of the disk. */
static void align(struct bmr_used_list *list, uint64_t size, unsigned sector)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		const struct bmr_used_range *r = &list->ranges[i];
		uint64_t start = r->offset - r->offset % sector;
		uint64_t end = r->offset + r->length;

		if (start >= size)
			continue;
		if (end > size - (size % sector))
			end = size;
		else
			end += (sector - end % sector) % sector;
		list->ranges[kept++] = (struct bmr_used_range){start, end - start};
	}
	list->count = kept;
}

static int find(struct bmr_used_look *look, struct bmr_err *e)
{
	const struct bmr_used_options *o = look->options;

	if (bmr_used_table(look, e) < 0 || bmr_used_lvm(look, e) < 0)
		return -1;
	if (o->all && bmr_used_list_add(&look->list, 0, o->size, e) < 0)
		return -1;
	bmr_used_list_pack(&look->list);
	align(&look->list, o->size, o->sector);
	bmr_used_list_pack(&look->list);
	return 0;
}

int bmr_used_find(const struct bmr_used_options *options, struct bmr_used *used, struct bmr_err *e)
{
	AUTO_FD int fd = open(options->path, O_RDONLY | O_CLOEXEC);
	struct bmr_used_look look = {.options = options, .fd = fd};
	int rc;

	*used = (struct bmr_used){0};
	if (fd < 0)
		return bmr_err_set(e, BMR_E_TARGET, errno, "cannot open '%s'", options->path);
	rc = find(&look, e);
	free(look.pvs);
	if (rc < 0) {
		bmr_used_list_clear(&look.list);
		return bmr_err_while(e, "looking what '%s' holds", options->path);
	}
	used->ranges = look.list.ranges;
	used->count = look.list.count;
	for (size_t i = 0; i < used->count; i++)
		used->bytes += used->ranges[i].length;
	return 0;
}

void bmr_used_clear(struct bmr_used *used)
{
	free(used->ranges);
	*used = (struct bmr_used){0};
}

bool bmr_used_meets(const struct bmr_used *used, uint64_t offset, uint64_t length)
{
	size_t low = 0;
	size_t high = used->count;

	while (low < high) { /* the first that ends behind offset */
		size_t middle = low + (high - low) / 2;
		const struct bmr_used_range *r = &used->ranges[middle];

		if (r->offset + r->length > offset)
			high = middle;
		else
			low = middle + 1;
	}
	return length > 0 && low < used->count &&
	       (used->ranges[low].offset <= offset || used->ranges[low].offset - offset < length);
}
