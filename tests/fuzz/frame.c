/* SPDX-License-Identifier: GPL-3.0-or-later */
/* frame - any bytes as the frame of one chunk: damage, or exactly as many bytes as were asked for.
 * The first byte chooses the codec, the next three how many bytes are wanted. */
#include <stdlib.h>

#include "base/err.h"
#include "imaging/codec/frame_ops.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD 4
#define WANTED_MOST (1u << 18)

static int run(const struct bmr_frame_ops *ops, void *state, const uint8_t *frame, size_t stored,
               uint8_t *out, size_t wanted)
{
	struct bmr_err e = {0};
	int rc = ops->unpack(state, frame, stored, out, wanted, &e);

	if (rc < 0 && ((e.code != BMR_E_DATA && e.code != BMR_E_NOMEM) || !*e.msg))
		abort();
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum bmr_codec_id codecs[] = {BMR_PACK_NONE, BMR_PACK_GZIP, BMR_PACK_ZSTD,
	                                           BMR_PACK_LZ4};
	const struct bmr_frame_ops *ops;
	void *state = NULL;
	uint8_t *out;
	size_t wanted;
	int first;

	if (size < HEAD)
		return 0;
	wanted = (data[1] | (size_t)data[2] << 8 | (size_t)data[3] << 16) % WANTED_MOST + 1;
	out = malloc(wanted); /* as large as that, so that a byte more is noticed */
	ops = bmr_frame_find(codecs[data[0] % 4]);
	if (ops->unpack_open)
		state = ops->unpack_open();
	if (!out || (ops->unpack_open && !state))
		abort();
	first = run(ops, state, data + HEAD, size - HEAD, out, wanted);
	if (run(ops, state, data + HEAD, size - HEAD, out, wanted) != first)
		abort(); /* what came before left something behind */
	if (ops->unpack_close)
		ops->unpack_close(state);
	free(out);
	return 0;
}
