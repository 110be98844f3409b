/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/verify_zeros.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/size.h"
#include "imaging/bmr/container.h"
#include "imaging/bmr/manifest.h"
#include "imaging/codec/decode.h"
#include "imaging/codec/frame.h"
#include "imaging/phase.h"
#include "imaging/restore/pipe.h"
#include "imaging/zero.h"
#include "transport/source.h"

struct bmr_zeros {
	struct bmr_restore_progress *progress;
	size_t chunk_size;
	size_t frame_most; /* the longest frame of zeros of zstd */
	uint8_t *frame;    /* what a run should be; else a piece of it, as it is stored */
	uint8_t *data;     /* what is there; chunk_size bytes, which hold frame_most too */
	struct bmr_unpacker *unpackers[BMR_PACK_NONE + 1]; /* opened when first needed */

	struct bmr_source *source; /* of the run at hand */
	uint64_t at;               /* byte of the file that is read next */
	uint64_t end;              /* of the run */
};

int bmr_zeros_open(uint32_t chunk_size, struct bmr_restore_progress *progress,
                   struct bmr_zeros **out, struct bmr_err *e)
{
	struct bmr_zeros *z = calloc(1, sizeof *z);

	if (!z)
		return bmr_err_nomem(e, "verifying");
	z->progress = progress;
	z->chunk_size = chunk_size;
	z->frame_most = bmr_zero_frame(BMR_ZERO_FRAME_MOST, NULL, 0);
	z->frame = malloc(z->frame_most);
	z->data = malloc(z->chunk_size > z->frame_most ? z->chunk_size : z->frame_most);
	if (!z->frame || !z->data) {
		bmr_zeros_close(z);
		return bmr_err_nomem(e, "verifying");
	}
	*out = z;
	return 0;
}

void bmr_zeros_close(struct bmr_zeros *z)
{
	if (!z)
		return;
	for (unsigned i = 0; i <= BMR_PACK_NONE; i++)
		bmr_unpacker_close(z->unpackers[i]);
	free(z->frame);
	free(z->data);
	free(z);
}

/* Up to room bytes of the run, all that are left if they fit. */
static int fetch(struct bmr_zeros *z, uint8_t *to, size_t room, size_t *got, struct bmr_err *e)
{
	size_t len = (size_t)bmr_size_min(room, z->end - z->at);

	*got = 0;
	if (len > 0 && bmr_source_read(z->source, to, len, z->at, got, e) < 0)
		return -1;
	z->at += *got;
	atomic_fetch_add(&z->progress->pipe.fetched, *got);
	return 0;
}

/* --- one way for each packing: 0 and in *zeros what was found, or an error --- */

static int check_frame(struct bmr_zeros *z, uint64_t size, bool *zeros, struct bmr_err *e)
{
	size_t len = bmr_zero_frame(size, z->frame, z->frame_most);
	size_t got;

	*zeros = false;
	if (len > z->frame_most || len != z->end - z->at)
		return 0;
	if (fetch(z, z->data, len, &got, e) < 0)
		return -1;
	*zeros = got == len && memcmp(z->frame, z->data, len) == 0;
	return 0;
}

static int check_bytes(struct bmr_zeros *z, uint64_t size, bool *zeros, struct bmr_err *e)
{
	*zeros = z->end - z->at == size;
	while (*zeros && z->at < z->end) {
		size_t got;

		if (fetch(z, z->data, z->chunk_size, &got, e) < 0)
			return -1;
		*zeros = got > 0 && bmr_zero_is(z->data, got);
	}
	return 0;
}

/* A disk may have a hundred thousand runs of one chunk: no process is started for each of them. */
static int check_chunk(struct bmr_zeros *z, enum bmr_codec_id pack, uint64_t size, bool *zeros,
                       struct bmr_err *e)
{
	struct bmr_unpacker **unpacker = &z->unpackers[pack];
	size_t got;

	if ((!*unpacker && bmr_unpacker_open(pack, unpacker, e) < 0) ||
	    fetch(z, z->frame, z->frame_most, &got, e) < 0 ||
	    bmr_unpacker_run(*unpacker, z->frame, got, z->data, (size_t)size, e) < 0)
		return -1;
	*zeros = bmr_zero_is(z->data, (size_t)size);
	return 0;
}

static int next_piece(void *ctx, const uint8_t **data, size_t *len, struct bmr_err *e)
{
	struct bmr_zeros *z = ctx;

	*data = z->frame;
	return fetch(z, z->frame, z->frame_most, len, e);
}

/* Whatever it unpacks to, no more than one chunk past its size is looked at. */
static int unpack(struct bmr_zeros *z, struct bmr_decoder *decoder, uint64_t size, bool *zeros,
                  struct bmr_err *e)
{
	uint64_t total = 0;
	size_t got = z->chunk_size;

	*zeros = true;
	while (*zeros && got == z->chunk_size) {
		if (bmr_decoder_read(decoder, z->data, z->chunk_size, &got, e) < 0)
			return -1;
		total += got;
		*zeros = total <= size && bmr_zero_is(z->data, got);
	}
	*zeros = *zeros && total == size;
	return 0;
}

static int check_packed(struct bmr_zeros *z, enum bmr_codec_id pack, enum bmr_format format,
                        uint64_t size, bool *zeros, struct bmr_err *e)
{
	const struct bmr_input input = {.next = next_piece, .ctx = z};
	struct bmr_decoder *decoder;
	int rc;

	*zeros = false;
	if (size <= z->chunk_size && z->end - z->at <= z->frame_most)
		return check_chunk(z, pack, size, zeros, e);
	if (bmr_decoder_open(format, &input, &decoder, e) < 0)
		return -1;
	rc = unpack(z, decoder, size, zeros, e);
	bmr_decoder_close(decoder);
	return rc;
}

static int check(struct bmr_zeros *z, enum bmr_codec_id pack, uint64_t size, bool *zeros,
                 struct bmr_err *e)
{
	switch (pack) {
	case BMR_PACK_ZSTD:
		return check_frame(z, size, zeros, e);
	case BMR_PACK_GZIP:
		return check_packed(z, pack, BMR_FORMAT_GZIP, size, zeros, e);
	case BMR_PACK_LZ4:
		return check_packed(z, pack, BMR_FORMAT_LZ4, size, zeros, e);
	case BMR_PACK_NONE:
		return check_bytes(z, size, zeros, e);
	}
	return bmr_err_set(e, BMR_E_BUG, 0, "a packing that is not known");
}

int bmr_zeros_check(struct bmr_zeros *z, struct bmr_source *source, const struct bmr_manifest *m,
                    const struct bmr_manifest_entry *run, struct bmr_err *e)
{
	bool zeros = false;
	int rc;

	z->source = source;
	z->at = run->offset;
	z->end = run->offset + run->stored;
	rc = check(z, m->head.pack, bmr_manifest_entry_bytes(m, run), &zeros, e);
	if (rc < 0 && e->code != BMR_E_DATA)
		return -1;
	if (rc == 0 && zeros)
		return 0;
	return bmr_err_set(e, BMR_E_DATA, 0,
	                   "the zeros at byte %" PRIu64 " of '%s' are not what they should be",
	                   run->offset, bmr_source_name(source));
}
