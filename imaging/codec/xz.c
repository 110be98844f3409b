/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <inttypes.h>
#include <lzma.h>
#include <stdlib.h>

#include "base/err.h"
#include "imaging/codec/codec.h"
#include "imaging/codec/decode.h"

static bool xz_start(lzma_stream *x)
{
	/* CONCATENATED: liblzma itself knows the padding that may stand between streams. */
	return lzma_stream_decoder(x, BMR_DECODE_MEMORY, LZMA_CONCATENATED) == LZMA_OK;
}

static void *xz_open(void)
{
	lzma_stream *x = malloc(sizeof *x);

	if (!x)
		return NULL;
	*x = (lzma_stream)LZMA_STREAM_INIT;
	if (!xz_start(x)) {
		free(x);
		return NULL;
	}
	return x;
}

static int xz_failed(const lzma_stream *x, lzma_ret rc, struct bmr_err *e)
{
	switch (rc) {
	case LZMA_MEM_ERROR:
		return bmr_err_nomem(e, "an xz dictionary");
	case LZMA_MEMLIMIT_ERROR:
		return bmr_err_set(e, BMR_E_DATA, 0,
		                   "the image needs %" PRIu64 " MiB to unpack and the limit is %d "
		                   "MiB: compress it with 'xz -8' at most",
		                   lzma_memusage(x) >> 20, BMR_DECODE_MEMORY >> 20);
	case LZMA_OPTIONS_ERROR:
		return bmr_err_set(e, BMR_E_DATA, 0, "the image uses options unknown to liblzma %s",
		                   lzma_version_string());
	default:
		return bmr_err_set(e, BMR_E_DATA, 0, "the image is damaged: %s",
		                   rc == LZMA_FORMAT_ERROR ? "something that is not xz follows"
		                                           : "damaged data or a wrong checksum");
	}
}

static int xz_step(void *state, struct bmr_codec_io *io, enum bmr_codec_state *result,
                   struct bmr_err *e)
{
	lzma_stream *x = state;
	lzma_ret rc;

	x->next_in = io->in;
	x->avail_in = io->in_len;
	x->next_out = io->out;
	x->avail_out = io->out_len;
	rc = lzma_code(x, io->at_end ? LZMA_FINISH : LZMA_RUN);
	if (rc != LZMA_OK && rc != LZMA_STREAM_END && rc != LZMA_BUF_ERROR)
		return xz_failed(x, rc, e);
	io->in = x->next_in;
	io->in_len = x->avail_in;
	io->out = x->next_out;
	io->out_len = x->avail_out;
	if (rc == LZMA_STREAM_END)
		*result = BMR_CODEC_END;
	return 0;
}

static bool xz_restart(void *state)
{
	return xz_start(state);
}

static void xz_close(void *state)
{
	lzma_end(state);
	free(state);
}

const struct bmr_codec bmr_codec_xz = {
	.format = BMR_FORMAT_XZ,
	.open = xz_open,
	.step = xz_step,
	.restart = xz_restart,
	.close = xz_close,
	.magic = "\xfd"
		 "7zXZ\0",
	.magic_len = 6,
};
