/* SPDX-License-Identifier: GPL-3.0-or-later */
/* chunk_reader.h - one thread's way from a chunk's place (chain.h) to its content: fetched, unpacked,
 * and equal to its digest. */
#ifndef BMR_IMAGING_BMR_CHUNK_READER_H
#define BMR_IMAGING_BMR_CHUNK_READER_H

#include <stdint.h>

struct bmr_chain_place;
struct bmr_chunk_reader;
struct bmr_err;
struct bmr_restore_progress;

/* chunk_size: of the image, bytes; memory is a little over twice that.  progress: counts bytes
 * fetched and decoded and the time that both take; may be NULL.  *out is freed by
 * bmr_chunk_reader_close.  Errors: BMR_E_NOMEM. */
int bmr_chunk_reader_open(uint32_t chunk_size, struct bmr_restore_progress *progress,
                          struct bmr_chunk_reader **out, struct bmr_err *e);
void bmr_chunk_reader_close(struct bmr_chunk_reader *r);

/* The len bytes of a DATA chunk, and what they are stored as (place->stored bytes; NULL: not
 * wanted).  Both stay valid until the next call; *data is aligned to BMR_CHUNK_ALIGN.
 * Errors: the source's, BMR_E_DATA (damaged, or not what its digest says), BMR_E_NOMEM. */
int bmr_chunk_reader_get(struct bmr_chunk_reader *r, const struct bmr_chain_place *place,
                         uint32_t len, const uint8_t **data, const uint8_t **frame,
                         struct bmr_err *e);

#endif
