/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/verify.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/size.h"
#include "imaging/image.h"
#include "imaging/restore/pipe.h"
#include "imaging/restore/restore.h"
#include "imaging/table/table.h"
#include "imaging/disk/target.h"
#include "transport/source.h"

struct run {
	const struct bmr_verify *v; /* read-only while threads run, as is all down to lock */
	struct bmr_target *target;
	uint8_t *buffers[BMR_WORKERS_MAX]; /* one a worker: what the disk holds */

	pthread_mutex_t lock; /* guards all below */
	uint64_t differing;
	uint64_t first_difference;
	uint64_t tail;          /* where the backup of a fitted table begins; UINT64_MAX: none */
	uint64_t in_tail;       /* chunks that differ only where such a backup may lie */
	uint64_t first_in_tail; /* bytes */
	bool not_fitted;        /* the table is the image's: wrong on a disk that is longer */
};

size_t bmr_first_difference(const uint8_t *a, const uint8_t *b, size_t len)
{
	size_t i = 0;

	if (memcmp(a, b, len) == 0)
		return len;
	while (a[i] == b[i])
		i++;
	return i;
}

static int found_difference(struct run *run, uint64_t at, struct bmr_err *e)
{
	pthread_mutex_lock(&run->lock);
	run->differing++;
	if (at < run->first_difference)
		run->first_difference = at;
	pthread_mutex_unlock(&run->lock);
	if (!run->v->first_difference_ends)
		return 0;
	return bmr_err_set(e, BMR_E_STOPPED, 0, "the disk differs");
}

/* Chunk 0 came before all others, but another worker may be at it still: what a backup explains is
 * sorted out in the end. */
static int keep_for_the_end(struct run *run, uint64_t at)
{
	pthread_mutex_lock(&run->lock);
	run->in_tail++;
	run->first_in_tail = bmr_size_min(run->first_in_tail, at);
	pthread_mutex_unlock(&run->lock);
	return 0;
}

static int sort_out_tail(struct run *run, struct bmr_err *e)
{
	if (run->in_tail == 0 || run->first_in_tail >= run->tail)
		return 0;
	run->differing += run->in_tail - 1;
	return found_difference(run, run->first_in_tail, e);
}

static bool is_fitted(struct run *run, const uint8_t *disk, const struct bmr_chunk *c, size_t len)
{
	uint64_t tail;

	if (!bmr_table_was_fitted(run->target, disk, c->data, len, &tail))
		return false;
	pthread_mutex_lock(&run->lock);
	run->tail = tail;
	pthread_mutex_unlock(&run->lock);
	return true;
}

static int check_length(struct run *run, uint64_t size, struct bmr_err *e)
{
	return run->v->target->size > size ? found_difference(run, 0, e) : 0;
}

/* Chunk 0 is as in the image.  A stream tells only in the end whether the disk is longer. */
static int check_not_fitted(struct run *run, const struct bmr_chunk *c, struct bmr_err *e)
{
	if (!run->v->fitted || !bmr_table_can_fit(c->data, c->len, run->v->target->size))
		return 0;
	if (run->v->image->size > 0)
		return check_length(run, run->v->image->size, e);
	pthread_mutex_lock(&run->lock);
	run->not_fitted = true;
	pthread_mutex_unlock(&run->lock);
	return 0;
}

/* disk: the first len bytes of the chunk, as the disk has them. */
static int compare_chunk(struct run *run, const uint8_t *disk, const struct bmr_chunk *c,
                         size_t len, struct bmr_err *e)
{
	size_t at = bmr_first_difference(disk, c->data, len);
	uint64_t where = c->offset + at;
	bool same = at == c->len;

	if (c->index == 0 && same)
		return check_not_fitted(run, c, e);
	if (c->index == 0 && at < len)
		same = is_fitted(run, disk, c, len);
	if (same)
		return 0;
	if (bmr_table_in_tail(where, run->v->target->size))
		return keep_for_the_end(run, where);
	return found_difference(run, where, e);
}

static int compare_work(void *ctx, const struct bmr_chunk *c, unsigned worker, struct bmr_err *e)
{
	struct run *run = ctx;
	uint64_t size = run->v->target->size;
	uint8_t *disk = run->buffers[worker];
	size_t len = c->len;

	if (c->offset >= size)
		return found_difference(run, c->offset, e);
	/* The whole sectors that the disk still has; the image may end in the middle of one. */
	len = (size_t)bmr_size_min(len, size - c->offset);
	len -= len % run->v->target->sector;
	if (bmr_target_read(run->target, disk, len, c->offset, e) < 0)
		/* Writing may well mend a sector that cannot be read. */
		return run->v->first_difference_ends ? found_difference(run, c->offset, e) : -1;
	atomic_fetch_add(&run->v->progress->verified, len);
	return compare_chunk(run, disk, c, len, e);
}

static int run_pipe(struct run *run, struct bmr_verify_result *result, struct bmr_err *e)
{
	const struct bmr_verify *v = run->v;
	struct bmr_pipe_result out = {0};
	struct bmr_pipe pipe = {
		.source = v->source,
		.format = v->image->format,
		.workers = v->target ? bmr_pipe_workers() : 0,
		.work = v->target ? compare_work : NULL,
		.ctx = run,
		.progress = &v->progress->pipe,
		.stop = v->stop,
	};
	int rc = bmr_pipe_run(&pipe, &out, e);

	if (rc == 0)
		rc = sort_out_tail(run, e);
	if (rc == 0 && run->not_fitted)
		rc = check_length(run, out.size, e);
	result->differing = run->differing;
	result->first_difference = run->first_difference;
	if (rc < 0)
		return v->first_difference_ends && run->differing > 0 ? 0 : -1;
	result->size = out.size;
	result->sha256 = out.sha256;
	if (bmr_image_check_size(v->image, out.size, 512, e) < 0)
		return -1;
	return bmr_source_check_unchanged(v->source, e);
}

static int open_target(struct run *run, struct bmr_err *e)
{
	if (!run->v->target)
		return 0;
	for (unsigned i = 0; i < BMR_WORKERS_MAX; i++) {
		run->buffers[i] = aligned_alloc(BMR_CHUNK_ALIGN, BMR_CHUNK_SIZE);
		if (!run->buffers[i])
			return bmr_err_nomem(e, "comparing");
	}
	if (bmr_target_open_readonly(run->v->target, &run->target, e) < 0)
		return -1;
	return bmr_target_drop_cache(run->target, e);
}

int bmr_verify_run(const struct bmr_verify *verify, struct bmr_verify_result *result,
                   struct bmr_err *e)
{
	struct run run = {.v = verify,
	                  .first_difference = UINT64_MAX,
	                  .tail = UINT64_MAX,
	                  .first_in_tail = UINT64_MAX};
	struct bmr_err ignored; /* closing what was only read */
	int rc;

	memset(result, 0, sizeof *result);
	pthread_mutex_init(&run.lock, NULL);
	rc = open_target(&run, e);
	if (rc == 0)
		rc = run_pipe(&run, result, e);
	bmr_target_close(run.target, &ignored);
	for (unsigned i = 0; i < BMR_WORKERS_MAX; i++)
		free(run.buffers[i]);
	pthread_mutex_destroy(&run.lock);
	return rc;
}
