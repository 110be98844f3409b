/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <lz4frame.h>

#include "base/err.h"
#include "imaging/codec/codec.h"

static void *lz4_open(void)
{
	LZ4F_dctx *z = NULL;

	return LZ4F_isError(LZ4F_createDecompressionContext(&z, LZ4F_VERSION)) ? NULL : z;
}

static int lz4_step(void *state, struct bmr_codec_io *io, enum bmr_codec_state *result,
                    struct bmr_err *e)
{
	size_t in_len = io->in_len;
	size_t out_len = io->out_len;
	size_t rc = LZ4F_decompress(state, io->out, &out_len, io->in, &in_len, NULL);

	if (LZ4F_isError(rc))
		return bmr_err_set(e, BMR_E_DATA, 0, "the image is damaged: %s",
		                   LZ4F_getErrorName(rc));
	io->in += in_len;
	io->in_len -= in_len;
	io->out += out_len;
	io->out_len -= out_len;
	if (rc == 0)
		*result = BMR_CODEC_END;
	return 0;
}

static bool lz4_restart(void *state)
{
	LZ4F_resetDecompressionContext(state);
	return true;
}

static void lz4_close(void *state)
{
	LZ4F_freeDecompressionContext(state);
}

const struct bmr_codec bmr_codec_lz4 = {
	.format = BMR_FORMAT_LZ4,
	.open = lz4_open,
	.step = lz4_step,
	.restart = lz4_restart,
	.close = lz4_close,
	.magic = "\x04\x22\x4d\x18",
	.magic_len = 4,
	.skippable = true,
};
