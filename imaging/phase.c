/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "imaging/phase.h"

const char *bmr_phase_name(enum bmr_phase phase)
{
	static const char *const names[] = {
		[BMR_PHASE_PREPARE] = "prepare",
		[BMR_PHASE_MEASURE] = "measure",
		[BMR_PHASE_COMPARE] = "compare",
		[BMR_PHASE_WRITE] = "write",
		[BMR_PHASE_READBACK] = "read-back",
		[BMR_PHASE_REPAIR] = "repair",
		[BMR_PHASE_BOOTABLE] = "bootable",
		[BMR_PHASE_DONE] = "done",
		[BMR_PHASE_MAP] = "map",
		[BMR_PHASE_CAPTURE] = "capture",
	};

	return names[phase];
}

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
