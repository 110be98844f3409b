/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/capture.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/log.h"
#include "base/size.h"
#include "imaging/careful.h"
#include "imaging/frame.h"
#include "imaging/manifest.h"
#include "imaging/phase.h"
#include "imaging/pipe.h"
#include "imaging/spans.h"
#include "imaging/target.h"
#include "imaging/used.h"
#include "imaging/writer.h"
#include "imaging/zero.h"

#define SLOTS(workers) (2 * (workers) + 2)
#define PACE_SLICE_MS 200
#define BAD_LINES_MOST 16 /* said in the log; the manifest lists all */

enum slot_state {
	SLOT_FREE,
	SLOT_CLAIMED, /* its worker's */
	SLOT_FILLED,  /* .data is final: the hasher may read it */
	SLOT_READY,   /* .frame and the rest are final: the writer may read them */
};

/* One chunk, or a run of unused ones, on its way. */
struct slot {
	enum slot_state state; /* guarded by run.lock */
	unsigned users;        /* hasher and writer that still need it; guarded by run.lock */
	uint32_t first;
	uint32_t count; /* chunks; 1 unless kind is UNUSED */
	enum bmr_chunk_kind kind;
	size_t len;    /* bytes of the chunk */
	uint64_t used; /* of them, those to be read */
	uint8_t *data;
	uint8_t *frame;
	size_t stored;
	struct bmr_digest_value digest;
	struct bmr_bad_list bad;
};

struct run {
	const struct bmr_capture *c; /* read-only while threads run, as is all down to lock */
	const struct bmr_used *used;
	uint32_t chunks;
	uint32_t chunk_size;
	unsigned workers;
	unsigned slot_count;
	struct slot *slots; /* item n is in slots[n % slot_count] */
	uint8_t *zeros;     /* one chunk */
	double start;       /* of the rate limit */

	struct bmr_digest *whole; /* the hasher's alone */
	unsigned bad_lines;       /* the writer's alone: ranges said in the log */

	pthread_mutex_t lock; /* guards all below, and the slots' state and users */
	pthread_cond_t changed;
	uint64_t items;      /* claimed so far */
	uint32_t next_chunk; /* of the next item */
	uint64_t paced;      /* bytes that reads have asked for */
	bool failed;
	uint64_t failed_at; /* item of err */
	struct bmr_err err;
};

struct worker {
	struct run *run;
	struct bmr_packer *packer;
	struct bmr_digest *digest;
	pthread_t thread;
};

uint32_t bmr_capture_chunk_size(uint64_t used)
{
	if (used <= 512 * BMR_GIB)
		return BMR_CHUNK_SIZE_LEAST;
	return used <= 1024 * BMR_GIB ? 2 * BMR_CHUNK_SIZE_LEAST : BMR_CHUNK_SIZE_MOST;
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct slot *slot_of(const struct run *r, uint64_t item)
{
	return &r->slots[item % r->slot_count];
}

/* Keep the error of the lowest item and wake everybody. */
static void fail(struct run *r, uint64_t item, const struct bmr_err *err)
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

static bool stopped(const struct run *r)
{
	return r->c->stop && atomic_load(r->c->stop);
}

static bool has_failed(struct run *r)
{
	bool failed;

	pthread_mutex_lock(&r->lock);
	failed = r->failed;
	pthread_mutex_unlock(&r->lock);
	return failed;
}

/* How many chunks from `chunk` on are unused as a whole. */
static uint32_t unused_from(const struct run *r, uint32_t chunk)
{
	uint64_t off = bmr_spans_first_used(r->used, (uint64_t)chunk * r->chunk_size);
	uint64_t next = off / r->chunk_size;

	return (uint32_t)(bmr_size_min(next, r->chunks) - chunk);
}

/* --- reading --- */

/* Wait until the rate allows `bytes` more. */
static int pace(struct run *r, uint64_t bytes, struct bmr_err *e)
{
	double due;

	if (r->c->rate == 0)
		return 0;
	pthread_mutex_lock(&r->lock);
	due = r->start + (double)r->paced / (double)r->c->rate;
	r->paced += bytes;
	pthread_mutex_unlock(&r->lock);
	for (double left; (left = due - now_s()) > 0 && !has_failed(r);) {
		double slice = left < PACE_SLICE_MS / 1e3 ? left : PACE_SLICE_MS / 1e3;
		struct timespec t = {.tv_nsec = (long)(slice * 1e9)};

		if (stopped(r))
			return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
		nanosleep(&t, NULL);
	}
	return 0;
}

static int read_chunk(struct run *r, struct slot *s, struct bmr_err *e)
{
	uint64_t start = (uint64_t)s->first * r->chunk_size;
	uint64_t end = start + s->len;
	uint64_t from;
	uint64_t to;

	for (uint64_t at = start; bmr_spans_next(r->used, at, end, &from, &to); at = to)
		if (pace(r, to - from, e) < 0 ||
		    bmr_careful_read(r->c->disk, s->data + (from - start), (size_t)(to - from),
		                     from, r->c->stop, &s->bad, e) < 0)
			return -1;
	s->used = bmr_spans_clear_unused(r->used, s->data, start, s->len);
	return 0;
}

/* --- workers --- */

/* Describe item number r->items; the lock is held. */
static void begin_item(struct run *r, struct slot *s)
{
	uint32_t unused = unused_from(r, r->next_chunk);

	s->first = r->next_chunk;
	s->count = unused > 0 ? unused : 1;
	s->kind = unused > 0 ? BMR_CHUNK_UNUSED : BMR_CHUNK_DATA;
	s->len = bmr_manifest_chunk_len(r->c->manifest, s->first);
	s->used = 0;
	s->bad.count = 0;
	s->users = r->c->sha256 ? 2 : 1;
	s->state = unused > 0 ? SLOT_READY : SLOT_CLAIMED;
	r->next_chunk += s->count;
	r->items++;
}

/* Take the next chunk that must be read; NULL: there is none left, or the run failed. */
static struct slot *claim(struct run *r, uint64_t *item)
{
	struct slot *s = NULL;

	pthread_mutex_lock(&r->lock);
	while (!r->failed && r->next_chunk < r->chunks) {
		struct slot *next = slot_of(r, r->items);

		if (next->state != SLOT_FREE) {
			pthread_cond_wait(&r->changed, &r->lock);
			continue;
		}
		*item = r->items;
		begin_item(r, next);
		pthread_cond_broadcast(&r->changed);
		if (next->state == SLOT_CLAIMED) {
			s = next;
			break;
		}
	}
	pthread_mutex_unlock(&r->lock);
	return s;
}

static void set_state(struct run *r, struct slot *s, enum slot_state state)
{
	pthread_mutex_lock(&r->lock);
	s->state = state;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static int pack_chunk(struct worker *w, struct slot *s, struct bmr_err *e)
{
	const struct bmr_capture *c = w->run->c;
	size_t room = bmr_pack_bound(c->manifest->head.pack, w->run->chunk_size);
	struct bmr_digest_value base;

	if (bmr_zero_is(s->data, s->len)) {
		s->kind = BMR_CHUNK_ZERO;
		return 0;
	}
	if (bmr_digest_of(w->digest, s->data, s->len, &s->digest, e) < 0)
		return -1;
	if (c->base && c->base(c->ctx, s->first, &base) && bmr_digest_equal(&base, &s->digest)) {
		s->kind = BMR_CHUNK_BASE;
		return 0;
	}
	return bmr_packer_run(w->packer, s->data, s->len, s->frame, room, &s->stored, e);
}

static int work(struct worker *w, struct slot *s, struct bmr_err *e)
{
	struct run *r = w->run;

	if (stopped(r))
		return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
	if (read_chunk(r, s, e) < 0)
		return -1;
	set_state(r, s, SLOT_FILLED);
	return pack_chunk(w, s, e);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	uint64_t item;
	struct slot *s;

	while ((s = claim(w->run, &item)) != NULL) {
		struct bmr_err err;

		if (work(w, s, &err) < 0)
			fail(w->run, item, &err);
		else
			set_state(w->run, s, SLOT_READY);
	}
	return NULL;
}

/* --- in order: hasher and writer --- */

/* Wait until an item has got so far; NULL: there is none any more, or the run failed. */
static struct slot *await(struct run *r, uint64_t item, enum slot_state state)
{
	struct slot *s = slot_of(r, item);
	bool there;

	pthread_mutex_lock(&r->lock);
	while (!r->failed && (item < r->items ? s->state < state : r->next_chunk < r->chunks))
		pthread_cond_wait(&r->changed, &r->lock);
	there = !r->failed && item < r->items;
	pthread_mutex_unlock(&r->lock);
	return there ? s : NULL;
}

static void release(struct run *r, struct slot *s)
{
	pthread_mutex_lock(&r->lock);
	if (--s->users == 0) {
		s->state = SLOT_FREE;
		pthread_cond_broadcast(&r->changed);
	}
	pthread_mutex_unlock(&r->lock);
}

static int hash_slot(struct run *r, const struct slot *s, struct bmr_err *e)
{
	/* Its kind may be about to change, in a worker; whether anything of it was read is not. */
	if (s->used > 0)
		return bmr_digest_add(r->whole, s->data, s->len, e);
	for (uint32_t i = 0; i < s->count; i++) {
		size_t len = bmr_manifest_chunk_len(r->c->manifest, s->first + i);

		if (stopped(r))
			return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
		if (bmr_digest_add(r->whole, r->zeros, len, e) < 0)
			return -1;
	}
	return 0;
}

static void *hasher_main(void *arg)
{
	struct run *r = arg;
	struct slot *s;

	for (uint64_t item = 0; (s = await(r, item, SLOT_FILLED)) != NULL; item++) {
		struct bmr_err err;

		if (hash_slot(r, s, &err) < 0)
			fail(r, item, &err);
		release(r, s);
	}
	return NULL;
}

static int note_bad(struct run *r, const struct slot *s, struct bmr_capture_result *result,
                    struct bmr_err *e)
{
	unsigned sector = bmr_target_info(r->c->disk)->sector;

	for (size_t i = 0; i < s->bad.count; i++) {
		const struct bmr_bad_range *bad = &s->bad.ranges[i];

		/* It may lie in a gap that was read only because it was small. */
		if (!bmr_used_meets(r->used, bad->offset, bad->length))
			continue;
		if (r->bad_lines++ < BAD_LINES_MOST)
			bmr_log_say(r->c->log, BMR_LOG_NOTICE,
			            "cannot read %" PRIu64 " sectors from sector %" PRIu64
			            " (byte %" PRIu64 ") on: they are zeros in the image",
			            bad->length / sector, bad->offset / sector, bad->offset);
		result->bad += bad->length;
		if (bmr_manifest_add_bad(r->c->manifest, bad->offset, bad->length, e) < 0)
			return -1;
	}
	return 0;
}

static int put_slot(struct run *r, struct bmr_writer *writer, const struct slot *s,
                    struct bmr_capture_result *result, struct bmr_err *e)
{
	uint64_t size = bmr_target_info(r->c->disk)->size;
	uint64_t start = (uint64_t)s->first * r->chunk_size;
	uint64_t bytes = bmr_size_min((uint64_t)s->count * r->chunk_size, size - start);

	switch (s->kind) {
	case BMR_CHUNK_DATA:
		result->data += bytes;
		return bmr_writer_chunk(writer, &s->digest, s->frame, s->stored, e);
	case BMR_CHUNK_BASE:
		result->base += bytes;
		return bmr_writer_base(writer, &s->digest, e);
	case BMR_CHUNK_ZERO:
		result->zero += bytes;
		return bmr_writer_run(writer, s->kind, 1, e);
	case BMR_CHUNK_UNUSED:
		result->unused += bytes;
		break;
	}
	return bmr_writer_run(writer, s->kind, s->count, e);
}

static void write_all(struct run *r, struct bmr_writer *writer, struct bmr_capture_result *result)
{
	struct bmr_restore_progress *p = r->c->progress;
	struct slot *s;

	for (uint64_t item = 0; (s = await(r, item, SLOT_READY)) != NULL; item++) {
		struct bmr_err err;

		if (note_bad(r, s, result, &err) < 0 || put_slot(r, writer, s, result, &err) < 0)
			fail(r, item, &err);
		result->used += s->used;
		atomic_store(&p->pipe.decoded, result->used);
		atomic_store(&p->written, bmr_writer_bytes(writer));
		release(r, s);
	}
}

/* --- beginning and end --- */

static int start_thread(pthread_t *thread, void *(*entry)(void *), void *arg, struct bmr_err *e)
{
	int rc = pthread_create(thread, NULL, entry, arg);

	return rc == 0 ? 0 : bmr_err_set(e, BMR_E_NOMEM, rc, "cannot start a thread");
}

static void run_threads(struct run *r, struct worker *workers, struct bmr_writer *writer,
                        struct bmr_capture_result *result)
{
	unsigned started = 0;
	pthread_t hasher;
	struct bmr_err err;

	if (r->c->sha256 && start_thread(&hasher, hasher_main, r, &err) < 0) {
		fail(r, 0, &err);
		return;
	}
	for (; started < r->workers; started++) {
		if (start_thread(&workers[started].thread, worker_main, &workers[started], &err) <
		    0) {
			fail(r, 0, &err);
			break;
		}
	}
	write_all(r, writer, result);
	for (unsigned i = 0; i < started; i++)
		pthread_join(workers[i].thread, NULL);
	if (r->c->sha256)
		pthread_join(hasher, NULL);
}

static int finish(struct run *r, struct bmr_writer *writer, struct bmr_capture_result *result,
                  struct bmr_err *e)
{
	struct bmr_manifest *m = r->c->manifest;

	if (r->failed) {
		*e = r->err;
		return -1;
	}
	if (stopped(r))
		return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
	m->has_sha256 = r->c->sha256;
	if ((r->c->sha256 && bmr_digest_finish(r->whole, &m->sha256, e) < 0) ||
	    bmr_writer_finish(writer, e) < 0)
		return -1;
	result->stored = bmr_writer_bytes(writer);
	return 0;
}

/* What a level takes is known of a packer that has packed. */
static int memory_of_packer(const struct bmr_capture *c, const struct run *r, size_t *memory,
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

static int choose_workers(struct run *r, struct bmr_err *e)
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

static int allocate(struct run *r, struct bmr_err *e)
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

static void free_run(struct run *r)
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

static int open_workers(struct run *r, struct worker *workers, struct bmr_err *e)
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

static int run_with_workers(struct run *r, struct bmr_capture_result *result, struct bmr_err *e)
{
	struct worker workers[BMR_WORKERS_MAX] = {0};
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
	struct run r = {
		.c = capture,
		.used = capture->used ? capture->used : &all,
		.chunks = bmr_manifest_chunks(capture->manifest),
		.chunk_size = capture->manifest->head.chunk_size,
		.start = now_s(),
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
