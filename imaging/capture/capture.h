/* SPDX-License-Identifier: GPL-3.0-or-later */
/* capture.h - a disk to a bmr image:
 *
 *	workers (any order): read -> look for zeros -> SHA-256 of the chunk -> pack
 *	one thread, in disk order: SHA-256 of the whole disk
 *	the caller's thread, in disk order: write
 *
 * Memory is bounded by the chunks in the ring, and workers are so few that all of it stays under
 * BMR_CAPTURE_MEMORY.  The disk is only read.
 */
#ifndef BMR_IMAGING_CAPTURE_CAPTURE_H
#define BMR_IMAGING_CAPTURE_CAPTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"

struct bmr_err;
struct bmr_log;
struct bmr_manifest;
struct bmr_restore_progress;
struct bmr_sink;
struct bmr_target;
struct bmr_used;

#define BMR_CAPTURE_MEMORY ((size_t)64 << 20)

struct bmr_capture {
	struct bmr_target *disk;       /* from bmr_target_open_readonly */
	const struct bmr_used *used;   /* NULL: everything counts as used */
	struct bmr_manifest *manifest; /* new, of this disk's size; gets entries and bad sectors */
	struct bmr_sink *sink;
	int level;        /* of the manifest's codec */
	unsigned workers; /* at most so many; 0: one a CPU */
	bool sha256;      /* of the whole disk: costs time for every byte, also unused ones */
	uint64_t rate;    /* read at most so many bytes a second; 0: no limit */

	/* Digest of a chunk that the base image has as data, else false; any thread.  NULL: no base. */
	bool (*base)(const void *ctx, uint32_t chunk, struct bmr_digest_value *digest);
	const void *ctx;

	/* .pipe.decoded: bytes of the disk done, of those that are used; .written: of the image. */
	struct bmr_restore_progress *progress;
	const atomic_bool *stop; /* true: end soon with BMR_E_STOPPED */
	struct bmr_log *log;     /* bad sectors are said here; may be NULL */
};

struct bmr_capture_result {
	uint64_t used;   /* bytes of the disk that were to be read */
	uint64_t data;   /* bytes of chunks that are in the image ... */
	uint64_t base;   /* ... in the base image ... */
	uint64_t zero;   /* ... all zeros ... */
	uint64_t unused; /* ... and those that nothing uses */
	uint64_t bad;    /* bytes that could not be read */
	uint64_t stored; /* bytes of the image's file */
};

/* The chunk size that suits a disk with so many used bytes: the manifest of a large one would take
 * too much memory otherwise. */
uint32_t bmr_capture_chunk_size(uint64_t used);

/* Capture, and write all of the image; bmr_sink_commit is the caller's.  All threads have ended on
 * return.  That sectors are bad is no error: see result.bad.
 * Errors: BMR_E_TARGET (the disk failed as a whole), BMR_E_REFUSED (it was exchanged), the sink's,
 * BMR_E_STOPPED, BMR_E_NOMEM; of several, that of the lowest chunk. */
int bmr_capture_run(const struct bmr_capture *capture, struct bmr_capture_result *result,
                    struct bmr_err *e);

#endif
