/* SPDX-License-Identifier: GPL-3.0-or-later */
/* chunked.h - steps 3 and 4 of a restore (restore.h) for a bmr image: workers fetch, unpack, check,
 * write and read back its chunks, several at a time and in any order.
 *
 *	claim chunks in disk order
 *	[compare: what the disk holds already is done, and proven]
 *	fetch -> unpack -> SHA-256 as the manifest says, before anything is written -> write
 *	when a region (regions.h) is written: flush, read back past the cache, SHA-256 again
 *
 * Workers are synchronous; there are enough of them that requests, CPUs and disk are busy at once.
 * Neighbouring frames are fetched by one request.  A source that cannot jump, or has one connection
 * that is best read in order, is read by whoever holds the turn.  Memory: a frame buffer, a chunk and
 * an unpacker a worker, BMR_CHUNKED_MEMORY in all.
 *
 * With compare nothing is written, and the target not even opened for it, until the first
 * difference is found; what was compared is not read again.
 *
 * The first MiB is kept here meanwhile.  One caller thread.
 */
#ifndef BMR_IMAGING_RESTORE_CHUNKED_H
#define BMR_IMAGING_RESTORE_CHUNKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bmr_chunked;
struct bmr_err;
struct bmr_restore;
struct bmr_table_fit;
struct bmr_target;

#define BMR_CHUNKED_WORKERS 16
#define BMR_CHUNKED_MEMORY ((size_t)64 << 20)

/* Read the first chunk and get all memory; r->image has a manifest; r is borrowed.  *out is freed by
 * bmr_chunked_close.  Errors: those of bmr_chain_open and of a source, BMR_E_DATA, BMR_E_NOMEM. */
int bmr_chunked_open(const struct bmr_restore *r, struct bmr_chunked **out, struct bmr_err *e);
void bmr_chunked_close(struct bmr_chunked *c);

/* Called once, before the first write, by the caller's thread: open the target for writing, and make
 * it so that it does not boot. */
typedef int bmr_chunked_begin(void *ctx, struct bmr_target **target, struct bmr_err *e);

/* The body.  Unless r->compare found nothing to write, in which case begin was not called: all
 * chunks but the first MiB are written and, if r->read_back, each was read back, or was compared and
 * not written.  What is written after the last flush of a region is not flushed.
 * Errors: of several the one of the lowest chunk: the source's, BMR_E_DATA (damaged, not what the
 * manifest says), BMR_E_TARGET (also: reads back wrong, with sector and count), BMR_E_STOPPED. */
int bmr_chunked_run(struct bmr_chunked *c, bmr_chunked_begin *begin, void *ctx, struct bmr_err *e);

/* After a flush: one chunk of each region is read once more, for a disk that claims to be larger
 * than it is puts later chunks in the place of earlier ones, which were right when they were read
 * back.  With r->sha256, all of the disk is read in order and its digest compared: the manifest
 * says what each chunk is, but only its author says that together they are that image.
 * Errors: BMR_E_TARGET, BMR_E_DATA (digest), BMR_E_STOPPED. */
int bmr_chunked_prove(struct bmr_chunked *c, struct bmr_err *e);

/* Is every image of the chain still the same file?  Errors: bmr_chain_check_unchanged's. */
int bmr_chunked_check_unchanged(struct bmr_chunked *c, struct bmr_err *e);

/* The first MiB, or what the disk has of it; belongs to c. */
const uint8_t *bmr_chunked_first(const struct bmr_chunked *c, size_t *len);

/* What of it is to be otherwise on this disk; belongs to c. */
const struct bmr_table_fit *bmr_chunked_fit(const struct bmr_chunked *c);

/* How many times a chunk was written anew. */
uint64_t bmr_chunked_rewritten(const struct bmr_chunked *c);

/* Does the disk look like a former restore of r->image, perhaps one that did not finish?  A few
 * chunks of it are read: the first data chunks, but for chunk 0, which a former restore writes last,
 * and some from all over the disk.  What cannot be read does not.  Errors: BMR_E_NOMEM,
 * bmr_target_open_readonly's. */
int bmr_chunked_resembles(const struct bmr_restore *r, bool *does, struct bmr_err *e);

#endif
