/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/capture/spans.h"

#include <string.h>

#include "base/size.h"
#include "imaging/used/used.h"

static uint64_t end_of(const struct bmr_used_range *r)
{
	return r->offset + r->length;
}

/* The first used range that ends after off. */
static size_t range_after(const struct bmr_used *used, uint64_t off)
{
	size_t low = 0;
	size_t high = used->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (end_of(&used->ranges[middle]) <= off)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint64_t bmr_spans_first_used(const struct bmr_used *used, uint64_t off)
{
	size_t i = range_after(used, off);

	if (i == used->count)
		return UINT64_MAX;
	return used->ranges[i].offset > off ? used->ranges[i].offset : off;
}

bool bmr_spans_next(const struct bmr_used *used, uint64_t start, uint64_t end, uint64_t *from,
                    uint64_t *to)
{
	size_t i = range_after(used, start);

	*from = bmr_spans_first_used(used, start);
	if (*from >= end)
		return false;
	*to = bmr_size_min(end_of(&used->ranges[i]), end);
	while (++i < used->count && used->ranges[i].offset < end &&
	       used->ranges[i].offset - *to <= BMR_SPANS_GAP)
		*to = bmr_size_min(end_of(&used->ranges[i]), end);
	return true;
}

uint64_t bmr_spans_clear_unused(const struct bmr_used *used, uint8_t *data, uint64_t start,
                                size_t len)
{
	uint64_t end = start + len;
	uint64_t at = start;
	uint64_t bytes = 0;

	for (size_t i = range_after(used, start); at < end; i++) {
		bool there = i < used->count && used->ranges[i].offset < end;
		uint64_t from = there ? used->ranges[i].offset : end;

		if (from > at)
			memset(data + (at - start), 0, (size_t)(from - at));
		else
			from = at;
		at = there ? bmr_size_min(end_of(&used->ranges[i]), end) : end;
		bytes += at - from;
	}
	return bytes;
}
