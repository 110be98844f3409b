/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/capture/ring.h"

#include <inttypes.h>

#include "base/log.h"
#include "base/size.h"
#include "imaging/capture/capture.h"
#include "imaging/phase.h"
#include "imaging/disk/target.h"
#include "imaging/used/used.h"
#include "imaging/bmr/writer.h"

#define BAD_LINES_MOST 16 /* said in the log; the manifest lists all */

/* Wait until an item has got so far; NULL: there is none any more, or the run failed. */
static struct bmr_ring_slot *await(struct bmr_ring *r, uint64_t item, enum slot_state state)
{
	struct bmr_ring_slot *s = bmr_ring_slot(r, item);
	bool there;

	pthread_mutex_lock(&r->lock);
	while (!r->failed && (item < r->items ? s->state < state : r->next_chunk < r->chunks))
		pthread_cond_wait(&r->changed, &r->lock);
	there = !r->failed && item < r->items;
	pthread_mutex_unlock(&r->lock);
	return there ? s : NULL;
}

static void release(struct bmr_ring *r, struct bmr_ring_slot *s)
{
	pthread_mutex_lock(&r->lock);
	if (--s->users == 0) {
		s->state = SLOT_FREE;
		pthread_cond_broadcast(&r->changed);
	}
	pthread_mutex_unlock(&r->lock);
}

/* --- the SHA-256 of the whole disk --- */

static int hash_slot(struct bmr_ring *r, const struct bmr_ring_slot *s, struct bmr_err *e)
{
	/* Its kind may be about to change, in a worker; whether anything of it was read is not. */
	if (s->used > 0)
		return bmr_digest_add(r->whole, s->data, s->len, e);
	for (uint32_t i = 0; i < s->count; i++) {
		size_t len = bmr_manifest_chunk_len(r->c->manifest, s->first + i);

		if (bmr_ring_stopped(r))
			return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
		if (bmr_digest_add(r->whole, r->zeros, len, e) < 0)
			return -1;
	}
	return 0;
}

void *bmr_ring_hash(void *arg)
{
	struct bmr_ring *r = arg;
	uint64_t since = bmr_clock_ns();
	struct bmr_ring_slot *s;

	for (uint64_t item = 0; (s = await(r, item, SLOT_FILLED)) != NULL; item++) {
		struct bmr_err err;

		bmr_lap(&r->c->progress->stages, BMR_STAGE_WAIT, &since);
		if (hash_slot(r, s, &err) < 0)
			bmr_ring_fail(r, item, &err);
		bmr_lap(&r->c->progress->stages, BMR_STAGE_HASH, &since);
		release(r, s);
	}
	return NULL;
}

/* --- the image --- */

static int note_bad(struct bmr_ring *r, const struct bmr_ring_slot *s,
                    struct bmr_capture_result *result, struct bmr_err *e)
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

static int put_slot(struct bmr_ring *r, struct bmr_writer *writer, const struct bmr_ring_slot *s,
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

void bmr_ring_write(struct bmr_ring *r, struct bmr_writer *writer,
                    struct bmr_capture_result *result)
{
	struct bmr_restore_progress *p = r->c->progress;
	uint64_t since = bmr_clock_ns();
	struct bmr_ring_slot *s;

	for (uint64_t item = 0; (s = await(r, item, SLOT_READY)) != NULL; item++) {
		struct bmr_err err;

		bmr_lap(&p->stages, BMR_STAGE_WAIT, &since);
		if (note_bad(r, s, result, &err) < 0 || put_slot(r, writer, s, result, &err) < 0)
			bmr_ring_fail(r, item, &err);
		result->used += s->used;
		atomic_store(&p->pipe.decoded, result->used);
		atomic_store(&p->written, bmr_writer_bytes(writer));
		bmr_lap(&p->stages, BMR_STAGE_WRITE, &since);
		release(r, s);
	}
}
