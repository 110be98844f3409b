/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ring.h - what the files of imaging/capture/ share; for nobody else.
 *
 * capture.c makes and frees the ring and starts the threads; work.c: workers, which claim a
 * slot, read and pack; order.c: hasher and writer, which take the slots in disk order.
 */
#ifndef BMR_IMAGING_CAPTURE_RING_H
#define BMR_IMAGING_CAPTURE_RING_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/err.h"
#include "imaging/capture/careful.h"
#include "imaging/bmr/manifest.h"

struct bmr_capture;
struct bmr_capture_result;
struct bmr_packer;
struct bmr_used;
struct bmr_writer;

enum slot_state {
	SLOT_FREE,
	SLOT_CLAIMED, /* its worker's */
	SLOT_FILLED,  /* .data is final: the hasher may read it */
	SLOT_READY,   /* .frame and the rest are final: the writer may read them */
};

/* One chunk, or a run of unused ones, on its way. */
struct bmr_ring_slot {
	enum slot_state state; /* guarded by bmr_ring.lock */
	unsigned users;        /* hasher and writer that still need it; guarded by bmr_ring.lock */
	uint32_t first;
	uint32_t count; /* chunks; 1 unless kind is UNUSED */
	enum bmr_chunk_kind kind;
	size_t len;    /* bytes of the chunk */
	uint64_t used; /* of them, those to be read */
	uint8_t *data;
	uint8_t *frame;
	size_t stored;
	struct bmr_digest_value digest;
	struct bmr_bad_list bad;
};

struct bmr_ring {
	const struct bmr_capture *c; /* read-only while threads run, as is all down to lock */
	const struct bmr_used *used;
	uint32_t chunks;
	uint32_t chunk_size;
	unsigned workers;
	unsigned slot_count;
	struct bmr_ring_slot *slots; /* item n is in slots[n % slot_count] */
	uint8_t *zeros;              /* one chunk */
	double start;                /* of the rate limit */

	struct bmr_digest *whole; /* the hasher's alone */
	unsigned bad_lines;       /* the writer's alone: ranges said in the log */

	pthread_mutex_t lock; /* guards all below, and the slots' state and users */
	pthread_cond_t changed;
	uint64_t items;      /* claimed so far */
	uint32_t next_chunk; /* of the next item */
	uint64_t paced;      /* bytes that reads have asked for */
	bool failed;
	uint64_t failed_at; /* item of err */
	struct bmr_err err;
};

struct bmr_ring_worker {
	struct bmr_ring *run;
	struct bmr_packer *packer;
	struct bmr_digest *digest;
	uint64_t mark; /* when its present stage began, ns */
	pthread_t thread;
};

struct bmr_ring_slot *bmr_ring_slot(const struct bmr_ring *r, uint64_t item);
/* Keep the error of the lowest item and wake everybody. */
void bmr_ring_fail(struct bmr_ring *r, uint64_t item, const struct bmr_err *err);
bool bmr_ring_stopped(const struct bmr_ring *r);

/* Threads: arg is a struct bmr_ring_worker. */
void *bmr_ring_work(void *arg);
/* arg is the struct bmr_ring. */
void *bmr_ring_hash(void *arg);

/* Write item after item until there is none any more, or the run failed; in the caller's thread. */
void bmr_ring_write(struct bmr_ring *r, struct bmr_writer *writer,
                    struct bmr_capture_result *result);

#endif
