/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <zstd.h>
#include <zstd_errors.h>

#include "base/err.h"
#include "imaging/codec/codec.h"

/* 2^26 = 64 MiB: what BMR_DECODE_MEMORY leaves for a window; the levels to 19 use at most 2^23. */
#define WINDOW_LOG_MAX 26

static void zstd_close(void *state)
{
	ZSTD_freeDCtx(state);
}

static void *zstd_open(void)
{
	ZSTD_DCtx *z = ZSTD_createDCtx();

	if (z && ZSTD_isError(ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, WINDOW_LOG_MAX))) {
		zstd_close(z);
		return NULL;
	}
	return z;
}

static int zstd_failed(size_t rc, struct bmr_err *e)
{
	switch (ZSTD_getErrorCode(rc)) {
	case ZSTD_error_memory_allocation:
		return bmr_err_nomem(e, "a zstd window");
	case ZSTD_error_frameParameter_windowTooLarge:
		return bmr_err_set(e, BMR_E_DATA, 0,
		                   "the image needs a zstd window of more than %d MiB to unpack: "
		                   "compress it without --ultra and with --long=%d at most",
		                   1 << (WINDOW_LOG_MAX - 20), WINDOW_LOG_MAX);
	case ZSTD_error_dictionary_wrong: /* or the guard of container.h */
		return bmr_err_set(
			e, BMR_E_DATA, 0,
			"the image cannot be unpacked alone: it needs a zstd dictionary, or "
			"it is an incremental bmr image, which needs its manifest and base");
	default:
		return bmr_err_set(e, BMR_E_DATA, 0, "the image is damaged: %s",
		                   ZSTD_getErrorName(rc));
	}
}

static int zstd_step(void *state, struct bmr_codec_io *io, enum bmr_codec_state *result,
                     struct bmr_err *e)
{
	ZSTD_inBuffer in = {io->in, io->in_len, 0};
	ZSTD_outBuffer out = {io->out, io->out_len, 0};
	size_t rc = ZSTD_decompressStream(state, &out, &in);

	if (ZSTD_isError(rc))
		return zstd_failed(rc, e);
	io->in += in.pos;
	io->in_len -= in.pos;
	io->out += out.pos;
	io->out_len -= out.pos;
	if (rc == 0)
		*result = BMR_CODEC_END;
	return 0;
}

static bool zstd_restart(void *state)
{
	return !ZSTD_isError(ZSTD_DCtx_reset(state, ZSTD_reset_session_only));
}

const struct bmr_codec bmr_codec_zstd = {
	.format = BMR_FORMAT_ZSTD,
	.open = zstd_open,
	.step = zstd_step,
	.restart = zstd_restart,
	.close = zstd_close,
	.magic = "\x28\xb5\x2f\xfd",
	.magic_len = 4,
	.skippable = true,
};
