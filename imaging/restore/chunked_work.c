/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/restore/chunked_internal.h"

#include <inttypes.h>
#include <string.h>

#include "base/checksum.h"
#include "base/digest.h"
#include "base/log.h"
#include "imaging/restore/checked.h"
#include "imaging/disk/target.h"
#include "imaging/zero.h"

/* The first MiB of chunk 0 is not the body's. */
static uint32_t body_from(uint32_t chunk)
{
	return chunk == 0 ? (uint32_t)BMR_CHUNK_SIZE : 0;
}

/* --- what the disk holds --- */

/* The content of these is known: chunk 0 is in memory, and zeros are zeros. */
static bool is_known(const struct bmr_chunked *c, uint32_t chunk, struct bmr_chain_place *place)
{
	return chunk == 0 || bmr_chunked_kind(c, chunk, place) != BMR_CHUNK_DATA;
}

static bool holds_known(const struct bmr_chunked_worker *w, uint32_t chunk)
{
	uint32_t len = bmr_manifest_chunk_len(w->c->m, chunk);

	return chunk == 0 ? memcmp(w->data, w->c->placed, len) == 0 : bmr_zero_is(w->data, len);
}

int bmr_chunked_is_right(struct bmr_chunked_worker *w, uint32_t chunk, bool *right,
                         struct bmr_err *e)
{
	uint32_t len = bmr_manifest_chunk_len(w->c->m, chunk);
	struct bmr_chain_place place;
	struct bmr_digest_value digest;

	if (is_known(w->c, chunk, &place)) {
		*right = holds_known(w, chunk);
	} else {
		if (bmr_digest_of(w->digest, w->data, len, &digest, e) < 0)
			return -1;
		*right = bmr_digest_equal(&digest, place.digest);
	}
	bmr_chunked_lap(w, BMR_STAGE_HASH);
	return 0;
}

/* The same of a chunk that was just written: nobody changes it on purpose, so a checksum will do. */
static bool is_unchanged(struct bmr_chunked_worker *w, uint32_t chunk)
{
	struct bmr_chain_place place;
	struct bmr_checksum found;
	struct bmr_checksum kept;
	bool same;

	if (is_known(w->c, chunk, &place)) {
		same = holds_known(w, chunk);
	} else {
		found = bmr_checksum_of(w->data, bmr_manifest_chunk_len(w->c->m, chunk));
		kept = bmr_chunked_sum(w->c, chunk);
		same = bmr_checksum_equal(&found, &kept);
	}
	bmr_chunked_lap(w, BMR_STAGE_HASH);
	return same;
}

/* *same: the disk holds this chunk.  A sector that cannot be read may well be written. */
static int compare(struct bmr_chunked_worker *w, uint32_t chunk, bool *same, struct bmr_err *e)
{
	const struct bmr_chunked *c = w->c;
	uint32_t len = bmr_manifest_chunk_len(c->m, chunk);
	struct bmr_err ignored;
	bool read;

	*same = false;
	if (!c->compare)
		return 0;
	if (bmr_restore_stopped(c->r))
		return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
	read = bmr_target_read(c->reader, w->data, len, bmr_chunked_offset(c, chunk), &ignored) ==
	       0;
	bmr_chunked_lap(w, BMR_STAGE_READ);
	atomic_fetch_add(&c->r->progress->compared, len);
	if (read && bmr_chunked_is_right(w, chunk, same, e) < 0)
		return -1;
	if (*same)
		atomic_fetch_add(&c->r->progress->skipped, len);
	return 0;
}

/* --- writing --- */

static int write_data(struct bmr_chunked_worker *w, uint32_t chunk, struct bmr_err *e)
{
	const struct bmr_chunked *c = w->c;
	uint64_t off = bmr_chunked_offset(c, chunk);
	uint32_t end = bmr_manifest_chunk_len(c->m, chunk);

	for (uint32_t at = body_from(chunk); at < end;) {
		uint32_t len = end - at < BMR_CHUNK_SIZE ? end - at : (uint32_t)BMR_CHUNK_SIZE;

		if (bmr_target_write(c->target, w->data + at, len, off + at, e) < 0)
			return -1;
		at += len;
		atomic_fetch_add(&c->r->progress->written, len);
	}
	bmr_chunked_lap(w, BMR_STAGE_WRITE);
	return 0;
}

static int write_zeros(struct bmr_chunked_worker *w, uint32_t chunk, uint32_t count,
                       struct bmr_err *e)
{
	const struct bmr_chunked *c = w->c;
	uint64_t off = bmr_chunked_offset(c, chunk);
	uint32_t last = chunk + count - 1;
	uint64_t end = bmr_chunked_offset(c, last) + bmr_manifest_chunk_len(c->m, last);

	if (bmr_target_zero(c->target, off, end - off, e) < 0)
		return -1;
	atomic_fetch_add(&c->r->progress->zeroed, end - off);
	bmr_chunked_lap(w, BMR_STAGE_WRITE);
	return 0;
}

static int cannot_write(struct bmr_err *e)
{
	return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
}

/* Chunk 0 was read before all others. */
static int put_first(struct bmr_chunked_worker *w, struct bmr_err *e)
{
	const struct bmr_chunked *c = w->c;
	uint32_t len = bmr_manifest_chunk_len(c->m, 0);
	bool same;

	if (compare(w, 0, &same, e) < 0)
		return -1;
	same = same && (!c->fit.changed || bmr_table_has_tail(c->reader, &c->fit));
	if (!same && !bmr_chunked_may_write(w))
		return cannot_write(e);
	if (!same && len > BMR_CHUNK_SIZE) {
		memcpy(w->data, c->placed, len);
		if (write_data(w, 0, e) < 0)
			return -1;
	}
	bmr_chunked_finish(w->c, 0, !same && len > BMR_CHUNK_SIZE);
	return 0;
}

/* Fetch those of the unit that are needed, neighbours by one request. */
static int fetch_needed(struct bmr_chunked_worker *w, const bool *needed, struct bmr_err *e)
{
	for (unsigned i = 0; i < w->unit.count;) {
		unsigned from = i;

		while (i < w->unit.count && needed[i])
			i++;
		if (i > from && bmr_chunked_fetch(w, from, i - from, e) < 0)
			return -1;
		i += i == from;
	}
	return 0;
}

static int put_needed(struct bmr_chunked_worker *w, const bool *needed, struct bmr_err *e)
{
	for (unsigned i = 0; i < w->unit.count; i++) {
		uint32_t chunk = w->unit.first + i;

		if (!needed[i])
			continue;
		if (bmr_restore_stopped(w->c->r))
			return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
		if (bmr_chunked_unpack(w, i, e) < 0)
			return -1;
		if (!bmr_chunked_may_write(w))
			return cannot_write(e);
		if (write_data(w, chunk, e) < 0)
			return -1;
		bmr_chunked_keep_sum(w->c, chunk, &w->sum);
		bmr_chunked_finish(w->c, chunk, true);
	}
	return 0;
}

static int put_data(struct bmr_chunked_worker *w, struct bmr_err *e)
{
	bool needed[BMR_UNIT_CHUNKS];
	bool in_turn = w->unit.turn;

	if (in_turn) {
		int rc = bmr_chunked_fetch(w, 0, w->unit.count, e);

		bmr_chunked_end_turn(w);
		if (rc < 0)
			return -1;
	}
	for (unsigned i = 0; i < w->unit.count; i++) {
		bool same;

		if (compare(w, w->unit.first + i, &same, e) < 0)
			return -1;
		needed[i] = !same;
		if (same)
			bmr_chunked_finish(w->c, w->unit.first + i, false);
	}
	if (!in_turn && fetch_needed(w, needed, e) < 0)
		return -1;
	return put_needed(w, needed, e);
}

static int put_zero_chunk(struct bmr_chunked_worker *w, uint32_t chunk, struct bmr_err *e)
{
	bool same;

	if (compare(w, chunk, &same, e) < 0)
		return -1;
	if (!same && !bmr_chunked_may_write(w))
		return cannot_write(e);
	if (!same && write_zeros(w, chunk, 1, e) < 0)
		return -1;
	bmr_chunked_finish(w->c, chunk, !same);
	return 0;
}

static int put_zeros(struct bmr_chunked_worker *w, struct bmr_err *e)
{
	const struct bmr_unit *u = &w->unit;

	if (w->c->compare) {
		for (uint32_t i = 0; i < u->count; i++)
			if (put_zero_chunk(w, u->first + i, e) < 0)
				return -1;
		return 0;
	}
	if (!bmr_chunked_may_write(w))
		return cannot_write(e);
	if (write_zeros(w, u->first, u->count, e) < 0)
		return -1;
	for (uint32_t i = 0; i < u->count; i++)
		bmr_chunked_finish(w->c, u->first + i, true);
	return 0;
}

int bmr_chunked_put_unit(struct bmr_chunked_worker *w, struct bmr_err *e)
{
	if (bmr_restore_stopped(w->c->r)) {
		bmr_chunked_end_turn(w);
		return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
	}
	if (w->unit.first == 0)
		return put_first(w, e);
	switch (w->unit.kind) {
	case BMR_CHUNK_DATA:
		return put_data(w, e);
	case BMR_CHUNK_ZERO:
		return put_zeros(w, e);
	case BMR_CHUNK_UNUSED:
	case BMR_CHUNK_BASE:
		break;
	}
	for (uint32_t i = 0; i < w->unit.count; i++)
		bmr_chunked_finish(w->c, w->unit.first + i, false);
	return 0;
}

/* --- reading back --- */

static int look(struct bmr_chunked_worker *w, uint32_t chunk, bool *right, struct bmr_err *e)
{
	const struct bmr_chunked *c = w->c;
	uint32_t from = body_from(chunk);
	uint32_t len = bmr_manifest_chunk_len(c->m, chunk);

	if (bmr_restore_stopped(c->r))
		return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
	if (from > 0)
		memcpy(w->data, c->placed, from);
	if (bmr_target_read(c->target, w->data + from, len - from,
	                    bmr_chunked_offset(c, chunk) + from, e) < 0)
		return -1;
	bmr_chunked_lap(w, BMR_STAGE_READ);
	*right = is_unchanged(w, chunk);
	return 0;
}

/* The content of a chunk to w->data.  Zeros too: the hole may be what failed, so that they are
 * written this time. */
static int get_again(struct bmr_chunked_worker *w, uint32_t chunk, struct bmr_err *e)
{
	struct bmr_chain_place place;
	uint32_t len = bmr_manifest_chunk_len(w->c->m, chunk);

	if (chunk == 0) {
		memcpy(w->data, w->c->placed, len);
		return 0;
	}
	if (bmr_chunked_kind(w->c, chunk, &place) == BMR_CHUNK_DATA)
		return bmr_chunked_get(w, chunk, e);
	memset(w->data, 0, len);
	return 0;
}

static int write_anew(struct bmr_chunked_worker *w, uint32_t chunk, struct bmr_err *e)
{
	struct bmr_chunked *c = w->c;

	bmr_log_say(c->r->log, BMR_LOG_NOTICE,
	            "'%s' reads back wrong within %" PRIu32 " bytes from byte %" PRIu64
	            "; writing them again",
	            c->r->target->path, bmr_manifest_chunk_len(c->m, chunk),
	            bmr_chunked_offset(c, chunk));
	bmr_chunked_note_rewritten(c, bmr_manifest_chunk_len(c->m, chunk));
	if (get_again(w, chunk, e) < 0 || write_data(w, chunk, e) < 0 ||
	    bmr_target_flush(c->target, e) < 0 || bmr_target_drop_cache(c->target, e) < 0)
		return -1;
	bmr_chunked_lap(w, BMR_STAGE_FLUSH);
	return 0;
}

int bmr_chunked_read_back(struct bmr_chunked_worker *w, uint32_t chunk, struct bmr_err *e)
{
	struct bmr_chunked *c = w->c;
	bool right;

	if (look(w, chunk, &right, e) < 0)
		return -1;
	for (int i = 0; !right && i < BMR_REWRITES_MAX; i++)
		if (write_anew(w, chunk, e) < 0 || look(w, chunk, &right, e) < 0)
			return -1;
	if (!right)
		bmr_chunked_note_bad(c, chunk);
	atomic_fetch_add(&c->r->progress->verified,
	                 bmr_manifest_chunk_len(c->m, chunk) - body_from(chunk));
	return 0;
}
