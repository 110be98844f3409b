/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/restore/fetch.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/size.h"
#include "imaging/stage.h"
#include "transport/source.h"

#define DEPTH_MAX 16

enum block_state {
	FREE,
	READING,
	READY
};

struct block {
	enum block_state state; /* guarded by fetch.lock; the rest belongs to who put it there */
	uint8_t *data;
	size_t len;
	int rc;
	struct bmr_err err;
};

struct bmr_fetch {
	struct bmr_source *source; /* read-only while threads run, as is all down to lock */
	struct bmr_stages *stages;
	size_t block_size;
	unsigned block_count;
	unsigned thread_count;
	pthread_t threads[DEPTH_MAX];

	pthread_mutex_t lock; /* guards all below, and block.state */
	pthread_cond_t changed;
	uint64_t next_claim; /* number of the next block to be read */
	uint64_t next_take;  /* number of the block that the caller gets next */
	bool held;           /* the caller still looks at block next_take - 1 */
	bool no_more;        /* a reader saw the end or failed: later blocks are not read */
	bool stop;
	struct block blocks[DEPTH_MAX + 1]; /* block n is blocks[n % block_count] */
};

static struct block *block_of(struct bmr_fetch *f, uint64_t number)
{
	return &f->blocks[number % f->block_count];
}

/* Wait for a free block; false when there is nothing left to read. */
static bool claim(struct bmr_fetch *f, uint64_t *number)
{
	bool go;

	pthread_mutex_lock(&f->lock);
	while (!f->stop && !f->no_more && block_of(f, f->next_claim)->state != FREE)
		pthread_cond_wait(&f->changed, &f->lock);
	go = !f->stop && !f->no_more;
	if (go) {
		*number = f->next_claim++;
		block_of(f, *number)->state = READING;
	}
	pthread_mutex_unlock(&f->lock);
	return go;
}

static void publish(struct bmr_fetch *f, struct block *b)
{
	pthread_mutex_lock(&f->lock);
	b->state = READY;
	if (b->rc < 0 || b->len < f->block_size)
		f->no_more = true;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

static void read_block(struct bmr_fetch *f, struct block *b, uint64_t number)
{
	uint64_t size = bmr_source_size(f->source);
	uint64_t off = number * f->block_size;

	b->len = 0;
	b->rc = 0;
	if (off >= size) /* several readers: one may claim past the end before another sees it */
		return;
	b->rc = bmr_source_read(f->source, b->data, f->block_size, off, &b->len, &b->err);
}

static void *reader(void *arg)
{
	struct bmr_fetch *f = arg;
	uint64_t since = bmr_clock_ns();
	uint64_t number;

	while (claim(f, &number)) {
		struct block *b = block_of(f, number);

		bmr_lap(f->stages, BMR_STAGE_WAIT, &since);
		read_block(f, b, number);
		bmr_lap(f->stages, BMR_STAGE_FETCH, &since);
		publish(f, b);
	}
	return NULL;
}

static int start_threads(struct bmr_fetch *f, unsigned count, struct bmr_err *e)
{
	for (; f->thread_count < count; f->thread_count++) {
		int rc = pthread_create(&f->threads[f->thread_count], NULL, reader, f);

		if (rc != 0)
			return bmr_err_set(e, BMR_E_NOMEM, rc, "cannot start a reader thread");
	}
	return 0;
}

static int allocate_blocks(struct bmr_fetch *f, struct bmr_err *e)
{
	for (unsigned i = 0; i < f->block_count; i++) {
		f->blocks[i].data = malloc(f->block_size);
		if (!f->blocks[i].data)
			return bmr_err_nomem(e, "read-ahead");
	}
	return 0;
}

int bmr_fetch_open(struct bmr_source *source, struct bmr_stages *stages, struct bmr_fetch **out,
                   struct bmr_err *e)
{
	struct bmr_fetch *f = calloc(1, sizeof *f);
	unsigned depth;

	if (!f)
		return bmr_err_nomem(e, "read-ahead");
	depth = bmr_source_seekable(source) ? bmr_source_depth(source) : 1;
	depth = depth < 1 ? 1 : depth > DEPTH_MAX ? DEPTH_MAX : depth;
	f->source = source;
	f->stages = stages;
	f->block_size = bmr_source_block(source);
	f->block_count = depth + 1;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->changed, NULL);
	if (allocate_blocks(f, e) < 0 || start_threads(f, depth, e) < 0) {
		bmr_fetch_close(f);
		return -1;
	}
	*out = f;
	return 0;
}

/* Give the block that the caller looked at back to the readers. */
static void release_held(struct bmr_fetch *f)
{
	if (!f->held)
		return;
	block_of(f, f->next_take - 1)->state = FREE;
	f->held = false;
	pthread_cond_broadcast(&f->changed);
}

/* Wait for the block that is next in order; NULL when all have been taken. */
static struct block *take(struct bmr_fetch *f)
{
	struct block *b;

	pthread_mutex_lock(&f->lock);
	release_held(f);
	b = block_of(f, f->next_take);
	while (b->state != READY && !(f->no_more && f->next_take >= f->next_claim))
		pthread_cond_wait(&f->changed, &f->lock);
	if (b->state == READY && b->rc == 0 && b->len > 0) {
		f->next_take++;
		f->held = true;
	}
	pthread_mutex_unlock(&f->lock);
	return b->state == READY ? b : NULL;
}

int bmr_fetch_next(void *ctx, const uint8_t **data, size_t *len, struct bmr_err *e)
{
	struct bmr_fetch *f = ctx;
	const struct block *b = take(f);

	*len = 0;
	if (!b)
		return 0;
	if (b->rc < 0) {
		*e = b->err;
		return -1;
	}
	*data = b->data;
	*len = b->len;
	return 0;
}

void bmr_fetch_close(struct bmr_fetch *f)
{
	if (!f)
		return;
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
	for (unsigned i = 0; i < f->thread_count; i++)
		pthread_join(f->threads[i], NULL);
	for (unsigned i = 0; i < f->block_count; i++)
		free(f->blocks[i].data);
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->lock);
	free(f);
}
