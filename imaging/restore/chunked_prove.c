/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/restore/chunked_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/log.h"
#include "imaging/image.h"
#include "imaging/disk/target.h"

/* --- when all is written --- */

static int stopped(const struct bmr_chunked *c, struct bmr_err *e)
{
	if (!bmr_restore_stopped(c->r))
		return 0;
	return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
}

/* What was restored: the disk that was written, or the one that held it already. */
static struct bmr_target *disk_of(const struct bmr_chunked *c)
{
	return c->target ? c->target : c->reader;
}

/* Of a region the first chunk whose content is known; its end if there is none. */
static uint32_t sample_of(const struct bmr_chunked *c, uint32_t first, uint32_t end)
{
	struct bmr_chain_place place;
	uint32_t chunk = first == 0 ? 1 : first;

	while (chunk < end && bmr_chunked_kind(c, chunk, &place) == BMR_CHUNK_UNUSED) {
		const struct bmr_manifest_entry *entry = bmr_manifest_at(c->m, chunk);

		chunk = entry->first + entry->count;
	}
	return chunk < end ? chunk : end;
}

static int look_at(struct bmr_chunked *c, uint32_t chunk, bool *right, struct bmr_err *e)
{
	struct bmr_chunked_worker *w = &c->workers[0];
	uint32_t len = bmr_manifest_chunk_len(c->m, chunk);

	if (stopped(c, e) < 0 ||
	    bmr_target_read(c->target, w->data, len, bmr_chunked_offset(c, chunk), e) < 0)
		return -1;
	atomic_fetch_add(&c->r->progress->verified, len);
	return bmr_chunked_is_right(w, chunk, right, e);
}

/* It was right before.  A read that went wrong is tried again; but nothing is written anew: on a disk
 * that is smaller than it says this would destroy another chunk. */
static int check_sample(struct bmr_chunked *c, uint32_t chunk, struct bmr_err *e)
{
	const struct bmr_target_info *target = c->r->target;
	uint64_t off = bmr_chunked_offset(c, chunk);
	bool right;

	if (look_at(c, chunk, &right, e) < 0)
		return -1;
	if (right)
		return 0;
	bmr_log_say(c->r->log, BMR_LOG_NOTICE,
	            "'%s' reads back wrong at byte %" PRIu64 ", where it was right before; looking "
	            "once more",
	            target->path, off);
	if (look_at(c, chunk, &right, e) < 0)
		return -1;
	if (right)
		return 0;
	return bmr_err_set(e, BMR_E_TARGET, 0,
	                   "'%s' no longer holds what was written and read back: the chunk at "
	                   "sector %" PRIu64 " changed since; is the disk as large as it says?",
	                   target->path, off / target->sector);
}

static int check_samples(struct bmr_chunked *c, struct bmr_err *e)
{
	uint32_t chunks = bmr_manifest_chunks(c->m);

	if (bmr_target_drop_cache(c->target, e) < 0)
		return -1;
	for (uint64_t first = 0; first < chunks; first += BMR_REGION_CHUNKS) {
		uint32_t left = chunks - (uint32_t)first;
		uint32_t end =
			(uint32_t)first + (left < BMR_REGION_CHUNKS ? left : BMR_REGION_CHUNKS);
		uint32_t chunk = sample_of(c, (uint32_t)first, end);

		if (chunk < end && check_sample(c, chunk, e) < 0)
			return -1;
	}
	return 0;
}

/* What the raw image has in this chunk, to w->data. */
static int read_raw(struct bmr_chunked *c, uint32_t chunk, uint32_t len, struct bmr_err *e)
{
	struct bmr_chunked_worker *w = &c->workers[0];
	struct bmr_chain_place place;

	if (chunk == 0) {
		memcpy(w->data, c->first, len); /* on the disk it comes last */
		return 0;
	}
	if (bmr_chunked_kind(c, chunk, &place) == BMR_CHUNK_DATA)
		return bmr_target_read(disk_of(c), w->data, len, bmr_chunked_offset(c, chunk), e);
	memset(w->data, 0, len);
	return 0;
}

static int check_digest(struct bmr_chunked *c, struct bmr_err *e)
{
	struct bmr_chunked_worker *w = &c->workers[0];
	struct bmr_digest_value found;

	if (!c->r->sha256)
		return 0;
	for (uint32_t chunk = 0; chunk < bmr_manifest_chunks(c->m); chunk++) {
		uint32_t len = bmr_manifest_chunk_len(c->m, chunk);

		if (stopped(c, e) < 0 || read_raw(c, chunk, len, e) < 0 ||
		    bmr_digest_add(w->digest, w->data, len, e) < 0)
			return -1;
	}
	return bmr_digest_finish(w->digest, &found, e) < 0
	               ? -1
	               : bmr_digest_expect(&found, c->r->sha256, e);
}

int bmr_chunked_prove(struct bmr_chunked *c, struct bmr_err *e)
{
	if (c->target && c->r->read_back && check_samples(c, e) < 0)
		return -1;
	return check_digest(c, e);
}

/* --- before anything is written --- */

#define FIRST_SAMPLES 16
#define SPREAD_SAMPLES 16
#define EQUAL_PERCENT 15

struct look {
	struct bmr_target *disk;
	const struct bmr_manifest *m;
	struct bmr_digest *digest;
	uint8_t *data;
};

static bool has_content(const struct bmr_manifest_entry *entry)
{
	return entry->first > 0 && (entry->kind == BMR_CHUNK_DATA || entry->kind == BMR_CHUNK_BASE);
}

static bool holds(struct look *l, const struct bmr_manifest_entry *entry)
{
	uint32_t len = bmr_manifest_chunk_len(l->m, entry->first);
	struct bmr_digest_value digest;
	struct bmr_err ignored;

	return bmr_target_read(l->disk, l->data, len,
	                       (uint64_t)entry->first * l->m->head.chunk_size, &ignored) == 0 &&
	       bmr_digest_of(l->digest, l->data, len, &digest, &ignored) == 0 &&
	       bmr_digest_equal(&digest, &entry->digest);
}

/* Any of the first ones will do: a restore that was cut off early got no further. */
static bool first_ones_hold(struct look *l)
{
	unsigned seen = 0;

	for (uint32_t i = 0; i < l->m->entry_count && seen < FIRST_SAMPLES; i++) {
		if (!has_content(&l->m->entries[i]))
			continue;
		if (holds(l, &l->m->entries[i]))
			return true;
		seen++;
	}
	return false;
}

static bool spread_ones_hold(struct look *l)
{
	unsigned seen = 0;
	unsigned equal = 0;

	for (unsigned i = 0; i < SPREAD_SAMPLES; i++) {
		uint32_t at = (uint32_t)((uint64_t)l->m->entry_count * (2 * i + 1) /
		                         (2 * SPREAD_SAMPLES));

		if (!has_content(&l->m->entries[at]))
			continue;
		equal += holds(l, &l->m->entries[at]);
		seen++;
	}
	return equal > 0 && equal * 100 >= seen * EQUAL_PERCENT;
}

int bmr_chunked_resembles(const struct bmr_restore *r, bool *does, struct bmr_err *e)
{
	const struct bmr_manifest *m = r->image->manifest;
	AUTO_FREE uint8_t *data = aligned_alloc(BMR_CHUNK_ALIGN, m->head.chunk_size);
	struct look look = {.m = m, .data = data};
	struct bmr_err ignored; /* closing what was only read */

	*does = false;
	if (!data)
		return bmr_err_nomem(e, "looking at the disk");
	if (r->target->is_new)
		return 0;
	if (bmr_digest_open(&look.digest, e) < 0)
		return -1;
	if (bmr_target_open_readonly(r->target, &look.disk, e) < 0) {
		bmr_digest_close(look.digest);
		return -1;
	}
	*does = first_ones_hold(&look) || spread_ones_hold(&look);
	bmr_target_close(look.disk, &ignored);
	bmr_digest_close(look.digest);
	return 0;
}
