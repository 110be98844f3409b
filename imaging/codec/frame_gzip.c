/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gzip (RFC 1952), one member a chunk.  Packed by ISA-L at its levels, 1 to 3, where the CPU has what
 * that is written for, else and above by libdeflate; unpacked by libdeflate, which is the faster one
 * for a member of known length. */
#include <isa-l/igzip_lib.h>
#include <libdeflate.h>
#include <stdlib.h>

#include "base/err.h"
#include "imaging/codec/codec.h"
#include "imaging/codec/frame_ops.h"

#define LEVEL_LEAST 1
#define LEVEL_MOST 12
#define LEVEL_DEFAULT 2 /* as fast as 1 and 1.5 % smaller */
#define ISAL_LEVEL_MOST 3

struct packer {
	struct libdeflate_compressor *deflate;
	struct isal_zstream *isal; /* NULL: not at this level, or not on this CPU */
	uint8_t *level_buffer;     /* ISA-L's */
	int level;
};

static const uint32_t level_buffers[ISAL_LEVEL_MOST + 1] = {
	0,
	ISAL_DEF_LVL1_EXTRA_LARGE,
	ISAL_DEF_LVL2_EXTRA_LARGE,
	ISAL_DEF_LVL3_EXTRA_LARGE,
};

static size_t gzip_bound(size_t len)
{
	return libdeflate_gzip_compress_bound(NULL, len);
}

static void gzip_pack_close(void *state)
{
	struct packer *p = state;

	libdeflate_free_compressor(p->deflate);
	free(p->isal);
	free(p->level_buffer);
	free(p);
}

static void *gzip_pack_open(int level, size_t chunk_size)
{
	struct packer *p = calloc(1, sizeof *p);
	bool isal = level <= ISAL_LEVEL_MOST &&
	            bmr_codec_find(BMR_FORMAT_GZIP) == &bmr_codec_gzip_isal;

	(void)chunk_size;
	if (!p)
		return NULL;
	p->level = level;
	p->deflate = libdeflate_alloc_compressor(level);
	if (isal) {
		p->isal = malloc(sizeof *p->isal);
		p->level_buffer = malloc(level_buffers[level]);
	}
	if (!p->deflate || (isal && (!p->isal || !p->level_buffer))) {
		gzip_pack_close(p);
		return NULL;
	}
	return p;
}

/* The member's length, 0 if it does not fit into room. */
static size_t pack_isal(struct packer *p, const void *data, size_t len, void *out, size_t room)
{
	struct isal_zstream *z = p->isal;

	isal_deflate_init(z);
	z->gzip_flag = IGZIP_GZIP;
	z->level = (uint32_t)p->level;
	z->level_buf = p->level_buffer;
	z->level_buf_size = level_buffers[p->level];
	z->end_of_stream = 1;
	z->next_in = (uint8_t *)(uintptr_t)data; /* it is only read */
	z->avail_in = bmr_codec_clamp(len);
	z->next_out = out;
	z->avail_out = bmr_codec_clamp(room);
	/* It may come back before the end with room left. */
	while (z->internal_state.state != ZSTATE_END && z->avail_out > 0)
		if (isal_deflate(z) != COMP_OK)
			return 0;
	return z->internal_state.state == ZSTATE_END ? z->total_out : 0;
}

static int gzip_pack(void *state, const void *data, size_t len, void *out, size_t room,
                     size_t *stored, struct bmr_err *e)
{
	struct packer *p = state;

	*stored = p->isal ? pack_isal(p, data, len, out, room) : 0;
	/* What ISA-L would let grow beyond libdeflate's bound, libdeflate does not. */
	if (*stored == 0)
		*stored = libdeflate_gzip_compress(p->deflate, data, len, out, room);
	return *stored > 0 ? 0 : bmr_frame_unpackable(e, "no room");
}

static size_t gzip_pack_memory(const void *state)
{
	const struct packer *p = state;

	/* libdeflate does not say: 1.2 MB at its highest levels. */
	return sizeof *p + ((size_t)1 << 20) + (p->isal ? sizeof *p->isal + level_buffers[3] : 0);
}

static void *gzip_unpack_open(void)
{
	return libdeflate_alloc_decompressor();
}

static void gzip_unpack_close(void *state)
{
	libdeflate_free_decompressor(state);
}

static int gzip_unpack(void *state, const void *frame, size_t stored, void *out, size_t len,
                       struct bmr_err *e)
{
	size_t in_done;
	size_t out_done;

	if (libdeflate_gzip_decompress_ex(state, frame, stored, out, len, &in_done, &out_done) !=
	    LIBDEFLATE_SUCCESS)
		return bmr_frame_damaged(e, "it is not a gzip member of the right length");
	if (in_done != stored || out_done != len)
		return bmr_frame_damaged(e, "it is not one gzip member of the right length");
	return 0;
}

const struct bmr_frame_ops bmr_frame_gzip = {
	.level_least = LEVEL_LEAST,
	.level_most = LEVEL_MOST,
	.level_default = LEVEL_DEFAULT,
	.bound = gzip_bound,
	.pack_open = gzip_pack_open,
	.pack_close = gzip_pack_close,
	.pack = gzip_pack,
	.pack_memory = gzip_pack_memory,
	.unpack_open = gzip_unpack_open,
	.unpack_close = gzip_unpack_close,
	.unpack = gzip_unpack,
};
