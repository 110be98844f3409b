/* SPDX-License-Identifier: GPL-3.0-or-later */
/* box_wire.h - what box.c and the process in the box (unpacker/) say to each other.
 *
 * The box is a coprocess (base/coprocess.h).  We speak first, and say what it is for.  A stream: two
 * slots of shared memory hold packed bytes, two hold what they unpack to; each pair is used in turn,
 * so that both sides work at the same time.  Chunks: one frame, one answer.
 */
#ifndef BMR_IMAGING_CODEC_BOX_WIRE_H
#define BMR_IMAGING_CODEC_BOX_WIRE_H

#include <stdint.h>

#include "base/err.h"
#include "imaging/bmr/manifest.h"

#define BOX_SLOTS 2
#define BOX_SLOT ((size_t)1 << 18)
#define BOX_STREAM_MEMORY (2 * BOX_SLOTS * BOX_SLOT)
#define BOX_FRAME ((size_t)BMR_STORED_MOST(BMR_CHUNK_SIZE_MOST))
#define BOX_CHUNK_MEMORY (BOX_FRAME + BMR_CHUNK_SIZE_MOST)

/* Where they lie. */
static inline size_t box_in(unsigned slot)
{
	return slot * BOX_SLOT;
}

static inline size_t box_out(unsigned slot)
{
	return (BOX_SLOTS + slot) * BOX_SLOT;
}

enum box_word {
	/* ours */
	BOX_STREAM, /* what: a bmr_format */
	BOX_CHUNKS, /* what: a bmr_codec_id */
	BOX_INPUT,  /* len bytes are in the next slot; 0: the end */
	BOX_ROOM,   /* the output slot that was used first is free again */
	BOX_UNPACK, /* stored bytes at 0, to len bytes at BOX_FRAME */
	/* its */
	BOX_READY,  /* it is confined */
	BOX_TAKEN,  /* the input slot that was used first is free again */
	BOX_OUTPUT, /* len bytes are in the next slot; fewer than fit: the end */
	BOX_DONE,   /* BOX_UNPACK */
	BOX_FAILED, /* code and why; it does no more of this stream */
};

struct box_order {
	uint32_t word;
	uint32_t what;
	uint32_t len;
	uint32_t stored;
};

struct box_reply {
	uint32_t word;
	uint32_t len;
	uint64_t consumed; /* packed bytes of the stream so far */
	uint32_t code;     /* enum bmr_errc */
	char why[sizeof((struct bmr_err *)0)->msg];
};

#endif
