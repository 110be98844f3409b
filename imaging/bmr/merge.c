/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/bmr/merge.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "imaging/bmr/chain.h"
#include "imaging/bmr/chunk_reader.h"
#include "imaging/codec/frame.h"
#include "imaging/phase.h"
#include "imaging/restore/pipe.h"
#include "imaging/bmr/writer.h"
#include "transport/sink.h"
#include "transport/source.h"

#define MEMORY ((size_t)64 * 1024 * 1024) /* of all workers and slots */
#define LOOK_MS 100                       /* how often the order to stop is looked for */

enum slot_state {
	FREE,
	WORKING,
	READY
};

struct slot {
	enum slot_state state; /* guarded by run.lock; the rest belongs to who put it there */
	struct bmr_chain_place place;
	bool repacked;
	uint8_t *frame;
	size_t stored;
	int rc;
	struct bmr_err err;
};

struct run {
	const struct bmr_merge *m; /* read-only while threads run, as is all down to lock */
	uint32_t chunks;
	unsigned slot_count;

	pthread_mutex_t lock; /* guards all below, and slot.state */
	pthread_cond_t changed;
	uint32_t next_claim; /* chunk that a worker takes */
	uint32_t next_write; /* chunk that the writer waits for */
	bool stop;
	struct slot slots[2 * BMR_WORKERS_MAX]; /* chunk n has slots[n % slot_count] */
};

struct worker { /* what one thread needs */
	struct run *run;
	struct bmr_chunk_reader *reader;
	struct bmr_packer *packer;
	pthread_t thread;
};

/* --- workers --- */

static struct slot *claim(struct run *r, uint32_t *chunk)
{
	struct slot *s = NULL;

	pthread_mutex_lock(&r->lock);
	while (!r->stop && r->next_claim < r->chunks &&
	       r->slots[r->next_claim % r->slot_count].state != FREE)
		pthread_cond_wait(&r->changed, &r->lock);
	if (!r->stop && r->next_claim < r->chunks) {
		*chunk = r->next_claim++;
		s = &r->slots[*chunk % r->slot_count];
		s->state = WORKING;
	}
	pthread_mutex_unlock(&r->lock);
	return s;
}

static void publish(struct run *r, struct slot *s)
{
	pthread_mutex_lock(&r->lock);
	s->state = READY;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static int pack(struct worker *w, struct slot *s, const uint8_t *data, uint32_t len,
                struct bmr_err *e)
{
	enum bmr_codec_id id = w->run->m->pack;

	if (!w->packer && bmr_packer_open(id, w->run->m->level,
	                                  bmr_chain_manifest(w->run->m->chain)->head.chunk_size,
	                                  &w->packer, e) < 0)
		return -1;
	s->repacked = true;
	return bmr_packer_run(w->packer, data, len, s->frame, bmr_pack_bound(id, len), &s->stored,
	                      e);
}

static int take_chunk(struct worker *w, struct slot *s, uint32_t chunk, struct bmr_err *e)
{
	const struct bmr_merge *m = w->run->m;
	uint32_t len = bmr_manifest_chunk_len(bmr_chain_manifest(m->chain), chunk);
	const uint8_t *data;
	const uint8_t *frame;

	bmr_chain_find(m->chain, chunk, &s->place);
	if (s->place.kind != BMR_CHUNK_DATA)
		return 0;
	if (bmr_chunk_reader_get(w->reader, &s->place, len, &data, &frame, e) < 0)
		return bmr_err_while(e, "merging chunk %" PRIu32, chunk);
	s->repacked = false;
	if (s->place.pack != m->pack)
		return pack(w, s, data, len, e);
	memcpy(s->frame, frame, s->place.stored);
	s->stored = s->place.stored;
	return 0;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct slot *s;
	uint32_t chunk;

	while ((s = claim(w->run, &chunk)) != NULL) {
		s->rc = take_chunk(w, s, chunk, &s->err);
		publish(w->run, s);
	}
	return NULL;
}

/* --- the writer: the caller's thread --- */

/* The next chunk in order, or NULL after the order to stop. */
static struct slot *await(struct run *r)
{
	struct slot *s = &r->slots[r->next_write % r->slot_count];
	uint64_t since = bmr_clock_ns();
	bool stopped = atomic_load(r->m->stop);

	pthread_mutex_lock(&r->lock);
	while (s->state != READY && !stopped) {
		bmr_cond_wait_ms(&r->changed, &r->lock, LOOK_MS);
		stopped = atomic_load(r->m->stop);
	}
	pthread_mutex_unlock(&r->lock);
	bmr_lap(bmr_stages_of(r->m->progress), BMR_STAGE_WAIT, &since);
	return stopped ? NULL : s;
}

static void release(struct run *r, struct slot *s)
{
	pthread_mutex_lock(&r->lock);
	s->state = FREE;
	r->next_write++;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static int write_slot(const struct slot *s, struct bmr_writer *w, struct bmr_merge_result *result,
                      struct bmr_err *e)
{
	if (s->rc < 0) {
		*e = s->err;
		return -1;
	}
	if (s->place.kind != BMR_CHUNK_DATA)
		return bmr_writer_run(w, s->place.kind, 1, e);
	result->copied += !s->repacked;
	result->repacked += s->repacked;
	return bmr_writer_chunk(w, s->place.digest, s->frame, s->stored, e);
}

static int write_all(struct run *r, struct bmr_writer *w, struct bmr_merge_result *result,
                     struct bmr_err *e)
{
	while (r->next_write < r->chunks) {
		struct slot *s = await(r);
		uint64_t since = bmr_clock_ns();

		if (!s)
			return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
		if (write_slot(s, w, result, e) < 0)
			return -1;
		release(r, s);
		bmr_lap(bmr_stages_of(r->m->progress), BMR_STAGE_WRITE, &since);
		atomic_store(&r->m->progress->written, bmr_writer_bytes(w));
	}
	return 0;
}

/* --- threads --- */

static int start_workers(struct run *r, struct worker *workers, unsigned count, unsigned *started,
                         struct bmr_err *e)
{
	uint32_t chunk_size = bmr_chain_manifest(r->m->chain)->head.chunk_size;

	atomic_store(&r->m->progress->workers, count);
	for (*started = 0; *started < count; ++*started) {
		struct worker *w = &workers[*started];
		int rc;

		w->run = r;
		if (bmr_chunk_reader_open(chunk_size, r->m->progress, &w->reader, e) < 0)
			return -1;
		rc = pthread_create(&w->thread, NULL, worker_main, w);
		if (rc != 0)
			return bmr_err_set(e, BMR_E_NOMEM, rc, "cannot start a thread");
	}
	return 0;
}

static void end_workers(struct run *r, struct worker *workers, unsigned started, bool failed)
{
	if (failed)
		bmr_chain_stop(r->m->chain);
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	for (unsigned i = 0; i < started; i++)
		pthread_join(workers[i].thread, NULL);
	for (unsigned i = 0; i < BMR_WORKERS_MAX; i++) {
		bmr_chunk_reader_close(workers[i].reader);
		bmr_packer_close(workers[i].packer);
	}
}

static int allocate_slots(struct run *r, size_t room, struct bmr_err *e)
{
	for (unsigned i = 0; i < r->slot_count; i++) {
		r->slots[i].frame = malloc(room);
		if (!r->slots[i].frame)
			return bmr_err_nomem(e, "merging");
	}
	return 0;
}

static void free_slots(struct run *r)
{
	for (unsigned i = 0; i < r->slot_count; i++)
		free(r->slots[i].frame);
}

static unsigned worker_count(const struct bmr_merge *m)
{
	/* A reader has two buffers and an unpacker, and there are two slots for each. */
	size_t chunk_size = bmr_chain_manifest(m->chain)->head.chunk_size;
	size_t most = MEMORY / (4 * chunk_size + bmr_unpacker_memory(chunk_size));
	unsigned want = bmr_pipe_workers();

	return want < most ? want : (unsigned)most;
}

static int copy_chunks(const struct bmr_merge *m, struct bmr_writer *w,
                       struct bmr_merge_result *result, struct bmr_err *e)
{
	const struct bmr_manifest *newest = bmr_chain_manifest(m->chain);
	struct worker workers[BMR_WORKERS_MAX] = {0};
	struct run r = {.m = m, .chunks = bmr_manifest_chunks(newest)};
	unsigned count = worker_count(m);
	size_t chunk_size = newest->head.chunk_size;
	size_t room = bmr_pack_bound(m->pack, chunk_size);
	unsigned started = 0;
	int rc;

	if (room < BMR_STORED_MOST(chunk_size))
		room = BMR_STORED_MOST(chunk_size);
	r.slot_count = 2 * count;
	pthread_mutex_init(&r.lock, NULL);
	bmr_cond_init(&r.changed);
	rc = allocate_slots(&r, room, e);
	if (rc == 0)
		rc = start_workers(&r, workers, count, &started, e);
	if (rc == 0)
		rc = write_all(&r, w, result, e);
	end_workers(&r, workers, started, rc < 0);
	free_slots(&r);
	pthread_cond_destroy(&r.changed);
	pthread_mutex_destroy(&r.lock);
	return rc;
}

/* --- the new manifest --- */

static int copy_facts(const struct bmr_manifest *from, struct bmr_manifest *to, struct bmr_err *e)
{
	char id[BMR_ID_TEXT_SIZE];

	for (uint32_t i = 0; i < from->fact_count; i++)
		if (strncmp(from->facts[i].name, "base.", 5) != 0 &&
		    bmr_manifest_fact(to, from->facts[i].name, from->facts[i].value, e) < 0)
			return -1;
	for (uint32_t i = 0; i < from->bad_count; i++)
		if (bmr_manifest_add_bad(to, from->bad[i].offset, from->bad[i].length, e) < 0)
			return -1;
	return bmr_manifest_fact(to, "merged.from", bmr_id_text(from->head.id, id), e);
}

static int new_manifest(const struct bmr_merge *m, struct bmr_manifest **out, struct bmr_err *e)
{
	const struct bmr_manifest *newest = bmr_chain_manifest(m->chain);
	struct bmr_head head = newest->head;

	head.pack = m->pack;
	head.has_base = false;
	memset(head.base_id, 0, sizeof head.base_id);
	memset(&head.base_root, 0, sizeof head.base_root);
	if (bmr_id_new(head.id, e) < 0 || bmr_manifest_new(&head, out, e) < 0)
		return -1;
	(*out)->has_sha256 = newest->has_sha256;
	(*out)->sha256 = newest->sha256;
	if (copy_facts(newest, *out, e) == 0)
		return 0;
	bmr_manifest_free(*out);
	return -1;
}

/* What was written has the content of the chain if its root is the same. */
static int finish(const struct bmr_merge *m, struct bmr_writer *w, struct bmr_merge_result *result,
                  struct bmr_err *e)
{
	if (bmr_chain_check_unchanged(m->chain, e) < 0 || bmr_writer_finish(w, e) < 0)
		return -1;
	if (!bmr_digest_equal(&result->manifest->root, &bmr_chain_manifest(m->chain)->root))
		return bmr_err_set(e, BMR_E_BUG, 0, "the merged image has another content");
	result->bytes = bmr_writer_bytes(w);
	return 0;
}

static int merge_into(const struct bmr_merge *m, struct bmr_merge_result *result, struct bmr_err *e)
{
	struct bmr_writer *w;
	int rc;

	if (bmr_writer_open(m->sink, result->manifest, &w, e) < 0)
		return -1;
	rc = copy_chunks(m, w, result, e);
	if (rc == 0)
		rc = finish(m, w, result, e);
	bmr_writer_close(w);
	return rc;
}

int bmr_merge_run(const struct bmr_merge *merge, struct bmr_merge_result *result, struct bmr_err *e)
{
	struct bmr_merge_result made = {0};

	if (new_manifest(merge, &made.manifest, e) < 0)
		return -1;
	if (merge_into(merge, &made, e) < 0) {
		bmr_manifest_free(made.manifest);
		return -1;
	}
	*result = made;
	return 0;
}
