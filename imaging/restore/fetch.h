/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fetch.h - reads a source ahead, from its beginning to its end, in threads of its own.
 *
 * As many requests are in flight as the source likes (bmr_source_depth); the pieces come out in
 * order.  Memory: (depth + 1) blocks.
 */
#ifndef BMR_IMAGING_RESTORE_FETCH_H
#define BMR_IMAGING_RESTORE_FETCH_H

#include <stddef.h>
#include <stdint.h>

struct bmr_err;
struct bmr_fetch;
struct bmr_source;
struct bmr_stages;

/* Start reading.  The source is borrowed, and stages, which may be NULL.  Errors: BMR_E_NOMEM. */
int bmr_fetch_open(struct bmr_source *source, struct bmr_stages *stages, struct bmr_fetch **out,
                   struct bmr_err *e);

/* The next piece, valid until the next call; *len is 0 at the end.  One caller thread.  ctx is the
 * struct bmr_fetch: this fits struct bmr_input.  Errors: the source's. */
int bmr_fetch_next(void *ctx, const uint8_t **data, size_t *len, struct bmr_err *e);

/* Stop and free.  Reads under way are waited for: one bounded wait of the source, and none after
 * bmr_source_stop.  NULL is allowed. */
void bmr_fetch_close(struct bmr_fetch *fetch);

#endif
