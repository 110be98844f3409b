/* SPDX-License-Identifier: GPL-3.0-or-later */
/* chunked_internal.h - shared by the files of the engine for bmr images: chunked.c (threads and who
 * does what), chunked_work.c (what is done to a chunk), chunked_fetch.c (its bytes), chunked_prove.c
 * (when all are written). */
#ifndef BMR_IMAGING_RESTORE_CHUNKED_INTERNAL_H
#define BMR_IMAGING_RESTORE_CHUNKED_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/checksum.h"
#include "base/err.h"
#include "imaging/bmr/chain.h"
#include "imaging/restore/chunked.h"
#include "imaging/bmr/manifest.h"
#include "imaging/restore/order.h"
#include "imaging/restore/pipe.h"
#include "imaging/restore/regions.h"
#include "imaging/table/table.h"

struct bmr_digest;
struct bmr_unpacker;

#define BMR_UNIT_CHUNKS 8 /* the most that are claimed at once */

/* What a worker claims: neighbouring chunks of one kind.  Frames of data chunks lie side by side in
 * one file and fit a worker's buffer. */
struct bmr_unit {
	uint32_t first;
	uint32_t count; /* may be over BMR_UNIT_CHUNKS if kind is not DATA */
	enum bmr_chunk_kind kind;
	struct bmr_chain_place places[BMR_UNIT_CHUNKS]; /* of data */
	bool turn; /* this worker may read the source now, and nobody else */
};

struct bmr_chunked_worker {
	struct bmr_chunked *c;
	pthread_t thread;
	struct bmr_unit unit;
	struct bmr_digest *digest;
	struct bmr_unpacker *unpackers[BMR_PACK_NONE + 1]; /* images of a chain may differ */
	uint8_t *frames;
	uint8_t *data;           /* one chunk, aligned */
	struct bmr_checksum sum; /* of what was last unpacked to data, if it is read back */
	uint64_t mark;           /* when its present stage began, ns */
};

struct bmr_chunked {
	/* Does not change while threads run. */
	const struct bmr_restore *r;
	const struct bmr_manifest *m;
	struct bmr_chain *chain;
	bool compare;
	size_t frame_room; /* of a worker's frames */
	uint8_t *first;    /* chunk 0 */
	uint8_t *placed;   /* chunk 0 as this disk is to have it: first, or a copy with fit */
	struct bmr_table_fit fit;
	struct bmr_target *reader; /* for comparing; NULL: no compare */
	struct bmr_chunked_worker workers[BMR_CHUNKED_WORKERS];
	unsigned worker_count;

	/* Belongs to who has the turn. */
	uint64_t stream_at[BMR_CHAIN_MOST]; /* where an image that cannot jump is read next; at
					       first from its start, wherever others left it */

	struct bmr_target *target; /* set before writing is */
	atomic_bool writing;       /* the target is open, and does not boot */

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	struct bmr_regions regions;
	bool turn;   /* taken */
	bool wanted; /* a worker has something to write */
	unsigned running;
	bool failed;
	uint64_t failed_at; /* chunk of err */
	struct bmr_err err;
	uint64_t bad; /* chunks that stay wrong */
	uint64_t first_bad;
	uint64_t rewritten;
};

/* --- chunked.c --- */

/* Time since the last call was this stage's. */
void bmr_chunked_lap(struct bmr_chunked_worker *w, enum bmr_stage stage);

/* Wait until the target may be written.  false: it never will be, end. */
bool bmr_chunked_may_write(struct bmr_chunked_worker *w);

/* Wait for the turn to read a source.  false: it failed, end. */
bool bmr_chunked_take_turn(struct bmr_chunked_worker *w);
void bmr_chunked_end_turn(struct bmr_chunked_worker *w);

/* One chunk is done. */
void bmr_chunked_finish(struct bmr_chunked *c, uint32_t chunk, bool written);

/* What a written chunk of data must read back with: kept before it is done. */
void bmr_chunked_keep_sum(struct bmr_chunked *c, uint32_t chunk, const struct bmr_checksum *sum);
struct bmr_checksum bmr_chunked_sum(struct bmr_chunked *c, uint32_t chunk);

/* A chunk does not hold what is written: the run ends. */
void bmr_chunked_note_bad(struct bmr_chunked *c, uint32_t chunk);
void bmr_chunked_note_rewritten(struct bmr_chunked *c, uint32_t len);

/* Kind of a chunk, as this restore sees it: unused ones may count as zero. */
enum bmr_chunk_kind bmr_chunked_kind(const struct bmr_chunked *c, uint32_t chunk,
                                     struct bmr_chain_place *place);
uint64_t bmr_chunked_offset(const struct bmr_chunked *c, uint32_t chunk);

/* --- chunked_fetch.c --- */

int bmr_chunked_worker_open(struct bmr_chunked *c, struct bmr_chunked_worker *w, struct bmr_err *e);
void bmr_chunked_worker_close(struct bmr_chunked_worker *w);

/* Must this source be read in order, by whoever has the turn? */
bool bmr_chunked_in_order(const struct bmr_chunked *c, const struct bmr_chain_place *place);

/* Read the frames of so many of the unit's chunks. */
int bmr_chunked_fetch(struct bmr_chunked_worker *w, unsigned from, unsigned count,
                      struct bmr_err *e);
/* One chunk of the unit that was fetched, to w->data: unpacked, and what the manifest says. */
int bmr_chunked_unpack(struct bmr_chunked_worker *w, unsigned index, struct bmr_err *e);
/* Make the unit that chunk alone, fetch and unpack it. */
int bmr_chunked_get(struct bmr_chunked_worker *w, uint32_t chunk, struct bmr_err *e);

/* --- chunked_work.c --- */

/* The worker's unit: on the disk afterwards. */
int bmr_chunked_put_unit(struct bmr_chunked_worker *w, struct bmr_err *e);
/* Read a written chunk back; one that is wrong is written anew, and noted if that does not help. */
int bmr_chunked_read_back(struct bmr_chunked_worker *w, uint32_t chunk, struct bmr_err *e);
/* Is what was read to w->data the content of this chunk? */
int bmr_chunked_is_right(struct bmr_chunked_worker *w, uint32_t chunk, bool *right,
                         struct bmr_err *e);

#endif
