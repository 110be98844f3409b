/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/verify_chunks.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/size.h"
#include "imaging/bmr/chain.h"
#include "imaging/bmr/chunk_reader.h"
#include "imaging/codec/frame.h"
#include "imaging/phase.h"
#include "imaging/restore/pipe.h"
#include "imaging/table/table.h"
#include "imaging/disk/target.h"
#include "imaging/verify.h"
#include "imaging/verify_zeros.h"
#include "imaging/zero.h"
#include "transport/source.h"

#define MEMORY ((size_t)64 * 1024 * 1024) /* of all workers */
#define LOOK_MS 100                       /* how often the order to stop is looked for */

struct run {
	const struct bmr_verify_chunks *v; /* read-only while threads run, as is all down to lock */
	const struct bmr_manifest *manifest;
	struct bmr_target *target;
	uint32_t chunks;
	uint64_t units; /* of work: the chunks; without a target then the entries, for their runs */

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t ended;
	uint64_t next;    /* unit that a worker takes */
	unsigned working; /* threads */
	bool failed;
	uint64_t failed_at;
	struct bmr_err err; /* of the lowest unit that failed */
	uint64_t tail;      /* where the backup of a fitted table begins; UINT64_MAX: none */
	struct bmr_verify_list in_tail; /* what differs only where such a backup may lie */
	struct bmr_verify_chunks_result *result;
};

struct worker { /* what one thread needs */
	struct run *run;
	struct bmr_chunk_reader *reader;
	struct bmr_digest *digest;
	uint8_t *disk;           /* NULL: it is the image that is verified */
	struct bmr_zeros *zeros; /* NULL: it is the disk */
};

/* --- results --- */

/* Keep the first ones, whatever the order in which threads find them. */
static void keep(struct bmr_verify_list *list, const struct bmr_wrong_chunk *wrong)
{
	unsigned at = list->named;

	list->count++;
	while (at > 0 && list->chunks[at - 1].chunk > wrong->chunk)
		at--;
	if (at == BMR_VERIFY_NAMED)
		return;
	if (list->named < BMR_VERIFY_NAMED)
		list->named++;
	memmove(&list->chunks[at + 1], &list->chunks[at],
	        (list->named - 1 - at) * sizeof list->chunks[0]);
	list->chunks[at] = *wrong;
}

static void found(struct run *r, struct bmr_verify_list *list, uint32_t chunk, uint64_t offset,
                  const char *reason)
{
	struct bmr_wrong_chunk wrong = {.chunk = chunk, .offset = offset};

	snprintf(wrong.reason, sizeof wrong.reason, "%.*s", (int)sizeof wrong.reason - 1, reason);
	pthread_mutex_lock(&r->lock);
	keep(list, &wrong);
	pthread_mutex_unlock(&r->lock);
}

/* Another worker may be at chunk 0 still: what a backup explains is sorted out in the end. */
static void found_differing(struct run *r, uint32_t chunk, uint64_t offset, const char *reason)
{
	bool later = bmr_table_in_tail(offset, r->v->target->size);

	found(r, later ? &r->in_tail : &r->result->differing, chunk, offset, reason);
}

/* All threads have ended. */
static void sort_out_tail(struct run *r)
{
	for (unsigned i = 0; i < r->in_tail.named; i++)
		if (r->in_tail.chunks[i].offset < r->tail)
			keep(&r->result->differing, &r->in_tail.chunks[i]);
}

static uint64_t offset_of(const struct run *r, uint32_t chunk)
{
	return (uint64_t)chunk * r->manifest->head.chunk_size;
}

/* Damage is a result, and the next chunk is looked at; all else ends the run. */
static int found_bad(struct run *r, uint32_t chunk, const struct bmr_err *e)
{
	if (e->code != BMR_E_DATA)
		return -1;
	found(r, &r->result->bad, chunk, offset_of(r, chunk), e->msg);
	return 0;
}

static void count(struct run *r, uint64_t *counter, uint64_t bytes)
{
	pthread_mutex_lock(&r->lock);
	*counter += bytes;
	pthread_mutex_unlock(&r->lock);
}

/* --- the image --- */

static int check_image_chunk(struct worker *w, uint32_t chunk, struct bmr_err *e)
{
	struct run *r = w->run;
	uint32_t len = bmr_manifest_chunk_len(r->manifest, chunk);
	struct bmr_chain_place place;
	const uint8_t *data;

	bmr_chain_find(r->v->chain, chunk, &place);
	if (place.kind == BMR_CHUNK_UNUSED) {
		count(r, &r->result->unused, len);
		return 0;
	}
	count(r, &r->result->checked, len);
	if (place.kind == BMR_CHUNK_ZERO ||
	    bmr_chunk_reader_get(w->reader, &place, len, &data, NULL, e) == 0)
		return 0;
	return found_bad(r, chunk, e);
}

static int check_run(struct worker *w, const struct bmr_manifest_entry *entry, struct bmr_err *e)
{
	struct run *r = w->run;
	struct bmr_source *source;

	if (entry->kind == BMR_CHUNK_DATA || entry->kind == BMR_CHUNK_BASE)
		return 0;
	bmr_chain_image(r->v->chain, 0, &source);
	if (bmr_zeros_check(w->zeros, source, r->manifest, entry, e) < 0)
		return found_bad(r, entry->first, e);
	return 0;
}

/* --- the disk --- */

/* Does it still matter where exactly a chunk of len bytes differs? */
static bool will_be_named(struct run *r, uint32_t chunk, uint32_t len)
{
	const struct bmr_verify_list *list = &r->result->differing;
	bool named;

	if (bmr_table_in_tail(offset_of(r, chunk) + len - 1, r->v->target->size))
		return true;
	pthread_mutex_lock(&r->lock);
	named = list->named < BMR_VERIFY_NAMED || chunk < list->chunks[list->named - 1].chunk;
	pthread_mutex_unlock(&r->lock);
	return named;
}

/* w->disk holds what the disk has. */
static int found_difference(struct worker *w, uint32_t chunk, const struct bmr_chain_place *place,
                            uint32_t len, struct bmr_err *e)
{
	struct run *r = w->run;
	const uint8_t *data;
	size_t at = 0;

	if (place->kind == BMR_CHUNK_ZERO) {
		while (at < len && w->disk[at] == 0)
			at++;
	} else if (will_be_named(r, chunk, len)) {
		if (bmr_chunk_reader_get(w->reader, place, len, &data, NULL, e) == 0)
			at = bmr_first_difference(w->disk, data, len) % len;
		else if (found_bad(r, chunk, e) < 0)
			return -1;
	}
	found_differing(r, chunk, offset_of(r, chunk) + at, "its content is another");
	return 0;
}

/* The whole sectors of a chunk: an image may end in the middle of one. */
static int read_disk(struct worker *w, uint32_t chunk, uint32_t len, struct bmr_err *e)
{
	const struct bmr_target_info *info = w->run->v->target;
	uint64_t off = offset_of(w->run, chunk);

	if (!bmr_size_inside(off, len, info->size))
		return bmr_err_set(e, BMR_E_TARGET, 0, "the disk ends at byte %" PRIu64,
		                   info->size);
	len = (len + info->sector - 1) / info->sector * info->sector;
	return bmr_target_read(w->run->target, w->disk, len, off, e);
}

static int disk_agrees(struct worker *w, const struct bmr_chain_place *place, uint32_t len,
                       bool *agrees, struct bmr_err *e)
{
	struct bmr_digest_value digest;

	if (place->kind == BMR_CHUNK_ZERO) {
		*agrees = bmr_zero_is(w->disk, len);
		return 0;
	}
	if (bmr_digest_of(w->digest, w->disk, len, &digest, e) < 0)
		return -1;
	*agrees = bmr_digest_equal(&digest, place->digest);
	return 0;
}

/* On a disk of another size than the image's the table is another one, too. */
static bool table_was_fitted(struct worker *w, const struct bmr_chain_place *place, uint32_t len)
{
	struct run *r = w->run;
	const uint8_t *data;
	uint64_t tail;
	struct bmr_err ignored; /* damage is found by found_difference again */

	if (place->kind != BMR_CHUNK_DATA ||
	    bmr_chunk_reader_get(w->reader, place, len, &data, NULL, &ignored) < 0 ||
	    !bmr_table_was_fitted(r->target, w->disk, data, len, &tail))
		return false;
	pthread_mutex_lock(&r->lock);
	r->tail = tail;
	pthread_mutex_unlock(&r->lock);
	return true;
}

static int check_disk_chunk(struct worker *w, uint32_t chunk, struct bmr_err *e)
{
	struct run *r = w->run;
	uint32_t len = bmr_manifest_chunk_len(r->manifest, chunk);
	uint64_t since = bmr_clock_ns();
	struct bmr_chain_place place;
	bool agrees;

	bmr_chain_find(r->v->chain, chunk, &place);
	if (place.kind == BMR_CHUNK_UNUSED) {
		count(r, &r->result->unused, len);
		return 0;
	}
	count(r, &r->result->checked, len);
	if (read_disk(w, chunk, len, e) < 0) {
		found_differing(r, chunk, offset_of(r, chunk), e->msg);
		return 0;
	}
	bmr_lap(bmr_stages_of(r->v->progress), BMR_STAGE_READ, &since);
	atomic_fetch_add(&r->v->progress->verified, len);
	if (disk_agrees(w, &place, len, &agrees, e) < 0)
		return -1;
	bmr_lap(bmr_stages_of(r->v->progress), BMR_STAGE_HASH, &since);
	if (!agrees && chunk == 0)
		agrees = table_was_fitted(w, &place, len);
	return agrees ? 0 : found_difference(w, chunk, &place, len, e);
}

/* --- threads --- */

static bool claim(struct run *r, uint64_t *unit)
{
	bool go;

	pthread_mutex_lock(&r->lock);
	go = !r->failed && r->next < r->units;
	if (go)
		*unit = r->next++;
	pthread_mutex_unlock(&r->lock);
	return go;
}

static void fail(struct run *r, uint64_t unit, const struct bmr_err *err)
{
	pthread_mutex_lock(&r->lock);
	if (!r->failed || unit < r->failed_at) {
		r->failed = true;
		r->failed_at = unit;
		r->err = *err;
	}
	pthread_mutex_unlock(&r->lock);
}

static int do_unit(struct worker *w, uint64_t unit, struct bmr_err *e)
{
	struct run *r = w->run;

	if (atomic_load(r->v->stop))
		return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
	if (unit >= r->chunks)
		return check_run(w, &r->manifest->entries[unit - r->chunks], e);
	return r->target ? check_disk_chunk(w, (uint32_t)unit, e)
	                 : check_image_chunk(w, (uint32_t)unit, e);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct run *r = w->run;
	struct bmr_err err;
	uint64_t unit;

	while (claim(r, &unit))
		if (do_unit(w, unit, &err) < 0)
			fail(r, unit, &err);
	pthread_mutex_lock(&r->lock);
	r->working--;
	pthread_cond_signal(&r->ended);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

static int prepare_worker(struct run *r, struct worker *w, struct bmr_err *e)
{
	uint32_t chunk_size = r->manifest->head.chunk_size;

	w->run = r;
	if (bmr_chunk_reader_open(chunk_size, r->v->progress, &w->reader, e) < 0 ||
	    bmr_digest_open(&w->digest, e) < 0)
		return -1;
	if (!r->target)
		return bmr_zeros_open(chunk_size, r->v->progress, &w->zeros, e);
	w->disk = aligned_alloc(BMR_CHUNK_ALIGN, chunk_size);
	return w->disk ? 0 : bmr_err_nomem(e, "verifying");
}

static void clear_worker(struct worker *w)
{
	bmr_chunk_reader_close(w->reader);
	bmr_digest_close(w->digest);
	free(w->disk);
	bmr_zeros_close(w->zeros);
}

/* Reads of the base images end by the order to stop too, which only their chain can give. */
static void wait_for_workers(struct run *r)
{
	bool told = false;

	pthread_mutex_lock(&r->lock);
	while (r->working > 0) {
		bmr_cond_wait_ms(&r->ended, &r->lock, LOOK_MS);
		if (atomic_load(r->v->stop) && !told)
			bmr_chain_stop(r->v->chain);
		told = atomic_load(r->v->stop);
	}
	pthread_mutex_unlock(&r->lock);
}

static int start_worker(struct run *r, struct worker *w, pthread_t *thread, struct bmr_err *e)
{
	int rc;

	if (prepare_worker(r, w, e) < 0)
		return -1;
	pthread_mutex_lock(&r->lock);
	r->working++;
	pthread_mutex_unlock(&r->lock);
	rc = pthread_create(thread, NULL, worker_main, w);
	if (rc == 0)
		return 0;
	pthread_mutex_lock(&r->lock);
	r->working--;
	pthread_mutex_unlock(&r->lock);
	return bmr_err_set(e, BMR_E_NOMEM, rc, "cannot start a thread");
}

static unsigned worker_count(const struct run *r)
{
	size_t chunk_size = r->manifest->head.chunk_size;
	size_t most = MEMORY / (3 * chunk_size + bmr_unpacker_memory(chunk_size));
	unsigned want = bmr_pipe_workers();
	struct bmr_source *source;

	bmr_chain_image(r->v->chain, 0, &source);
	if (want < bmr_source_depth(source))
		want = bmr_source_depth(source);
	return want < most ? want : (unsigned)most;
}

static int run_workers(struct run *r, struct bmr_err *e)
{
	struct worker workers[BMR_WORKERS_MAX] = {0};
	pthread_t threads[BMR_WORKERS_MAX];
	unsigned wanted = worker_count(r);
	unsigned started = 0;

	atomic_store(&r->v->progress->workers, wanted);
	while (started < wanted && start_worker(r, &workers[started], &threads[started], e) == 0)
		started++;
	if (started < wanted)
		fail(r, 0, e);
	wait_for_workers(r);
	for (unsigned i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < BMR_WORKERS_MAX; i++)
		clear_worker(&workers[i]);
	sort_out_tail(r);
	if (!r->failed)
		return 0;
	*e = r->err;
	return -1;
}

static int open_target(struct run *r, struct bmr_err *e)
{
	if (!r->v->target)
		return 0;
	if (bmr_target_open_readonly(r->v->target, &r->target, e) < 0)
		return -1;
	return bmr_target_drop_cache(r->target, e);
}

int bmr_verify_chunks_run(const struct bmr_verify_chunks *verify,
                          struct bmr_verify_chunks_result *result, struct bmr_err *e)
{
	const struct bmr_manifest *m = bmr_chain_manifest(verify->chain);
	struct run r = {.v = verify,
	                .manifest = m,
	                .chunks = bmr_manifest_chunks(m),
	                .tail = UINT64_MAX,
	                .result = result};
	struct bmr_err ignored; /* closing what was only read */
	int rc;

	memset(result, 0, sizeof *result);
	r.units = (uint64_t)r.chunks + (verify->target ? 0 : m->entry_count);
	pthread_mutex_init(&r.lock, NULL);
	bmr_cond_init(&r.ended);
	rc = open_target(&r, e);
	if (rc == 0)
		rc = run_workers(&r, e);
	bmr_target_close(r.target, &ignored);
	pthread_cond_destroy(&r.ended);
	pthread_mutex_destroy(&r.lock);
	return rc;
}
