/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/stage.h"

const char *bmr_stage_name(enum bmr_stage stage)
{
	static const char *const names[BMR_STAGES] = {
		[BMR_STAGE_FETCH] = "fetch", [BMR_STAGE_UNPACK] = "unpack",
		[BMR_STAGE_HASH] = "hash",   [BMR_STAGE_PACK] = "pack",
		[BMR_STAGE_WRITE] = "write", [BMR_STAGE_READ] = "read",
		[BMR_STAGE_FLUSH] = "flush", [BMR_STAGE_WAIT] = "wait",
	};

	return names[stage];
}
