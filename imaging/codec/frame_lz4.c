/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lz4frame.h>

#include "base/err.h"
#include "imaging/codec/frame_ops.h"

/* A chunk is one block or a few, so that a match may reach as far back as the format allows.  The
 * checksum of the content is for people without bmr. */
static LZ4F_preferences_t preferences(size_t len)
{
	return (LZ4F_preferences_t){
		.frameInfo =
			{
				.blockSizeID = len > (1 << 20) ? LZ4F_max4MB : LZ4F_max1MB,
				.blockMode = LZ4F_blockIndependent,
				.contentChecksumFlag = LZ4F_contentChecksumEnabled,
				.contentSize = len,
			},
	};
}

static size_t lz4_bound(size_t len)
{
	LZ4F_preferences_t p = preferences(len);

	return LZ4F_compressFrameBound(len, &p);
}

static int lz4_pack(void *state, const void *data, size_t len, void *out, size_t room,
                    size_t *stored, struct bmr_err *e)
{
	LZ4F_preferences_t p = preferences(len);
	size_t rc = LZ4F_compressFrame(out, room, data, len, &p);

	(void)state;
	if (LZ4F_isError(rc))
		return bmr_frame_unpackable(e, LZ4F_getErrorName(rc));
	*stored = rc;
	return 0;
}

static void *lz4_unpack_open(void)
{
	LZ4F_dctx *z = NULL;

	return LZ4F_isError(LZ4F_createDecompressionContext(&z, LZ4F_VERSION)) ? NULL : z;
}

static void lz4_unpack_close(void *state)
{
	LZ4F_freeDecompressionContext(state);
}

/* The library allocates at most twice its largest block, 4 MiB, whatever the frame says. */
static int lz4_unpack(void *state, const void *frame, size_t stored, void *out, size_t len,
                      struct bmr_err *e)
{
	const unsigned char *in = frame;
	unsigned char *to = out;
	size_t in_done = 0;
	size_t out_done = 0;
	size_t rc = 1;

	LZ4F_resetDecompressionContext(state);
	while (rc != 0 && in_done < stored) {
		size_t in_len = stored - in_done;
		size_t out_len = len - out_done;

		rc = LZ4F_decompress(state, to + out_done, &out_len, in + in_done, &in_len, NULL);
		if (LZ4F_isError(rc))
			return bmr_frame_damaged(e, LZ4F_getErrorName(rc));
		if (in_len == 0 && out_len == 0)
			break;
		in_done += in_len;
		out_done += out_len;
	}
	if (rc != 0 || in_done != stored || out_done != len)
		return bmr_frame_damaged(e, "it is not one lz4 frame of the right length");
	return 0;
}

const struct bmr_frame_ops bmr_frame_lz4 = {
	.bound = lz4_bound,
	.pack = lz4_pack,
	.unpack_open = lz4_unpack_open,
	.unpack_close = lz4_unpack_close,
	.unpack = lz4_unpack,
};
