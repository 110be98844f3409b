/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/restore/chunked_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/same_file.h"
#include "base/size.h"
#include "imaging/codec/frame.h"
#include "imaging/restore/checked.h"
#include "imaging/image.h"
#include "imaging/phase.h"
#include "imaging/restore/steps.h"
#include "imaging/disk/target.h"
#include "transport/source.h"

#define WORKERS_LEAST 4
#define ZERO_STEP (32 * BMR_MIB) /* zeroed by one call: a stop is seen, and progress moves */
#define DISCARD_STEP BMR_GIB
#define LOOK_MS 200 /* how often the caller's thread looks whether it is to stop */

/* --- what workers ask for --- */

void bmr_chunked_lap(struct bmr_chunked_worker *w, enum bmr_stage stage)
{
	bmr_lap(bmr_stages_of(w->c->r->progress), stage, &w->mark);
}

bool bmr_chunked_may_write(struct bmr_chunked_worker *w)
{
	struct bmr_chunked *c = w->c;

	if (atomic_load(&c->writing))
		return true;
	pthread_mutex_lock(&c->lock);
	c->wanted = true;
	pthread_cond_broadcast(&c->changed);
	while (!atomic_load(&c->writing) && !c->failed)
		pthread_cond_wait(&c->changed, &c->lock);
	pthread_mutex_unlock(&c->lock);
	bmr_chunked_lap(w, BMR_STAGE_WAIT);
	return atomic_load(&c->writing);
}

bool bmr_chunked_take_turn(struct bmr_chunked_worker *w)
{
	struct bmr_chunked *c = w->c;

	pthread_mutex_lock(&c->lock);
	while (c->turn && !c->failed)
		pthread_cond_wait(&c->changed, &c->lock);
	if (!c->failed)
		c->turn = w->unit.turn = true;
	pthread_mutex_unlock(&c->lock);
	bmr_chunked_lap(w, BMR_STAGE_WAIT);
	return w->unit.turn;
}

void bmr_chunked_end_turn(struct bmr_chunked_worker *w)
{
	struct bmr_chunked *c = w->c;

	if (!w->unit.turn)
		return;
	pthread_mutex_lock(&c->lock);
	c->turn = w->unit.turn = false;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

void bmr_chunked_finish(struct bmr_chunked *c, uint32_t chunk, bool written)
{
	atomic_fetch_add(&c->r->progress->pipe.decoded, bmr_manifest_chunk_len(c->m, chunk));
	pthread_mutex_lock(&c->lock);
	bmr_regions_finish(&c->regions, chunk, written);
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

void bmr_chunked_keep_sum(struct bmr_chunked *c, uint32_t chunk, const struct bmr_checksum *sum)
{
	pthread_mutex_lock(&c->lock);
	bmr_regions_keep(&c->regions, chunk, sum);
	pthread_mutex_unlock(&c->lock);
}

struct bmr_checksum bmr_chunked_sum(struct bmr_chunked *c, uint32_t chunk)
{
	struct bmr_checksum sum;

	pthread_mutex_lock(&c->lock);
	sum = bmr_regions_sum(&c->regions, chunk);
	pthread_mutex_unlock(&c->lock);
	return sum;
}

void bmr_chunked_note_bad(struct bmr_chunked *c, uint32_t chunk)
{
	uint64_t off = bmr_chunked_offset(c, chunk);

	pthread_mutex_lock(&c->lock);
	if (c->bad == 0 || off < c->first_bad)
		c->first_bad = off;
	c->bad++;
	c->failed = true;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

void bmr_chunked_note_rewritten(struct bmr_chunked *c, uint32_t len)
{
	atomic_fetch_add(&c->r->progress->rewritten, len);
	pthread_mutex_lock(&c->lock);
	c->rewritten++;
	pthread_mutex_unlock(&c->lock);
}

uint64_t bmr_chunked_offset(const struct bmr_chunked *c, uint32_t chunk)
{
	return (uint64_t)chunk * c->m->head.chunk_size;
}

enum bmr_chunk_kind bmr_chunked_kind(const struct bmr_chunked *c, uint32_t chunk,
                                     struct bmr_chain_place *place)
{
	bmr_chain_find(c->chain, chunk, place);
	if (place->kind == BMR_CHUNK_UNUSED && c->r->zero_unused)
		return BMR_CHUNK_ZERO;
	return place->kind;
}

/* --- claiming --- */

/* May this frame be read together with those before it? */
static bool goes_on(const struct bmr_chunked *c, const struct bmr_unit *u,
                    const struct bmr_chain_place *place)
{
	const struct bmr_chain_place *first = &u->places[0];
	const struct bmr_chain_place *last = &u->places[u->count - 1];

	return place->kind == BMR_CHUNK_DATA && place->source == last->source &&
	       place->offset == last->offset + last->stored &&
	       place->offset + place->stored - first->offset <= c->frame_room;
}

static int claim_data(const struct bmr_chunked *c, struct bmr_unit *u, uint32_t most,
                      struct bmr_err *e)
{
	if (u->places[0].stored > c->frame_room)
		return bmr_err_set(e, BMR_E_DATA, 0,
		                   "the image is damaged: a frame of %" PRIu32
		                   " bytes for a chunk of %" PRIu32,
		                   u->places[0].stored, c->m->head.chunk_size);
	for (u->count = 1; u->count < BMR_UNIT_CHUNKS && u->count < most; u->count++) {
		struct bmr_chain_place *place = &u->places[u->count];

		bmr_chain_find(c->chain, u->first + u->count, place);
		if (!goes_on(c, u, place))
			break;
	}
	return 0;
}

static void claim_run(const struct bmr_chunked *c, struct bmr_unit *u, uint32_t most)
{
	const struct bmr_manifest_entry *entry = bmr_manifest_at(c->m, u->first);
	uint32_t step = (uint32_t)(ZERO_STEP / c->m->head.chunk_size);

	u->count = entry->count - (u->first - entry->first);
	if (u->count > most)
		u->count = most;
	if (u->kind == BMR_CHUNK_ZERO && u->count > step)
		u->count = step;
}

/* Fill the worker's unit.  Under the lock. */
static int claim(struct bmr_chunked_worker *w, uint32_t first, uint32_t most, struct bmr_err *e)
{
	struct bmr_chunked *c = w->c;
	struct bmr_unit *u = &w->unit;

	memset(u, 0, sizeof *u);
	u->first = first;
	u->count = 1;
	u->kind = bmr_chunked_kind(c, first, &u->places[0]);
	if (first > 0 && u->kind == BMR_CHUNK_DATA) {
		if (claim_data(c, u, most, e) < 0)
			return -1;
		c->turn = u->turn = bmr_chunked_in_order(c, &u->places[0]);
	} else if (first > 0) {
		claim_run(c, u, most);
	}
	bmr_regions_begin(&c->regions, u->count);
	return 0;
}

/* --- workers --- */

/* Keep the error of the lowest chunk, so that the message does not depend on timing; that somebody
 * was stopped is no news once there is a reason. */
static void fail(struct bmr_chunked *c, uint32_t chunk, const struct bmr_err *err)
{
	bool stopped = err->code == BMR_E_STOPPED;

	pthread_mutex_lock(&c->lock);
	if (!c->failed || (!stopped && (c->err.code == BMR_E_STOPPED || chunk < c->failed_at))) {
		c->failed = true;
		c->failed_at = chunk;
		c->err = *err;
	}
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

static enum bmr_region_job next_job(struct bmr_chunked_worker *w, uint32_t *chunk,
                                    struct bmr_err *e)
{
	struct bmr_chunked *c = w->c;
	enum bmr_region_job job = BMR_JOB_END;
	uint32_t most = 0;

	e->code = BMR_E_NONE;
	pthread_mutex_lock(&c->lock);
	while (!c->failed &&
	       (job = bmr_regions_next(&c->regions, !c->turn, chunk, &most)) == BMR_JOB_WAIT)
		pthread_cond_wait(&c->changed, &c->lock);
	if (c->failed)
		job = BMR_JOB_END;
	else if (job == BMR_JOB_CHUNKS && claim(w, *chunk, most, e) < 0)
		job = BMR_JOB_END;
	pthread_mutex_unlock(&c->lock);
	bmr_chunked_lap(w, BMR_STAGE_WAIT);
	return job;
}

static int flush_region(struct bmr_chunked_worker *w, uint32_t chunk, struct bmr_err *e)
{
	struct bmr_chunked *c = w->c;

	/* A file that cannot do O_DIRECT is read back from the medium all the same. */
	if (bmr_target_flush(c->target, e) < 0 || bmr_target_drop_cache(c->target, e) < 0)
		return -1;
	bmr_chunked_lap(w, BMR_STAGE_FLUSH);
	pthread_mutex_lock(&c->lock);
	bmr_regions_flushed(&c->regions, chunk);
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	return 0;
}

static int read_back(struct bmr_chunked_worker *w, uint32_t chunk, struct bmr_err *e)
{
	struct bmr_chunked *c = w->c;

	if (bmr_chunked_read_back(w, chunk, e) < 0)
		return -1;
	pthread_mutex_lock(&c->lock);
	bmr_regions_read(&c->regions, chunk);
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	return 0;
}

static int do_job(struct bmr_chunked_worker *w, enum bmr_region_job job, uint32_t chunk,
                  struct bmr_err *e)
{
	switch (job) {
	case BMR_JOB_CHUNKS:
		return bmr_chunked_put_unit(w, e);
	case BMR_JOB_FLUSH:
		return flush_region(w, chunk, e);
	case BMR_JOB_READ:
		return read_back(w, chunk, e);
	case BMR_JOB_WAIT:
	case BMR_JOB_END:
		break;
	}
	return 0;
}

static void *worker_main(void *arg)
{
	struct bmr_chunked_worker *w = arg;
	struct bmr_chunked *c = w->c;
	enum bmr_region_job job;
	struct bmr_err err;
	uint32_t chunk = 0;

	w->mark = bmr_clock_ns();
	do {
		job = next_job(w, &chunk, &err);
		if (err.code != BMR_E_NONE || do_job(w, job, chunk, &err) < 0)
			fail(c, chunk, &err);
	} while (job != BMR_JOB_END);
	pthread_mutex_lock(&c->lock);
	c->running--;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* --- the caller's thread --- */

/* What no file system uses: the disk may forget it.  It need not, and nothing depends on it. */
static void discard_unused(struct bmr_chunked *c)
{
	for (uint32_t i = 0; i < c->m->entry_count && !c->r->zero_unused; i++) {
		const struct bmr_manifest_entry *entry = &c->m->entries[i];
		uint32_t first = entry->first == 0 ? 1 : entry->first;
		uint64_t off = bmr_chunked_offset(c, first);
		uint64_t end = bmr_size_min(bmr_chunked_offset(c, entry->first) +
		                                    (uint64_t)entry->count * c->m->head.chunk_size,
		                            c->m->head.disk_size);

		while (entry->kind == BMR_CHUNK_UNUSED && off < end && !bmr_restore_stopped(c->r)) {
			uint64_t len = bmr_size_min(DISCARD_STEP, end - off);

			if (!bmr_target_discard(c->target, off, len))
				return;
			atomic_fetch_add(&c->r->progress->discarded, len);
			off += len;
		}
	}
}

static int begin_writing(struct bmr_chunked *c, bmr_chunked_begin *begin, void *ctx,
                         struct bmr_err *e)
{
	if (begin(ctx, &c->target, e) < 0)
		return -1;
	pthread_mutex_lock(&c->lock);
	atomic_store(&c->writing, true);
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	discard_unused(c);
	return 0;
}

/* The disk failed, or one reader has given the server up: then nobody waits for the server any more,
 * whatever of the image is still to come.  Under the lock. */
static bool is_lost(const struct bmr_chunked *c)
{
	return c->bad > 0 ||
	       (c->failed && (c->err.code == BMR_E_TARGET || c->err.code == BMR_E_NET));
}

/* Until all workers have ended: begin to write when one of them wants to; make their reads end when
 * all is to stop, or is lost. */
static void coordinate(struct bmr_chunked *c, bmr_chunked_begin *begin, void *ctx)
{
	struct bmr_err err;

	pthread_mutex_lock(&c->lock);
	while (c->running > 0) {
		bool go = c->wanted && !atomic_load(&c->writing) && !c->failed;
		bool lost = is_lost(c);

		pthread_mutex_unlock(&c->lock);
		if (lost || bmr_restore_stopped(c->r))
			bmr_chain_stop(c->chain);
		if (go && begin_writing(c, begin, ctx, &err) < 0)
			fail(c, 0, &err);
		pthread_mutex_lock(&c->lock);
		if (c->running > 0 && !(c->wanted && !atomic_load(&c->writing) && !c->failed))
			bmr_cond_wait_ms(&c->changed, &c->lock, LOOK_MS);
	}
	pthread_mutex_unlock(&c->lock);
}

static void start_workers(struct bmr_chunked *c)
{
	struct bmr_err err;

	for (unsigned i = 0; i < c->worker_count; i++) {
		int rc;

		pthread_mutex_lock(&c->lock);
		c->running++;
		pthread_mutex_unlock(&c->lock);
		rc = pthread_create(&c->workers[i].thread, NULL, worker_main, &c->workers[i]);
		if (rc == 0)
			continue;
		pthread_mutex_lock(&c->lock);
		c->running--;
		pthread_mutex_unlock(&c->lock);
		c->worker_count = i; /* fewer will do, none will not */
		if (i == 0) {
			bmr_err_set(&err, BMR_E_NOMEM, rc, "cannot start a thread");
			fail(c, 0, &err);
		}
	}
}

static int outcome(const struct bmr_chunked *c, struct bmr_err *e)
{
	const struct bmr_target_info *target = c->r->target;

	if (c->bad > 0)
		return bmr_err_set(e, BMR_E_TARGET, 0,
		                   "'%s' does not hold what was written: %" PRIu64
		                   " chunks read back wrong after %d rewrites, the first at "
		                   "sector %" PRIu64,
		                   target->path, c->bad, BMR_REWRITES_MAX,
		                   c->first_bad / target->sector);
	if (!c->failed)
		return 0;
	*e = c->err;
	return -1;
}

int bmr_chunked_run(struct bmr_chunked *c, bmr_chunked_begin *begin, void *ctx, struct bmr_err *e)
{
	if (c->compare && (bmr_target_open_readonly(c->r->target, &c->reader, e) < 0 ||
	                   bmr_target_drop_cache(c->reader, e) < 0))
		return -1;
	bmr_regions_init(&c->regions, bmr_manifest_chunks(c->m), c->r->read_back);
	atomic_store(&c->r->progress->workers, c->worker_count);
	start_workers(c);
	coordinate(c, begin, ctx);
	for (unsigned i = 0; i < c->worker_count; i++)
		pthread_join(c->workers[i].thread, NULL);
	return outcome(c, e);
}

/* --- memory --- */

/* Enough that while some wait for the source and some for the disk, a CPU always has work; but each
 * takes a frame and a chunk, and so does its unpacker. */
static unsigned how_many(const struct bmr_chunked *c)
{
	size_t each =
		c->frame_room + c->m->head.chunk_size + bmr_unpacker_memory(c->m->head.chunk_size);
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned wanted = bmr_source_depth(c->r->source) + 3 * (cpus < 1 ? 1 : (unsigned)cpus);
	unsigned fit = (unsigned)((BMR_CHUNKED_MEMORY - c->m->head.chunk_size) / each);

	if (wanted < WORKERS_LEAST)
		wanted = WORKERS_LEAST;
	if (wanted > BMR_CHUNKED_WORKERS)
		wanted = BMR_CHUNKED_WORKERS;
	return wanted < fit ? wanted : fit;
}

static int read_first(struct bmr_chunked *c, struct bmr_err *e)
{
	struct bmr_chunked_worker *w = &c->workers[0];
	uint32_t len = bmr_manifest_chunk_len(c->m, 0);
	struct bmr_chain_place place;

	memset(c->first, 0, len);
	w->mark = bmr_clock_ns();
	if (bmr_chunked_kind(c, 0, &place) != BMR_CHUNK_DATA)
		return 0;
	if (place.stored > c->frame_room)
		return bmr_err_set(e, BMR_E_DATA, 0, "the image is damaged: its first frame");
	if (bmr_chunked_get(w, 0, e) < 0)
		return -1;
	memcpy(c->first, w->data, len);
	return 0;
}

/* On a disk of another size the table is another one. */
static int place_first(struct bmr_chunked *c, struct bmr_err *e)
{
	uint32_t chunk_len = bmr_manifest_chunk_len(c->m, 0);
	size_t len;
	const uint8_t *first = bmr_chunked_first(c, &len);

	c->placed = c->first;
	if (bmr_steps_fit(c->r, first, len, c->m->head.disk_size, &c->fit, e) < 0)
		return -1;
	if (!c->fit.changed)
		return 0;
	c->placed = aligned_alloc(BMR_CHUNK_ALIGN, c->m->head.chunk_size);
	if (!c->placed)
		return bmr_err_nomem(e, "the first chunk");
	memcpy(c->placed, c->first, chunk_len);
	memcpy(c->placed, c->fit.first, len);
	return 0;
}

/* A target that is a file must not be one that the image is made of. */
static int check_bases(const struct bmr_chunked *c, struct bmr_err *e)
{
	struct bmr_source *source;

	for (uint32_t i = 1; c->r->target->is_file && i < bmr_chain_count(c->chain); i++) {
		bmr_chain_image(c->chain, i, &source);
		if (bmr_same_file(bmr_source_name(source), c->r->target->path))
			return bmr_err_set(e, BMR_E_REFUSED, 0,
			                   "'%s' is an image that this one is based on",
			                   c->r->target->path);
	}
	return 0;
}

static int prepare(struct bmr_chunked *c, struct bmr_err *e)
{
	c->first = aligned_alloc(BMR_CHUNK_ALIGN, c->m->head.chunk_size);
	if (!c->first)
		return bmr_err_nomem(e, "the first chunk");
	c->worker_count = how_many(c);
	for (unsigned i = 0; i < c->worker_count; i++)
		if (bmr_chunked_worker_open(c, &c->workers[i], e) < 0)
			return -1;
	if (bmr_chain_open(c->r->source, c->m, c->r->base, c->r->source_options, c->r->trust,
	                   &c->chain, e) < 0 ||
	    check_bases(c, e) < 0)
		return -1;
	return read_first(c, e) < 0 ? -1 : place_first(c, e);
}

int bmr_chunked_open(const struct bmr_restore *r, struct bmr_chunked **out, struct bmr_err *e)
{
	struct bmr_chunked *c = calloc(1, sizeof *c);

	if (!c)
		return bmr_err_nomem(e, "the restore");
	c->r = r;
	c->m = r->image->manifest;
	c->compare = r->compare && !r->target->is_new;
	c->frame_room = BMR_STORED_MOST((size_t)c->m->head.chunk_size);
	pthread_mutex_init(&c->lock, NULL);
	bmr_cond_init(&c->changed);
	if (prepare(c, e) < 0) {
		bmr_chunked_close(c);
		return -1;
	}
	*out = c;
	return 0;
}

void bmr_chunked_close(struct bmr_chunked *c)
{
	struct bmr_err ignored; /* closing what was only read */

	if (!c)
		return;
	for (unsigned i = 0; i < BMR_CHUNKED_WORKERS; i++)
		bmr_chunked_worker_close(&c->workers[i]);
	bmr_target_close(c->reader, &ignored);
	if (c->chain)
		bmr_chain_close(c->chain);
	if (c->placed != c->first)
		free(c->placed);
	free(c->first);
	bmr_table_fit_clear(&c->fit);
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

int bmr_chunked_check_unchanged(struct bmr_chunked *c, struct bmr_err *e)
{
	return bmr_chain_check_unchanged(c->chain, e);
}

const uint8_t *bmr_chunked_first(const struct bmr_chunked *c, size_t *len)
{
	*len = (size_t)bmr_size_min(BMR_CHUNK_SIZE, bmr_manifest_chunk_len(c->m, 0));
	return c->first;
}

const struct bmr_table_fit *bmr_chunked_fit(const struct bmr_chunked *c)
{
	return &c->fit;
}

uint64_t bmr_chunked_rewritten(const struct bmr_chunked *c)
{
	return c->rewritten;
}
