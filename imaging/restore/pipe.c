/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/restore/pipe.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "imaging/codec/decode.h"
#include "imaging/restore/fetch.h"
#include "transport/source.h"

#define SLOTS_MAX (2 * BMR_WORKERS_MAX + 4)

struct slot {
	struct bmr_chunk chunk;
	uint8_t *buffer;
	unsigned users; /* hasher and worker that still need it; guarded by run.lock; 0: free */
};

struct run {
	const struct bmr_pipe *pipe; /* read-only while threads run, as is all down to lock */
	unsigned slot_count;
	struct bmr_digest *digest; /* the hasher's alone */
	struct bmr_fetch *fetch;   /* the decoder's, as is the next */
	uint64_t decoding_since;   /* when its present stage began */

	pthread_mutex_t lock; /* guards all below, and slot.users */
	pthread_cond_t changed;
	uint64_t produced;  /* chunks that decode has filled */
	uint64_t next_work; /* next chunk that a worker takes */
	uint64_t next_hash;
	bool complete; /* produced is final */
	bool failed;
	uint64_t failed_at; /* chunk of err */
	struct bmr_err err;
	struct slot slots[SLOTS_MAX]; /* chunk n is in slots[n % slot_count] */
};

struct worker {
	struct run *run;
	unsigned number;
	pthread_t thread;
};

static struct slot *slot_of(struct run *r, uint64_t index)
{
	return &r->slots[index % r->slot_count];
}

/* Keep the error of the lowest chunk and wake everybody. */
static void fail(struct run *r, uint64_t index, const struct bmr_err *err)
{
	pthread_mutex_lock(&r->lock);
	if (!r->failed || index < r->failed_at) {
		r->failed = true;
		r->failed_at = index;
		r->err = *err;
	}
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static bool stopped(const struct run *r)
{
	return r->pipe->stop && atomic_load(r->pipe->stop);
}

static void release(struct run *r, struct slot *s)
{
	pthread_mutex_lock(&r->lock);
	s->users--;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

/* Take the next chunk in order from *cursor; NULL when there is none left.  After a failure the
 * chunks before it are still taken: one of them may fail as well, and is then the one to name. */
static struct slot *claim(struct run *r, uint64_t *cursor)
{
	struct slot *s = NULL;

	pthread_mutex_lock(&r->lock);
	while (!r->failed && !r->complete && *cursor == r->produced)
		pthread_cond_wait(&r->changed, &r->lock);
	if (*cursor < r->produced && (!r->failed || *cursor < r->failed_at))
		s = slot_of(r, (*cursor)++);
	pthread_mutex_unlock(&r->lock);
	return s;
}

static void work_failed(struct run *r, uint64_t index, const struct bmr_err *err)
{
	fail(r, index, err);
	if (r->pipe->stop_source)
		bmr_source_stop(r->pipe->source);
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct run *r = w->run;
	uint64_t since = bmr_clock_ns();
	struct slot *s;

	while ((s = claim(r, &r->next_work)) != NULL) {
		struct bmr_err err;

		bmr_lap(r->pipe->stages, BMR_STAGE_WAIT, &since);
		if (r->pipe->work(r->pipe->ctx, &s->chunk, w->number, &err) < 0)
			work_failed(r, s->chunk.index, &err);
		since = bmr_clock_ns();
		release(r, s);
	}
	return NULL;
}

static void *hasher_main(void *arg)
{
	struct run *r = arg;
	uint64_t since = bmr_clock_ns();
	struct slot *s;

	while ((s = claim(r, &r->next_hash)) != NULL) {
		struct bmr_err err;

		bmr_lap(r->pipe->stages, BMR_STAGE_WAIT, &since);
		if (bmr_digest_add(r->digest, s->chunk.data, s->chunk.len, &err) < 0)
			fail(r, s->chunk.index, &err);
		bmr_lap(r->pipe->stages, BMR_STAGE_HASH, &since);
		release(r, s);
	}
	return NULL;
}

/* Wait until the slot of chunk `index` is free; false when the run failed. */
static bool wait_free(struct run *r, uint64_t index)
{
	bool go;

	pthread_mutex_lock(&r->lock);
	while (!r->failed && slot_of(r, index)->users > 0)
		pthread_cond_wait(&r->changed, &r->lock);
	go = !r->failed;
	pthread_mutex_unlock(&r->lock);
	return go;
}

static void publish(struct run *r, struct slot *s)
{
	pthread_mutex_lock(&r->lock);
	s->users = r->pipe->work ? 2 : 1;
	r->produced++;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static void count(struct run *r, const struct bmr_decoder *d, uint64_t decoded)
{
	struct bmr_pipe_progress *p = r->pipe->progress;

	if (!p)
		return;
	atomic_store(&p->fetched, bmr_decoder_consumed(d));
	atomic_store(&p->decoded, decoded);
}

/* The decoder's input: what it waits for the source is not its own time. */
static int next_input(void *ctx, const uint8_t **data, size_t *len, struct bmr_err *e)
{
	struct run *r = ctx;
	int rc;

	bmr_lap(r->pipe->stages, BMR_STAGE_UNPACK, &r->decoding_since);
	rc = bmr_fetch_next(r->fetch, data, len, e);
	bmr_lap(r->pipe->stages, BMR_STAGE_WAIT, &r->decoding_since);
	/* Reads of the blocks behind it would be waited for as long. */
	if (rc < 0 && e->code == BMR_E_NET && r->pipe->stop_source)
		bmr_source_stop(r->pipe->source);
	return rc;
}

/* Decode chunk after chunk into the ring.  Errors are kept in the run. */
static uint64_t decode_all(struct run *r, struct bmr_decoder *d)
{
	uint64_t size = 0;
	size_t got = BMR_CHUNK_SIZE;

	r->decoding_since = bmr_clock_ns();
	for (uint64_t index = 0; got == BMR_CHUNK_SIZE && wait_free(r, index); index++) {
		struct slot *s = slot_of(r, index);
		struct bmr_err err = {0};

		if (stopped(r)) {
			bmr_err_set(&err, BMR_E_STOPPED, 0, "stopped");
			fail(r, index, &err);
			break;
		}
		bmr_lap(r->pipe->stages, BMR_STAGE_WAIT, &r->decoding_since);
		if (bmr_decoder_read(d, s->buffer, BMR_CHUNK_SIZE, &got, &err) < 0) {
			fail(r, index, &err);
			break;
		}
		bmr_lap(r->pipe->stages, BMR_STAGE_UNPACK, &r->decoding_since);
		if (got == 0)
			break;
		s->chunk = (struct bmr_chunk){index, size, got, s->buffer};
		size += got;
		count(r, d, size);
		publish(r, s);
	}
	return size;
}

static void complete(struct run *r)
{
	pthread_mutex_lock(&r->lock);
	r->complete = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static int start_thread(pthread_t *thread, void *(*entry)(void *), void *arg, struct bmr_err *e)
{
	int rc = pthread_create(thread, NULL, entry, arg);

	return rc == 0 ? 0 : bmr_err_set(e, BMR_E_NOMEM, rc, "cannot start a thread");
}

/* Start hasher and workers, decode in this thread, and wait for all of them. */
static uint64_t run_threads(struct run *r, struct bmr_decoder *d)
{
	struct worker workers[BMR_WORKERS_MAX];
	unsigned wanted = r->pipe->work ? r->pipe->workers : 0;
	unsigned started = 0;
	pthread_t hasher;
	struct bmr_err err;
	uint64_t size = 0;

	if (start_thread(&hasher, hasher_main, r, &err) < 0) {
		fail(r, 0, &err);
		return 0;
	}
	for (; started < wanted; started++) {
		workers[started] = (struct worker){.run = r, .number = started};
		if (start_thread(&workers[started].thread, worker_main, &workers[started], &err) <
		    0) {
			fail(r, 0, &err);
			break;
		}
	}
	if (started == wanted)
		size = decode_all(r, d);
	complete(r);
	pthread_join(hasher, NULL);
	for (unsigned i = 0; i < started; i++)
		pthread_join(workers[i].thread, NULL);
	return size;
}

static int allocate(struct run *r, struct bmr_err *e)
{
	r->slot_count = 2 * r->pipe->workers + 4;
	for (unsigned i = 0; i < r->slot_count; i++) {
		r->slots[i].buffer = aligned_alloc(BMR_CHUNK_ALIGN, BMR_CHUNK_SIZE);
		if (!r->slots[i].buffer)
			return bmr_err_nomem(e, "chunks");
	}
	return bmr_digest_open(&r->digest, e);
}

static int run_with_decoder(struct run *r, struct bmr_pipe_result *result, struct bmr_err *e)
{
	struct bmr_input input = {next_input, r};
	struct bmr_decoder *d;

	if (bmr_decoder_open(r->pipe->format, &input, &d, e) < 0)
		return -1;
	result->size = run_threads(r, d);
	bmr_decoder_close(d);
	if (r->failed) {
		*e = r->err;
		return -1;
	}
	return bmr_digest_finish(r->digest, &result->sha256, e);
}

static void free_run(struct run *r)
{
	for (unsigned i = 0; i < r->slot_count; i++)
		free(r->slots[i].buffer);
	bmr_digest_close(r->digest);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

int bmr_pipe_run(const struct bmr_pipe *pipe, struct bmr_pipe_result *result, struct bmr_err *e)
{
	struct run *r = calloc(1, sizeof *r);
	int rc = -1;

	if (!r)
		return bmr_err_nomem(e, "a run");
	r->pipe = pipe;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	if (allocate(r, e) == 0 && bmr_fetch_open(pipe->source, pipe->stages, &r->fetch, e) == 0)
		rc = run_with_decoder(r, result, e);
	bmr_fetch_close(r->fetch);
	free_run(r);
	return rc;
}

unsigned bmr_pipe_workers(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return cpus < 2 ? 2 : cpus > BMR_WORKERS_MAX ? BMR_WORKERS_MAX : (unsigned)cpus;
}
