/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/restore/regions.h"

#include <string.h>

#include "base/size.h"

void bmr_regions_init(struct bmr_regions *r, uint32_t chunks, bool read_back)
{
	memset(r, 0, sizeof *r);
	r->chunks = chunks;
	r->read_back = read_back;
}

static struct bmr_region *region_of(struct bmr_regions *r, uint32_t chunk)
{
	return &r->regions[chunk / BMR_REGION_CHUNKS % BMR_REGIONS];
}

static bool is_written(const struct bmr_region *g, uint32_t index)
{
	return g->written[index / 64] >> index % 64 & 1;
}

static void skip_unwritten(struct bmr_region *g)
{
	while (g->next < g->count && !is_written(g, g->next))
		g->next++;
}

/* Is there something to do in a region that was begun? */
static enum bmr_region_job job_of(struct bmr_region *g, uint32_t *chunk)
{
	if (g->state == BMR_REGION_FULL) {
		g->state = BMR_REGION_FLUSHING;
		*chunk = g->first;
		return BMR_JOB_FLUSH;
	}
	if (g->state != BMR_REGION_READING || g->next == g->count)
		return BMR_JOB_WAIT;
	*chunk = g->first + g->next++;
	g->reading++;
	skip_unwritten(g);
	return BMR_JOB_READ;
}

/* The region of the next chunk; false while its place is taken by an earlier one. */
static bool open_region(struct bmr_regions *r)
{
	struct bmr_region *g = region_of(r, r->next);
	uint32_t first = r->next - r->next % BMR_REGION_CHUNKS;

	if (g->state == BMR_REGION_FILLING && g->first == first)
		return true;
	if (g->state != BMR_REGION_FREE)
		return false;
	memset(g, 0, sizeof *g);
	g->state = BMR_REGION_FILLING;
	g->first = first;
	g->count = (uint32_t)bmr_size_min(BMR_REGION_CHUNKS, r->chunks - first);
	g->undone = g->count;
	return true;
}

enum bmr_region_job bmr_regions_next(struct bmr_regions *r, bool may_begin, uint32_t *chunk,
                                     uint32_t *most)
{
	bool busy = false;

	for (unsigned i = 0; i < BMR_REGIONS; i++) {
		enum bmr_region_job job = job_of(&r->regions[i], chunk);

		if (job != BMR_JOB_WAIT)
			return job;
		busy |= r->regions[i].state != BMR_REGION_FREE;
	}
	if (r->next == r->chunks)
		return busy ? BMR_JOB_WAIT : BMR_JOB_END;
	if (!may_begin || !open_region(r))
		return BMR_JOB_WAIT;
	*chunk = r->next;
	*most = region_of(r, r->next)->first + region_of(r, r->next)->count - r->next;
	return BMR_JOB_CHUNKS;
}

void bmr_regions_begin(struct bmr_regions *r, uint32_t count)
{
	r->next += count;
}

static bool any_written(const struct bmr_region *g)
{
	for (size_t i = 0; i < sizeof g->written / sizeof *g->written; i++)
		if (g->written[i])
			return true;
	return false;
}

void bmr_regions_finish(struct bmr_regions *r, uint32_t chunk, bool written)
{
	struct bmr_region *g = region_of(r, chunk);
	uint32_t index = chunk - g->first;

	if (written)
		g->written[index / 64] |= (uint64_t)1 << index % 64;
	if (--g->undone > 0)
		return;
	g->state = r->read_back && any_written(g) ? BMR_REGION_FULL : BMR_REGION_FREE;
}

void bmr_regions_keep(struct bmr_regions *r, uint32_t chunk, const struct bmr_checksum *sum)
{
	struct bmr_region *g = region_of(r, chunk);

	g->sums[chunk - g->first] = *sum;
}

struct bmr_checksum bmr_regions_sum(struct bmr_regions *r, uint32_t chunk)
{
	struct bmr_region *g = region_of(r, chunk);

	return g->sums[chunk - g->first];
}

void bmr_regions_flushed(struct bmr_regions *r, uint32_t chunk)
{
	struct bmr_region *g = region_of(r, chunk);

	g->state = BMR_REGION_READING;
	skip_unwritten(g);
}

void bmr_regions_read(struct bmr_regions *r, uint32_t chunk)
{
	struct bmr_region *g = region_of(r, chunk);

	if (--g->reading == 0 && g->next == g->count)
		g->state = BMR_REGION_FREE;
}
