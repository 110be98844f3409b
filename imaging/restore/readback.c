/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/restore/readback.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/checksum.h"
#include "base/err.h"
#include "base/size.h"
#include "imaging/restore/pipe.h"
#include "imaging/restore/proof.h"
#include "imaging/stage.h"
#include "imaging/disk/target.h"

struct run {
	const struct bmr_readback *rb; /* read-only while threads run, as is all down to lock */
	uint64_t group_bytes;
	uint64_t groups;

	pthread_mutex_t lock; /* guards all below */
	uint64_t next;        /* next group that a worker takes */
	uint64_t bad_count;
	uint64_t first_bad;
	bool failed;
	uint64_t failed_at;
	struct bmr_err err;
};

struct reader { /* what one thread needs */
	struct run *run;
	uint8_t *buffer;
};

static bool claim(struct run *r, uint64_t *group)
{
	const struct bmr_readback *rb = r->rb;
	bool go;

	pthread_mutex_lock(&r->lock);
	while (rb->only_bad && r->next < r->groups && !rb->bad[r->next])
		r->next++;
	go = !r->failed && r->next < r->groups;
	if (go)
		*group = r->next++;
	pthread_mutex_unlock(&r->lock);
	return go;
}

static void fail(struct run *r, uint64_t group, const struct bmr_err *err)
{
	pthread_mutex_lock(&r->lock);
	if (!r->failed || group < r->failed_at) {
		r->failed = true;
		r->failed_at = group;
		r->err = *err;
	}
	pthread_mutex_unlock(&r->lock);
}

static void note(struct run *r, uint64_t group, bool agrees)
{
	pthread_mutex_lock(&r->lock);
	r->rb->bad[group] = !agrees;
	if (!agrees) {
		r->bad_count++;
		if (group * r->group_bytes < r->first_bad)
			r->first_bad = group * r->group_bytes;
	}
	pthread_mutex_unlock(&r->lock);
}

static int read_group(struct reader *d, uint64_t group, struct bmr_err *e)
{
	struct run *r = d->run;
	uint64_t off = group * r->group_bytes;
	uint64_t end = bmr_size_min(r->rb->size, off + r->group_bytes);
	struct bmr_checksum sum = {0};
	uint64_t since = bmr_clock_ns();

	if (off == 0)
		off = BMR_CHUNK_SIZE;
	while (off < end) {
		size_t len = (size_t)bmr_size_min(BMR_CHUNK_SIZE, end - off);
		struct bmr_checksum checksum;

		if (r->rb->stop && atomic_load(r->rb->stop))
			return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
		if (bmr_target_read(r->rb->target, d->buffer, len, off, e) < 0)
			return -1;
		atomic_fetch_add(r->rb->progress, len);
		bmr_lap(r->rb->stages, BMR_STAGE_READ, &since);
		checksum = bmr_checksum_of(d->buffer, len);
		bmr_proof_mix(&sum, off / BMR_CHUNK_SIZE, &checksum);
		bmr_lap(r->rb->stages, BMR_STAGE_HASH, &since);
		off += len;
	}
	note(r, group, bmr_proof_agrees(r->rb->proof, group, &sum));
	return 0;
}

static void *reader_main(void *arg)
{
	struct reader *d = arg;
	struct bmr_err err;
	uint64_t group;

	while (claim(d->run, &group))
		if (read_group(d, group, &err) < 0)
			fail(d->run, group, &err);
	return NULL;
}

static int prepare_reader(struct run *r, struct reader *d, struct bmr_err *e)
{
	d->run = r;
	d->buffer = aligned_alloc(BMR_CHUNK_ALIGN, BMR_CHUNK_SIZE);
	if (!d->buffer)
		return bmr_err_nomem(e, "reading back");
	return 0;
}

static int run_readers(struct run *r, struct reader *readers, struct bmr_err *e)
{
	pthread_t threads[BMR_WORKERS_MAX];
	unsigned started = 0;

	for (; started < r->rb->workers; started++) {
		int rc;

		if (prepare_reader(r, &readers[started], e) < 0)
			break;
		rc = pthread_create(&threads[started], NULL, reader_main, &readers[started]);
		if (rc != 0) {
			bmr_err_set(e, BMR_E_NOMEM, rc, "cannot start a thread");
			break;
		}
	}
	for (unsigned i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	return started == r->rb->workers ? 0 : -1;
}

int bmr_readback_run(const struct bmr_readback *rb, uint64_t *bad_groups, uint64_t *first_bad,
                     struct bmr_err *e)
{
	struct reader readers[BMR_WORKERS_MAX] = {0};
	struct run r = {.rb = rb, .first_bad = UINT64_MAX};
	int rc;

	r.group_bytes = bmr_proof_group(rb->proof) * BMR_CHUNK_SIZE;
	r.groups = (rb->size + r.group_bytes - 1) / r.group_bytes;
	if (bmr_target_drop_cache(rb->target, e) < 0)
		return -1;
	pthread_mutex_init(&r.lock, NULL);
	rc = run_readers(&r, readers, e);
	pthread_mutex_destroy(&r.lock);
	for (unsigned i = 0; i < BMR_WORKERS_MAX; i++)
		free(readers[i].buffer);
	if (rc == 0 && r.failed) {
		*e = r.err;
		return -1;
	}
	*bad_groups = r.bad_count;
	*first_bad = r.first_bad;
	return rc;
}
