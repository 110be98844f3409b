/* SPDX-License-Identifier: GPL-3.0-or-later */
/* frame.h - one chunk of a bmr image to one frame and back.  A packer or unpacker belongs to one
 * thread and is used for many chunks.
 *
 * zstd: RFC 8878; gzip: RFC 1952, one member; lz4: LZ4 frame format 1.6; none: the bytes.  The first
 * three carry a checksum of the content, so that `zstd -t` and the like prove something.
 */
#ifndef BMR_IMAGING_CODEC_FRAME_H
#define BMR_IMAGING_CODEC_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "imaging/bmr/manifest.h"

struct bmr_err;
struct bmr_packer;
struct bmr_unpacker;

/* "zstd", "zstd:9", "gzip:1", "lz4", "none": codec and level (its default if none is given).
 * Errors: BMR_E_USAGE, with what is allowed. */
int bmr_pack_parse(const char *text, enum bmr_codec_id *pack, int *level, struct bmr_err *e);

/* The most bytes a chunk of len bytes can take. */
size_t bmr_pack_bound(enum bmr_codec_id pack, size_t len);

/* chunk_size: the most that will be given at once.  Errors: BMR_E_NOMEM. */
int bmr_packer_open(enum bmr_codec_id pack, int level, size_t chunk_size, struct bmr_packer **out,
                    struct bmr_err *e);
void bmr_packer_close(struct bmr_packer *p);
/* Pack all of data; room is at least bmr_pack_bound.  Errors: BMR_E_BUG, BMR_E_NOMEM. */
int bmr_packer_run(struct bmr_packer *p, const void *data, size_t len, void *out, size_t room,
                   size_t *stored, struct bmr_err *e);
/* Bytes of memory that it holds; after a first run, all that it ever will. */
size_t bmr_packer_memory(const struct bmr_packer *p);

/* Start the process that unpacks (imaging/codec/box.h); it needs /proc and /dev.  One thread at a time.
 * *out is freed by bmr_unpacker_close.  Errors: BMR_E_NOMEM. */
int bmr_unpacker_open(enum bmr_codec_id pack, struct bmr_unpacker **out, struct bmr_err *e);
void bmr_unpacker_close(struct bmr_unpacker *u);
/* Bytes of memory that one takes for chunks of chunk_size: its process, and what is shared with it. */
size_t bmr_unpacker_memory(size_t chunk_size);
/* Unpack one whole frame into exactly len bytes.  Hostile input is safe: memory is bounded by len
 * and a constant.  Whether the content is right the caller checks, by the manifest's SHA-256: a
 * checksum of the frame's own may not be looked at.  The process may end by a frame; the next one has
 * a new one.
 * Errors: BMR_E_DATA (not exactly one frame of exactly len bytes, or it brought the library down),
 * BMR_E_NOMEM. */
int bmr_unpacker_run(struct bmr_unpacker *u, const void *frame, size_t stored, void *out,
                     size_t len, struct bmr_err *e);

#endif
