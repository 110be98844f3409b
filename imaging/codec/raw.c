/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "imaging/codec/codec.h"

/* Raw has no state; open must return something that is not NULL. */
static void *raw_open(void)
{
	static char nothing;

	return &nothing;
}

static int raw_step(void *state, struct bmr_codec_io *io, enum bmr_codec_state *result,
                    struct bmr_err *e)
{
	size_t n = io->in_len < io->out_len ? io->in_len : io->out_len;

	(void)state;
	(void)e;
	memcpy(io->out, io->in, n);
	io->in += n;
	io->in_len -= n;
	io->out += n;
	io->out_len -= n;
	if (io->at_end && io->in_len == 0)
		*result = BMR_CODEC_END;
	return 0;
}

static bool raw_restart(void *state)
{
	(void)state;
	return true;
}

static void raw_close(void *state)
{
	(void)state;
}

const struct bmr_codec bmr_codec_raw = {
	.format = BMR_FORMAT_RAW,
	.open = raw_open,
	.step = raw_step,
	.restart = raw_restart,
	.close = raw_close,
	.magic = "",
};
