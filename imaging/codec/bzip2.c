/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <bzlib.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "imaging/codec/codec.h"

static void *bzip2_open(void)
{
	bz_stream *b = calloc(1, sizeof *b);

	if (b && BZ2_bzDecompressInit(b, 0, 0) != BZ_OK) {
		free(b);
		return NULL;
	}
	return b;
}

static int bzip2_step(void *state, struct bmr_codec_io *io, enum bmr_codec_state *result,
                      struct bmr_err *e)
{
	bz_stream *b = state;
	unsigned in_len = bmr_codec_clamp(io->in_len);
	unsigned out_len = bmr_codec_clamp(io->out_len);
	int rc;

	/* libbzip2 reads only, but its cursor is not const. */
	b->next_in = (char *)(uintptr_t)io->in;
	b->avail_in = in_len;
	b->next_out = (char *)io->out;
	b->avail_out = out_len;
	rc = BZ2_bzDecompress(b);
	if (rc == BZ_MEM_ERROR)
		return bmr_err_nomem(e, "a bzip2 block");
	if (rc != BZ_OK && rc != BZ_STREAM_END)
		return bmr_err_set(e, BMR_E_DATA, 0, "the image is damaged: %s",
		                   rc == BZ_DATA_ERROR ? "damaged data or a wrong checksum"
		                                       : "this is not a bzip2 stream");
	io->in += in_len - b->avail_in;
	io->in_len -= in_len - b->avail_in;
	io->out += out_len - b->avail_out;
	io->out_len -= out_len - b->avail_out;
	if (rc == BZ_STREAM_END)
		*result = BMR_CODEC_END;
	return 0;
}

static bool bzip2_restart(void *state)
{
	bz_stream *b = state;

	BZ2_bzDecompressEnd(b);
	*b = (bz_stream){0};
	return BZ2_bzDecompressInit(b, 0, 0) == BZ_OK;
}

static void bzip2_close(void *state)
{
	BZ2_bzDecompressEnd(state);
	free(state);
}

const struct bmr_codec bmr_codec_bzip2 = {
	.format = BMR_FORMAT_BZIP2,
	.open = bzip2_open,
	.step = bzip2_step,
	.restart = bzip2_restart,
	.close = bzip2_close,
	.magic = "BZh",
	.magic_len = 3,
};
