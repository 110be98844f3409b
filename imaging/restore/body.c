/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/restore/body.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checksum.h"
#include "base/err.h"
#include "base/log.h"
#include "base/size.h"
#include "imaging/restore/checked.h"
#include "imaging/image.h"
#include "imaging/restore/order.h"
#include "imaging/restore/pipe.h"
#include "imaging/restore/proof.h"
#include "imaging/restore/readback.h"
#include "imaging/stage.h"
#include "imaging/disk/target.h"
#include "imaging/zero.h"

/* A new file has no size yet; its proof is sized for this much. */
#define NEW_FILE_MAX ((uint64_t)1 << 44)

struct bmr_body {
	const struct bmr_restore *r;
	struct bmr_target *target;
	struct bmr_proof *proof;
	uint64_t limit; /* the disk's size */
	uint8_t *first; /* the first chunk; written by one worker only */
	size_t first_len;
	bool *bad;                      /* groups that read back wrong */
	bool repairing;                 /* write only bad groups */
	uint8_t *disk[BMR_WORKERS_MAX]; /* one a worker: what the disk holds, for compare */
	unsigned worker_count;
};

/* --- writing --- */

static int put_zeros(struct bmr_body *b, const struct bmr_chunk *c, struct bmr_err *e)
{
	if (bmr_target_zero(b->target, c->offset, c->len, e) < 0)
		return -1;
	atomic_fetch_add(&b->r->progress->zeroed, c->len);
	return 0;
}

static int put_data(struct bmr_body *b, const struct bmr_chunk *c, struct bmr_err *e)
{
	if (bmr_target_write(b->target, c->data, c->len, c->offset, e) < 0)
		return -1;
	atomic_fetch_add(&b->r->progress->written, c->len);
	return 0;
}

static bool holds_already(struct bmr_body *b, const struct bmr_chunk *c, unsigned worker,
                          uint64_t *since)
{
	uint8_t *disk = b->disk[worker];
	struct bmr_err ignored; /* a sector that cannot be read may well be written */
	bool same;

	if (!b->r->compare || b->repairing)
		return false;
	same = bmr_target_read(b->target, disk, c->len, c->offset, &ignored) == 0 &&
	       memcmp(disk, c->data, c->len) == 0;
	bmr_lap(&b->r->progress->stages, BMR_STAGE_READ, since);
	return same;
}

/* Put one chunk on the disk.  A repair writes zeros as data: the hole may be what failed. */
static int put(struct bmr_body *b, const struct bmr_chunk *c, unsigned worker, uint64_t *since,
               struct bmr_err *e)
{
	struct bmr_stages *stages = &b->r->progress->stages;
	bool zero;
	int rc;

	if (holds_already(b, c, worker, since)) {
		atomic_fetch_add(&b->r->progress->skipped, c->len);
		return 0;
	}
	zero = !b->repairing && bmr_zero_is(c->data, c->len);
	bmr_lap(stages, BMR_STAGE_HASH, since);
	rc = zero ? put_zeros(b, c, e) : put_data(b, c, e);
	bmr_lap(stages, BMR_STAGE_WRITE, since);
	return rc;
}

static int check_chunk(const struct bmr_body *b, const struct bmr_chunk *c, struct bmr_err *e)
{
	if (!bmr_size_inside(c->offset, c->len, b->limit))
		return bmr_err_set(e, BMR_E_REFUSED, 0,
		                   "'%s' is too small: it has %" PRIu64
		                   " bytes and the image goes on",
		                   b->r->target->path, b->limit);
	return bmr_image_check_sectors(c->offset + c->len, b->r->target->sector, e);
}

static int body_work(void *ctx, const struct bmr_chunk *c, unsigned worker, struct bmr_err *e)
{
	struct bmr_body *b = ctx;
	uint64_t since = bmr_clock_ns();
	struct bmr_checksum checksum;

	if (check_chunk(b, c, e) < 0)
		return -1;
	if (c->index == 0) {
		memcpy(b->first, c->data, c->len);
		b->first_len = c->len;
		return 0;
	}
	checksum = bmr_checksum_of(c->data, c->len);
	if (bmr_proof_add(b->proof, c->index, &checksum, e) < 0)
		return -1;
	bmr_lap(&b->r->progress->stages, BMR_STAGE_HASH, &since);
	return put(b, c, worker, &since, e);
}

static int repair_work(void *ctx, const struct bmr_chunk *c, unsigned worker, struct bmr_err *e)
{
	struct bmr_body *b = ctx;
	uint64_t since = bmr_clock_ns();

	if (c->index == 0 || !b->bad[c->index / bmr_proof_group(b->proof)])
		return 0;
	return put(b, c, worker, &since, e);
}

static int stream(struct bmr_body *b,
                  int (*work)(void *, const struct bmr_chunk *, unsigned, struct bmr_err *),
                  struct bmr_pipe_result *result, struct bmr_err *e)
{
	struct bmr_pipe pipe = {
		.source = b->r->source,
		.format = b->r->image->format,
		.workers = b->worker_count,
		.work = work,
		.ctx = b,
		.stop_source = true,
		.progress = &b->r->progress->pipe,
		.stages = &b->r->progress->stages,
		.stop = b->r->stop,
	};

	return bmr_pipe_run(&pipe, result, e);
}

int bmr_body_write(struct bmr_body *b, struct bmr_target *target, struct bmr_pipe_result *result,
                   struct bmr_err *e)
{
	b->target = target;
	return stream(b, body_work, result, e);
}

const uint8_t *bmr_body_first(const struct bmr_body *b, size_t *len)
{
	*len = b->first_len;
	return b->first;
}

/* --- reading back --- */

static int read_back_once(struct bmr_body *b, uint64_t size, bool only_bad, uint64_t *bad,
                          uint64_t *first_bad, struct bmr_err *e)
{
	struct bmr_readback rb = {
		.target = b->target,
		.proof = b->proof,
		.size = size,
		.workers = b->worker_count,
		.bad = b->bad,
		.only_bad = only_bad,
		.progress = &b->r->progress->verified,
		.stages = &b->r->progress->stages,
		.stop = b->r->stop,
	};

	bmr_restore_enter(b->r, BMR_PHASE_READBACK);
	return bmr_readback_run(&rb, bad, first_bad, e);
}

static int repair(struct bmr_body *b, const struct bmr_pipe_result *expected, struct bmr_err *e)
{
	struct bmr_pipe_result again;

	bmr_restore_enter(b->r, BMR_PHASE_REPAIR);
	b->repairing = true;
	if (stream(b, repair_work, &again, e) < 0)
		return -1;
	if (again.size != expected->size || !bmr_digest_equal(&again.sha256, &expected->sha256))
		return bmr_err_set(e, BMR_E_DATA, 0, "the image changed while it was restored");
	return bmr_target_flush(b->target, e);
}

int bmr_body_read_back(struct bmr_body *b, const struct bmr_pipe_result *pipe, uint64_t *rewritten,
                       struct bmr_err *e)
{
	uint64_t bad = 0;
	uint64_t first = 0;

	/* What was read for comparing does not count. */
	atomic_store(&b->r->progress->verified, 0);
	atomic_store(&b->r->progress->to_verify, pipe->size);
	if (read_back_once(b, pipe->size, false, &bad, &first, e) < 0)
		return -1;
	for (int i = 0; bad > 0 && i < BMR_REWRITES_MAX; i++) {
		bmr_log_say(b->r->log, BMR_LOG_NOTICE,
		            "'%s' reads back wrong in %" PRIu64
		            " places, the first at byte %" PRIu64 "; writing them again",
		            b->r->target->path, bad, first);
		*rewritten += bad;
		if (repair(b, pipe, e) < 0 ||
		    read_back_once(b, pipe->size, true, &bad, &first, e) < 0)
			return -1;
	}
	if (bad > 0)
		return bmr_err_set(e, BMR_E_TARGET, 0,
		                   "'%s' does not hold what was written: %" PRIu64
		                   " MiB-chunks read back wrong after %d rewrites, the first at "
		                   "sector %" PRIu64,
		                   b->r->target->path, bad * bmr_proof_group(b->proof),
		                   BMR_REWRITES_MAX, first / b->r->target->sector);
	return 0;
}

/* --- memory --- */

static int allocate(struct bmr_body *b, struct bmr_err *e)
{
	b->first = aligned_alloc(BMR_CHUNK_ALIGN, BMR_CHUNK_SIZE);
	if (!b->first)
		return bmr_err_nomem(e, "the first MiB");
	if (bmr_proof_open(b->limit, &b->proof, e) < 0)
		return -1;
	b->bad = calloc(b->limit / BMR_CHUNK_SIZE / bmr_proof_group(b->proof) + 1, sizeof *b->bad);
	if (!b->bad)
		return bmr_err_nomem(e, "the proof");
	for (; b->worker_count < bmr_pipe_workers(); b->worker_count++) {
		b->disk[b->worker_count] = aligned_alloc(BMR_CHUNK_ALIGN, BMR_CHUNK_SIZE);
		if (!b->disk[b->worker_count])
			return bmr_err_nomem(e, "a worker");
	}
	return 0;
}

int bmr_body_open(const struct bmr_restore *r, struct bmr_body **out, struct bmr_err *e)
{
	struct bmr_body *b = calloc(1, sizeof *b);

	if (!b)
		return bmr_err_nomem(e, "the restore");
	b->r = r;
	b->limit = r->target->is_new ? NEW_FILE_MAX : r->target->size;
	if (allocate(b, e) < 0) {
		bmr_body_close(b);
		return -1;
	}
	*out = b;
	return 0;
}

void bmr_body_close(struct bmr_body *b)
{
	if (!b)
		return;
	for (unsigned i = 0; i < BMR_WORKERS_MAX; i++)
		free(b->disk[i]);
	bmr_proof_close(b->proof);
	free(b->bad);
	free(b->first);
	free(b);
}
