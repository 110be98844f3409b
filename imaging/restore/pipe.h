/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pipe.h - an image flows from its source through threads:
 *
 *	fetch (n readers) -> decode (the caller's thread) -> chunks -> work (n workers, any order)
 *							           \-> SHA-256 (in order)
 *
 * Memory is bounded by the number of chunks in the ring: decode waits for a free one.
 */
#ifndef BMR_IMAGING_RESTORE_PIPE_H
#define BMR_IMAGING_RESTORE_PIPE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "imaging/stage.h"
#include "imaging/codec/format.h"

struct bmr_err;
struct bmr_source;

#define BMR_CHUNK_SIZE ((size_t)1024 * 1024)
#define BMR_CHUNK_ALIGN 4096 /* of chunk.data, for O_DIRECT */
#define BMR_WORKERS_MAX 8

struct bmr_chunk {
	uint64_t index;
	uint64_t offset; /* bytes from the start of the disk: index * BMR_CHUNK_SIZE */
	size_t len;      /* BMR_CHUNK_SIZE, less in the last one */
	const uint8_t *data;
};

/* What the screen reads while threads count. */
struct bmr_pipe_progress {
	_Atomic uint64_t fetched; /* bytes of the image file used */
	_Atomic uint64_t decoded; /* bytes of the disk that came out */
};

struct bmr_pipe {
	struct bmr_source *source;
	enum bmr_format format;
	unsigned workers; /* 1 .. BMR_WORKERS_MAX; 0 if work is NULL */

	/* Called once a chunk, from `workers` threads at once, in any order; worker is 0 ..
	 * workers - 1.  May be NULL.  An error ends the run. */
	int (*work)(void *ctx, const struct bmr_chunk *chunk, unsigned worker, struct bmr_err *e);
	void *ctx;
	bool stop_source; /* if work fails, or the source does not answer: nobody waits for it any
			     more, and it is of no use later */

	struct bmr_pipe_progress *progress; /* may be NULL */
	struct bmr_stages *stages;          /* may be NULL; work enters its own */
	const atomic_bool *stop;            /* true: end soon with BMR_E_STOPPED */
};

struct bmr_pipe_result {
	uint64_t size; /* bytes of the disk */
	struct bmr_digest_value sha256;
};

/* Run an image through from its start to its proper end.  All threads have ended on return.
 * Errors: those of the source, the decoder and work; of several, the one of the lowest chunk, so
 * the message does not depend on timing.  BMR_E_STOPPED, BMR_E_NOMEM. */
int bmr_pipe_run(const struct bmr_pipe *pipe, struct bmr_pipe_result *result, struct bmr_err *e);

/* How many workers suit this machine: one a CPU, at least 2. */
unsigned bmr_pipe_workers(void);

#endif
