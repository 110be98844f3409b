/* SPDX-License-Identifier: GPL-3.0-or-later */
#define ZSTD_STATIC_LINKING_ONLY /* ZSTD_d_forceIgnoreChecksum */
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/err.h"
#include "imaging/codec/frame_ops.h"

#define LEVEL_LEAST 1
#define LEVEL_MOST 19 /* beyond, a decoder may need more memory than it allows itself */
#define LEVEL_DEFAULT 3

static size_t zstd_bound(size_t len)
{
	return ZSTD_compressBound(len);
}

/* The window never exceeds the content, whose size libzstd is told.  The checksum (XXH64) is for
 * people without bmr: with it `zstd -t` proves something.  Its cost was lost in the noise
 * of measuring; not so that of checking it. */
static void *zstd_pack_open(int level, size_t chunk_size)
{
	ZSTD_CCtx *z = ZSTD_createCCtx();

	(void)chunk_size;
	if (!z)
		return NULL;
	if (ZSTD_isError(ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, level)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(z, ZSTD_c_contentSizeFlag, 1)) ||
	    ZSTD_isError(ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1))) {
		ZSTD_freeCCtx(z);
		return NULL;
	}
	return z;
}

static void zstd_pack_close(void *state)
{
	ZSTD_freeCCtx(state);
}

static int zstd_pack(void *state, const void *data, size_t len, void *out, size_t room,
                     size_t *stored, struct bmr_err *e)
{
	size_t rc = ZSTD_compress2(state, out, room, data, len);

	if (ZSTD_isError(rc))
		return ZSTD_getErrorCode(rc) == ZSTD_error_memory_allocation
		               ? bmr_err_nomem(e, "packing a chunk")
		               : bmr_frame_unpackable(e, ZSTD_getErrorName(rc));
	*stored = rc;
	return 0;
}

static size_t zstd_pack_memory(const void *state)
{
	return ZSTD_sizeof_CCtx(state);
}

static void *zstd_unpack_open(void)
{
	ZSTD_DCtx *z = ZSTD_createDCtx();

	/* Of a manifest's chunks the SHA-256 is checked: a tenth less time to unpack.  A library that
	 * knows no such parameter goes on checking. */
	if (z)
		ZSTD_DCtx_setParameter(z, ZSTD_d_forceIgnoreChecksum, ZSTD_d_ignoreChecksum);
	return z;
}

static void zstd_unpack_close(void *state)
{
	ZSTD_freeDCtx(state);
}

/* ZSTD_decompressDCtx takes any number of frames, skippable ones and, where the library was built so,
 * those of its past. */
static int zstd_unpack(void *state, const void *frame, size_t stored, void *out, size_t len,
                       struct bmr_err *e)
{
	static const unsigned char magic[] = {0x28, 0xb5, 0x2f, 0xfd};
	size_t rc;

	if (stored < sizeof magic || memcmp(frame, magic, sizeof magic) != 0)
		return bmr_frame_damaged(e, "it is not a zstd frame");
	if (ZSTD_getFrameContentSize(frame, stored) != len)
		return bmr_frame_damaged(e, "its content has another length");
	if (ZSTD_findFrameCompressedSize(frame, stored) != stored)
		return bmr_frame_damaged(e, "it is not one zstd frame");
	rc = ZSTD_decompressDCtx(state, out, len, frame, stored);
	if (ZSTD_isError(rc))
		return ZSTD_getErrorCode(rc) == ZSTD_error_memory_allocation
		               ? bmr_err_nomem(e, "unpacking a chunk")
		               : bmr_frame_damaged(e, ZSTD_getErrorName(rc));
	return rc == len ? 0 : bmr_frame_damaged(e, "its content has another length");
}

const struct bmr_frame_ops bmr_frame_zstd = {
	.level_least = LEVEL_LEAST,
	.level_most = LEVEL_MOST,
	.level_default = LEVEL_DEFAULT,
	.bound = zstd_bound,
	.pack_open = zstd_pack_open,
	.pack_close = zstd_pack_close,
	.pack = zstd_pack,
	.pack_memory = zstd_pack_memory,
	.unpack_open = zstd_unpack_open,
	.unpack_close = zstd_unpack_close,
	.unpack = zstd_unpack,
};
