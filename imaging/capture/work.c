/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/capture/ring.h"

#include <time.h>

#include "base/clock.h"
#include "base/size.h"
#include "imaging/capture/capture.h"
#include "imaging/codec/frame.h"
#include "imaging/phase.h"
#include "imaging/capture/spans.h"
#include "imaging/zero.h"

#define PACE_SLICE_MS 200

static bool has_failed(struct bmr_ring *r)
{
	bool failed;

	pthread_mutex_lock(&r->lock);
	failed = r->failed;
	pthread_mutex_unlock(&r->lock);
	return failed;
}

static void lap(struct bmr_ring_worker *w, enum bmr_stage stage)
{
	bmr_lap(&w->run->c->progress->stages, stage, &w->mark);
}

/* --- reading --- */

/* Wait until the rate allows `bytes` more. */
static int pace(struct bmr_ring *r, uint64_t bytes, struct bmr_err *e)
{
	double due;

	if (r->c->rate == 0)
		return 0;
	pthread_mutex_lock(&r->lock);
	due = r->start + (double)r->paced / (double)r->c->rate;
	r->paced += bytes;
	pthread_mutex_unlock(&r->lock);
	for (double left; (left = due - bmr_clock_s()) > 0 && !has_failed(r);) {
		double slice = left < PACE_SLICE_MS / 1e3 ? left : PACE_SLICE_MS / 1e3;
		struct timespec t = {.tv_nsec = (long)(slice * 1e9)};

		if (bmr_ring_stopped(r))
			return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
		nanosleep(&t, NULL);
	}
	return 0;
}

static int read_chunk(struct bmr_ring_worker *w, struct bmr_ring_slot *s, struct bmr_err *e)
{
	struct bmr_ring *r = w->run;
	uint64_t start = (uint64_t)s->first * r->chunk_size;
	uint64_t end = start + s->len;
	uint64_t from;
	uint64_t to;

	for (uint64_t at = start; bmr_spans_next(r->used, at, end, &from, &to); at = to) {
		if (pace(r, to - from, e) < 0)
			return -1;
		lap(w, BMR_STAGE_WAIT);
		if (bmr_careful_read(r->c->disk, s->data + (from - start), (size_t)(to - from),
		                     from, r->c->stop, &s->bad, e) < 0)
			return -1;
		lap(w, BMR_STAGE_READ);
	}
	s->used = bmr_spans_clear_unused(r->used, s->data, start, s->len);
	return 0;
}

/* --- claiming --- */

/* How many chunks from `chunk` on are unused as a whole. */
static uint32_t unused_from(const struct bmr_ring *r, uint32_t chunk)
{
	uint64_t off = bmr_spans_first_used(r->used, (uint64_t)chunk * r->chunk_size);
	uint64_t next = off / r->chunk_size;

	return (uint32_t)(bmr_size_min(next, r->chunks) - chunk);
}

/* Describe item number r->items; the lock is held. */
static void begin_item(struct bmr_ring *r, struct bmr_ring_slot *s)
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
static struct bmr_ring_slot *claim(struct bmr_ring *r, uint64_t *item)
{
	struct bmr_ring_slot *s = NULL;

	pthread_mutex_lock(&r->lock);
	while (!r->failed && r->next_chunk < r->chunks) {
		struct bmr_ring_slot *next = bmr_ring_slot(r, r->items);

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

/* --- working --- */

static void set_state(struct bmr_ring *r, struct bmr_ring_slot *s, enum slot_state state)
{
	pthread_mutex_lock(&r->lock);
	s->state = state;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static int pack_chunk(struct bmr_ring_worker *w, struct bmr_ring_slot *s, struct bmr_err *e)
{
	const struct bmr_capture *c = w->run->c;
	size_t room = bmr_pack_bound(c->manifest->head.pack, w->run->chunk_size);
	struct bmr_digest_value base;
	bool zero = bmr_zero_is(s->data, s->len);
	int rc;

	if (!zero && bmr_digest_of(w->digest, s->data, s->len, &s->digest, e) < 0)
		return -1;
	lap(w, BMR_STAGE_HASH);
	if (zero) {
		s->kind = BMR_CHUNK_ZERO;
		return 0;
	}
	if (c->base && c->base(c->ctx, s->first, &base) && bmr_digest_equal(&base, &s->digest)) {
		s->kind = BMR_CHUNK_BASE;
		return 0;
	}
	rc = bmr_packer_run(w->packer, s->data, s->len, s->frame, room, &s->stored, e);
	lap(w, BMR_STAGE_PACK);
	return rc;
}

static int work(struct bmr_ring_worker *w, struct bmr_ring_slot *s, struct bmr_err *e)
{
	struct bmr_ring *r = w->run;

	if (bmr_ring_stopped(r))
		return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
	if (read_chunk(w, s, e) < 0)
		return -1;
	set_state(r, s, SLOT_FILLED);
	return pack_chunk(w, s, e);
}

void *bmr_ring_work(void *arg)
{
	struct bmr_ring_worker *w = arg;
	uint64_t item;
	struct bmr_ring_slot *s;

	w->mark = bmr_clock_ns();
	while ((s = claim(w->run, &item)) != NULL) {
		struct bmr_err err;

		lap(w, BMR_STAGE_WAIT);

		if (work(w, s, &err) < 0)
			bmr_ring_fail(w->run, item, &err);
		else
			set_state(w->run, s, SLOT_READY);
	}
	return NULL;
}
