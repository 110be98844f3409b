/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/codec/frame_ops.h"

#include <string.h>

#include "base/err.h"

int bmr_frame_damaged(struct bmr_err *e, const char *what)
{
	return bmr_err_set(e, BMR_E_DATA, 0, "a chunk of the image is damaged: %s", what);
}

int bmr_frame_unpackable(struct bmr_err *e, const char *what)
{
	return bmr_err_set(e, BMR_E_BUG, 0, "a chunk cannot be packed: %s", what);
}

/* --- none --- */

static size_t none_bound(size_t len)
{
	return len;
}

static int none_pack(void *state, const void *data, size_t len, void *out, size_t room,
                     size_t *stored, struct bmr_err *e)
{
	(void)state;
	(void)room;
	(void)e;
	memcpy(out, data, len);
	*stored = len;
	return 0;
}

static int none_unpack(void *state, const void *frame, size_t stored, void *out, size_t len,
                       struct bmr_err *e)
{
	(void)state;
	if (stored != len)
		return bmr_frame_damaged(e, "it has another length");
	memcpy(out, frame, len);
	return 0;
}

static const struct bmr_frame_ops frame_none = {
	.bound = none_bound,
	.pack = none_pack,
	.unpack = none_unpack,
};

/* --- all --- */

const struct bmr_frame_ops *bmr_frame_find(enum bmr_codec_id pack)
{
	static const struct bmr_frame_ops *const all[] = {
		[BMR_PACK_ZSTD] = &bmr_frame_zstd,
		[BMR_PACK_GZIP] = &bmr_frame_gzip,
		[BMR_PACK_LZ4] = &bmr_frame_lz4,
		[BMR_PACK_NONE] = &frame_none,
	};

	return all[pack];
}
