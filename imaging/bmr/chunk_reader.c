/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/bmr/chunk_reader.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/err.h"
#include "imaging/bmr/chain.h"
#include "imaging/codec/frame.h"
#include "imaging/phase.h"
#include "imaging/restore/pipe.h"
#include "transport/source.h"

#define PACKS (BMR_PACK_NONE + 1)

struct bmr_chunk_reader {
	struct bmr_restore_progress *progress; /* may be NULL */
	uint32_t chunk_size;
	uint8_t *frame;
	size_t frame_room;
	uint8_t *data;
	struct bmr_digest *digest;
	struct bmr_unpacker *unpackers[PACKS]; /* opened when first needed: the images
							      of a chain may be packed differently */
};

static int allocate(struct bmr_chunk_reader *r, struct bmr_err *e)
{
	r->frame_room = BMR_STORED_MOST((size_t)r->chunk_size);
	r->frame = malloc(r->frame_room);
	r->data = aligned_alloc(BMR_CHUNK_ALIGN, r->chunk_size);
	if (!r->frame || !r->data)
		return bmr_err_nomem(e, "a chunk");
	return bmr_digest_open(&r->digest, e);
}

int bmr_chunk_reader_open(uint32_t chunk_size, struct bmr_restore_progress *progress,
                          struct bmr_chunk_reader **out, struct bmr_err *e)
{
	struct bmr_chunk_reader *r = calloc(1, sizeof *r);

	if (!r)
		return bmr_err_nomem(e, "a reader of chunks");
	r->progress = progress;
	r->chunk_size = chunk_size;
	if (allocate(r, e) < 0) {
		bmr_chunk_reader_close(r);
		return -1;
	}
	*out = r;
	return 0;
}

void bmr_chunk_reader_close(struct bmr_chunk_reader *r)
{
	if (!r)
		return;
	for (unsigned i = 0; i < PACKS; i++)
		bmr_unpacker_close(r->unpackers[i]);
	bmr_digest_close(r->digest);
	free(r->frame);
	free(r->data);
	free(r);
}

static int fetch(struct bmr_chunk_reader *r, const struct bmr_chain_place *place, struct bmr_err *e)
{
	size_t got;

	if (place->stored > r->frame_room)
		return bmr_err_set(e, BMR_E_DATA, 0, "a frame of %" PRIu32 " bytes is too long",
		                   place->stored);
	if (bmr_source_read(place->source, r->frame, place->stored, place->offset, &got, e) < 0)
		return -1;
	if (got == place->stored)
		return 0;
	return bmr_err_set(e, BMR_E_DATA, 0, "the image '%s' ends within a frame",
	                   bmr_source_name(place->source));
}

static int unpack(struct bmr_chunk_reader *r, const struct bmr_chain_place *place, uint32_t len,
                  struct bmr_err *e)
{
	struct bmr_unpacker **unpacker = &r->unpackers[place->pack];

	if (!*unpacker && bmr_unpacker_open(place->pack, unpacker, e) < 0)
		return -1;
	return bmr_unpacker_run(*unpacker, r->frame, place->stored, r->data, len, e);
}

static int check(struct bmr_chunk_reader *r, const struct bmr_chain_place *place, uint32_t len,
                 struct bmr_err *e)
{
	struct bmr_digest_value digest;

	if (bmr_digest_of(r->digest, r->data, len, &digest, e) < 0)
		return -1;
	if (bmr_digest_equal(&digest, place->digest))
		return 0;
	return bmr_err_set(e, BMR_E_DATA, 0, "its content is not what its SHA-256 says");
}

static int get(struct bmr_chunk_reader *r, const struct bmr_chain_place *place, uint32_t len,
               struct bmr_err *e)
{
	uint64_t since = bmr_clock_ns();

	if (fetch(r, place, e) < 0)
		return -1;
	bmr_lap(bmr_stages_of(r->progress), BMR_STAGE_FETCH, &since);
	if (unpack(r, place, len, e) < 0)
		return -1;
	bmr_lap(bmr_stages_of(r->progress), BMR_STAGE_UNPACK, &since);
	if (check(r, place, len, e) < 0)
		return -1;
	bmr_lap(bmr_stages_of(r->progress), BMR_STAGE_HASH, &since);
	return 0;
}

int bmr_chunk_reader_get(struct bmr_chunk_reader *r, const struct bmr_chain_place *place,
                         uint32_t len, const uint8_t **data, const uint8_t **frame,
                         struct bmr_err *e)
{
	if (get(r, place, len, e) < 0)
		return bmr_err_while(e, "reading %" PRIu32 " bytes at byte %" PRIu64 " of '%s'",
		                     place->stored, place->offset, bmr_source_name(place->source));
	if (r->progress) {
		atomic_fetch_add(&r->progress->pipe.fetched, place->stored);
		atomic_fetch_add(&r->progress->pipe.decoded, len);
	}
	*data = r->data;
	if (frame)
		*frame = r->frame;
	return 0;
}
