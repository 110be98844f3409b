/* SPDX-License-Identifier: GPL-3.0-or-later */
/* regions.h - which chunk is written or read back next.
 *
 * Chunks are begun in disk order.  They are read back region by region (128 chunks): when all of a
 * region are written it is flushed, then what was written of it is read back, while others are
 * written.  Only regions under way are kept, BMR_REGIONS of them, so memory does not grow with the
 * disk; when none is free, no chunk is begun until one is read back.
 *
 * Pure bookkeeping: the caller holds a lock round every call.
 */
#ifndef BMR_IMAGING_RESTORE_REGIONS_H
#define BMR_IMAGING_RESTORE_REGIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/checksum.h"

#define BMR_REGION_CHUNKS 128
#define BMR_REGIONS 6

enum bmr_region_state {
	BMR_REGION_FREE,
	BMR_REGION_FILLING, /* chunks are still being written */
	BMR_REGION_FULL,    /* all are: it is to be flushed */
	BMR_REGION_FLUSHING,
	BMR_REGION_READING,
};

struct bmr_region {
	enum bmr_region_state state;
	uint32_t first;   /* chunk */
	uint32_t count;   /* chunks */
	uint32_t undone;  /* chunks that are not finished yet */
	uint32_t next;    /* the next one to be read back, from first on */
	uint32_t reading; /* chunks that are being read back */
	uint64_t written[BMR_REGION_CHUNKS / 64];
	struct bmr_checksum sums[BMR_REGION_CHUNKS];
};

struct bmr_regions {
	uint32_t chunks;
	uint32_t next;  /* the next chunk to be begun */
	bool read_back; /* false: regions are neither flushed nor read back */
	struct bmr_region regions[BMR_REGIONS];
};

enum bmr_region_job {
	BMR_JOB_CHUNKS, /* begin some: bmr_regions_begin, and bmr_regions_finish for each */
	BMR_JOB_FLUSH,  /* flush; then bmr_regions_flushed */
	BMR_JOB_READ,   /* read `chunk` back; then bmr_regions_read */
	BMR_JOB_WAIT,   /* for others */
	BMR_JOB_END,    /* all is done */
};

void bmr_regions_init(struct bmr_regions *r, uint32_t chunks, bool read_back);

/* What is to be done next.  Reading back comes first: what is done leaves memory, and a disk with
 * moving heads changes between writing and reading by the region and not by the chunk.
 * may_begin: whether chunks may be begun.  CHUNKS: *chunk is the first and *most how many there are
 * up to the end of its region. */
enum bmr_region_job bmr_regions_next(struct bmr_regions *r, bool may_begin, uint32_t *chunk,
                                     uint32_t *most);

/* After CHUNKS: the next `count` chunks are being worked on. */
void bmr_regions_begin(struct bmr_regions *r, uint32_t count);
/* One of them is done.  written: the disk was changed, and is to be read back. */
void bmr_regions_finish(struct bmr_regions *r, uint32_t chunk, bool written);
/* What it must read back with, until its region is free: kept from before FINISH, for one that was
 * begun; given after READ.  Zeros until it is kept. */
void bmr_regions_keep(struct bmr_regions *r, uint32_t chunk, const struct bmr_checksum *sum);
struct bmr_checksum bmr_regions_sum(struct bmr_regions *r, uint32_t chunk);
/* After FLUSH and READ, with their *chunk. */
void bmr_regions_flushed(struct bmr_regions *r, uint32_t chunk);
void bmr_regions_read(struct bmr_regions *r, uint32_t chunk);

#endif
