/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/capture/capture.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/size.h"
#include "imaging/capture/ring.h"
#include "imaging/codec/frame.h"
#include "imaging/bmr/manifest.h"
#include "imaging/restore/pipe.h"
#include "imaging/used/used.h"
#include "imaging/bmr/writer.h"

#define SLOTS(workers) (2 * (workers) + 2)

uint32_t bmr_capture_chunk_size(uint64_t used)
{
	if (used <= 512 * BMR_GIB)
		return BMR_CHUNK_SIZE_LEAST;
	return used <= 1024 * BMR_GIB ? 2 * BMR_CHUNK_SIZE_LEAST : BMR_CHUNK_SIZE_MOST;
}

/* --- the ring --- */

struct bmr_ring_slot *bmr_ring_slot(const struct bmr_ring *r, uint64_t item)
{
	return &r->slots[item % r->slot_count];
}

void bmr_ring_fail(struct bmr_ring *r, uint64_t item, const struct bmr_err *err)
{
	pthread_mutex_lock(&r->lock);
	if (!r->failed || item < r->failed_at) {
		r->failed = true;
		r->failed_at = item;
		r->err = *err;
	}
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

bool bmr_ring_stopped(const struct bmr_ring *r)
{
	return r->c->stop && atomic_load(r->c->stop);
}

/* --- running --- */

static int start_thread(pthread_t *thread, void *(*entry)(void *), void *arg, struct bmr_err *e)
{
	int rc = pthread_create(thread, NULL, entry, arg);

	return rc == 0 ? 0 : bmr_err_set(e, BMR_E_NOMEM, rc, "cannot start a thread");
}

static void run_threads(struct bmr_ring *r, struct bmr_ring_worker *workers,
                        struct bmr_writer *writer, struct bmr_capture_result *result)
{
	unsigned started = 0;
	pthread_t hasher;
	struct bmr_err err;

	if (r->c->sha256 && start_thread(&hasher, bmr_ring_hash, r, &err) < 0) {
		bmr_ring_fail(r, 0, &err);
		return;
	}
	for (; started < r->workers; started++) {
		if (start_thread(&workers[started].thread, bmr_ring_work, &workers[started], &err) <
		    0) {
			bmr_ring_fail(r, 0, &err);
			break;
		}
	}
	bmr_ring_write(r, writer, result);
	for (unsigned i = 0; i < started; i++)
		pthread_join(workers[i].thread, NULL);
	if (r->c->sha256)
		pthread_join(hasher, NULL);
}

static int finish(struct bmr_ring *r, struct bmr_writer *writer, struct bmr_capture_result *result,
                  struct bmr_err *e)
{
	struct bmr_manifest *m = r->c->manifest;

	if (r->failed) {
		*e = r->err;
		return -1;
	}
	if (bmr_ring_stopped(r))
		return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
	m->has_sha256 = r->c->sha256;
	if ((r->c->sha256 && bmr_digest_finish(r->whole, &m->sha256, e) < 0) ||
	    bmr_writer_finish(writer, e) < 0)
		return -1;
	result->stored = bmr_writer_bytes(writer);
	return 0;
}

/* --- beginning and end --- */

/* What a level takes is known of a packer that has packed. */
static int memory_of_packer(const struct bmr_capture *c, const struct bmr_ring *r, size_t *memory,
                            struct bmr_err *e)
{
	size_t room = bmr_pack_bound(c->manifest->head.pack, r->chunk_size);
	uint8_t *frame = malloc(room);
	struct bmr_packer *packer = NULL;
	size_t stored;
	int rc = -1;

	if (!frame)
		bmr_err_nomem(e, "a packer");
	else if (bmr_packer_open(c->manifest->head.pack, c->level, r->chunk_size, &packer, e) ==
	                 0 &&
	         bmr_packer_run(packer, r->zeros, r->chunk_size, frame, room, &stored, e) == 0)
		rc = 0;
	*memory = rc == 0 ? bmr_packer_memory(packer) : 0;
	bmr_packer_close(packer);
	free(frame);
	return rc;
}

static int choose_workers(struct bmr_ring *r, struct bmr_err *e)
{
	size_t slot = r->chunk_size + bmr_pack_bound(r->c->manifest->head.pack, r->chunk_size);
	unsigned workers = r->c->workers ? r->c->workers : bmr_pipe_workers();
	size_t packer;

	if (workers > BMR_WORKERS_MAX)
		workers = BMR_WORKERS_MAX;
	if (memory_of_packer(r->c, r, &packer, e) < 0)
		return -1;
	while (workers > 1 && workers * packer + SLOTS(workers) * slot > BMR_CAPTURE_MEMORY)
		workers--;
	r->workers = workers;
	r->slot_count = SLOTS(workers);
	return 0;
}

static int allocate(struct bmr_ring *r, struct bmr_err *e)
{
	size_t room = bmr_pack_bound(r->c->manifest->head.pack, r->chunk_size);

	r->zeros = calloc(1, r->chunk_size);
	if (!r->zeros)
		return bmr_err_nomem(e, "chunks");
	if (choose_workers(r, e) < 0)
		return -1;
	r->slots = calloc(r->slot_count, sizeof *r->slots);
	for (unsigned i = 0; r->slots && i < r->slot_count; i++) {
		r->slots[i].data = aligned_alloc(BMR_CHUNK_ALIGN, r->chunk_size);
		r->slots[i].frame = malloc(room);
		if (!r->slots[i].data || !r->slots[i].frame)
			return bmr_err_nomem(e, "chunks");
	}
	return r->slots ? bmr_digest_open(&r->whole, e) : bmr_err_nomem(e, "chunks");
}

static void free_run(struct bmr_ring *r)
{
	for (unsigned i = 0; r->slots && i < r->slot_count; i++) {
		free(r->slots[i].data);
		free(r->slots[i].frame);
		bmr_bad_list_clear(&r->slots[i].bad);
	}
	free(r->slots);
	free(r->zeros);
	bmr_digest_close(r->whole);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
}

static int open_workers(struct bmr_ring *r, struct bmr_ring_worker *workers, struct bmr_err *e)
{
	for (unsigned i = 0; i < r->workers; i++) {
		workers[i].run = r;
		if (bmr_digest_open(&workers[i].digest, e) < 0 ||
		    bmr_packer_open(r->c->manifest->head.pack, r->c->level, r->chunk_size,
		                    &workers[i].packer, e) < 0)
			return -1;
	}
	return 0;
}

static int run_with_workers(struct bmr_ring *r, struct bmr_capture_result *result,
                            struct bmr_err *e)
{
	struct bmr_ring_worker workers[BMR_WORKERS_MAX] = {0};
	struct bmr_writer *writer = NULL;
	int rc = -1;

	if (open_workers(r, workers, e) == 0 &&
	    bmr_writer_open(r->c->sink, r->c->manifest, &writer, e) == 0) {
		run_threads(r, workers, writer, result);
		rc = finish(r, writer, result, e);
	}
	bmr_writer_close(writer);
	for (unsigned i = 0; i < r->workers; i++) {
		bmr_packer_close(workers[i].packer);
		bmr_digest_close(workers[i].digest);
	}
	return rc;
}

int bmr_capture_run(const struct bmr_capture *capture, struct bmr_capture_result *result,
                    struct bmr_err *e)
{
	struct bmr_used_range whole = {0, capture->manifest->head.disk_size};
	const struct bmr_used all = {&whole, 1, whole.length};
	struct bmr_ring r = {
		.c = capture,
		.used = capture->used ? capture->used : &all,
		.chunks = bmr_manifest_chunks(capture->manifest),
		.chunk_size = capture->manifest->head.chunk_size,
		.start = bmr_clock_s(),
	};
	int rc;

	memset(result, 0, sizeof *result);
	pthread_mutex_init(&r.lock, NULL);
	pthread_cond_init(&r.changed, NULL);
	rc = allocate(&r, e);
	if (rc == 0)
		rc = run_with_workers(&r, result, e);
	free_run(&r);
	return rc;
}
