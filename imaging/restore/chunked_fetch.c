/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/restore/chunked_internal.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/checksum.h"
#include "base/digest.h"
#include "base/size.h"
#include "imaging/codec/frame.h"
#include "transport/source.h"

int bmr_chunked_worker_open(struct bmr_chunked *c, struct bmr_chunked_worker *w, struct bmr_err *e)
{
	w->c = c;
	w->frames = malloc(c->frame_room);
	w->data = aligned_alloc(BMR_CHUNK_ALIGN, c->m->head.chunk_size);
	if (!w->frames || !w->data)
		return bmr_err_nomem(e, "a worker");
	return bmr_digest_open(&w->digest, e);
}

void bmr_chunked_worker_close(struct bmr_chunked_worker *w)
{
	for (unsigned i = 0; i <= BMR_PACK_NONE; i++)
		bmr_unpacker_close(w->unpackers[i]);
	bmr_digest_close(w->digest);
	free(w->frames);
	free(w->data);
}

/* With one connection, reading in order is one long transfer; out of order each read is a new
 * request.  While comparing there is no order: only what differs is read. */
bool bmr_chunked_in_order(const struct bmr_chunked *c, const struct bmr_chain_place *place)
{
	if (!bmr_source_seekable(place->source))
		return true;
	return !c->compare && bmr_source_depth(place->source) == 1;
}

static int ends_early(const struct bmr_chain_place *place, struct bmr_err *e)
{
	return bmr_err_set(e, BMR_E_DATA, 0,
	                   "the image '%s' is truncated: it ends within the frame at byte %" PRIu64,
	                   bmr_source_name(place->source), place->offset);
}

static int read_exactly(const struct bmr_chain_place *place, uint8_t *to, size_t len, uint64_t off,
                        struct bmr_err *e)
{
	size_t got;

	if (bmr_source_read(place->source, to, len, off, &got, e) < 0)
		return -1;
	return got == len ? 0 : ends_early(place, e);
}

/* A source that cannot jump is read on to where the frame begins, or again from its start. */
static int go_to(struct bmr_chunked_worker *w, const struct bmr_chain_place *place,
                 struct bmr_err *e)
{
	uint64_t *at = &w->c->stream_at[place->image];

	if (*at > place->offset)
		*at = 0;
	while (*at < place->offset) {
		size_t len = (size_t)bmr_size_min(w->c->m->head.chunk_size, place->offset - *at);

		if (bmr_restore_stopped(w->c->r))
			return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
		if (read_exactly(place, w->data, len, *at, e) < 0)
			return -1;
		*at += len;
		atomic_fetch_add(&w->c->r->progress->pipe.fetched, len);
	}
	return 0;
}

int bmr_chunked_fetch(struct bmr_chunked_worker *w, unsigned from, unsigned count,
                      struct bmr_err *e)
{
	const struct bmr_chain_place *place = &w->unit.places[from];
	const struct bmr_chain_place *last = &w->unit.places[from + count - 1];
	size_t len = (size_t)(last->offset + last->stored - place->offset);
	uint8_t *to = w->frames + (place->offset - w->unit.places[0].offset);
	bool jumps = bmr_source_seekable(place->source);

	if (!jumps && go_to(w, place, e) < 0)
		return -1;
	if (read_exactly(place, to, len, place->offset, e) < 0)
		return -1;
	if (!jumps)
		w->c->stream_at[place->image] = place->offset + len;
	atomic_fetch_add(&w->c->r->progress->pipe.fetched, len);
	bmr_chunked_lap(w, BMR_STAGE_FETCH);
	return 0;
}

static int check(struct bmr_chunked_worker *w, uint32_t len, const struct bmr_chain_place *place,
                 struct bmr_err *e)
{
	struct bmr_digest_value digest;

	if (bmr_digest_of(w->digest, w->data, len, &digest, e) < 0)
		return -1;
	bmr_chunked_lap(w, BMR_STAGE_HASH);
	if (bmr_digest_equal(&digest, place->digest))
		return 0;
	return bmr_err_set(e, BMR_E_DATA, 0, "the image is damaged: a chunk has another SHA-256");
}

int bmr_chunked_unpack(struct bmr_chunked_worker *w, unsigned index, struct bmr_err *e)
{
	const struct bmr_chain_place *place = &w->unit.places[index];
	const uint8_t *frame = w->frames + (place->offset - w->unit.places[0].offset);
	uint32_t chunk = w->unit.first + index;
	uint32_t len = bmr_manifest_chunk_len(w->c->m, chunk);
	struct bmr_unpacker **unpacker = &w->unpackers[place->pack];

	if (!*unpacker && bmr_unpacker_open(place->pack, unpacker, e) < 0)
		return -1;
	if (bmr_unpacker_run(*unpacker, frame, place->stored, w->data, len, e) < 0)
		return bmr_err_while(e, "unpacking the frame at byte %" PRIu64 " of '%s'",
		                     place->offset, bmr_source_name(place->source));
	bmr_chunked_lap(w, BMR_STAGE_UNPACK);
	if (w->c->r->read_back)
		w->sum = bmr_checksum_of(w->data, len); /* before the SHA-256: see checksum.h */
	if (check(w, len, place, e) < 0)
		return bmr_err_while(e, "checking chunk %" PRIu32 ", at byte %" PRIu64 " of '%s'",
		                     chunk, place->offset, bmr_source_name(place->source));
	return 0;
}

int bmr_chunked_get(struct bmr_chunked_worker *w, uint32_t chunk, struct bmr_err *e)
{
	struct bmr_unit *u = &w->unit;
	int rc;

	*u = (struct bmr_unit){.first = chunk, .count = 1, .kind = BMR_CHUNK_DATA};
	bmr_chunked_kind(w->c, chunk, &u->places[0]);
	if (!bmr_source_seekable(u->places[0].source) && !bmr_chunked_take_turn(w))
		return bmr_err_set(e, BMR_E_STOPPED, 0, "stopped");
	rc = bmr_chunked_fetch(w, 0, 1, e);
	bmr_chunked_end_turn(w);
	return rc < 0 ? -1 : bmr_chunked_unpack(w, 0, e);
}
